package caddyauth

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/caddyauth/gateway/caddyauth/provider"
)

func providersCommand() *cobra.Command {
	cmd := withJSON(&cobra.Command{
		Use:   "providers [--json | --markdown] [<id>...]",
		Short: "Lists the sign-in services that are one word in a Caddyfile",
		Long: `
Lists the services of the catalogue: the word to write, what has to be in the
environment, whether anybody can get an account there (so that 'allow' is
mandatory), and where to register a client. With ids, only those.

Any other OpenID Provider is 'provider oidc <issuer>'.`,
	})
	cmd.Flags().Bool("markdown", false, "Print the table of the README")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		a := action{Command: cmd, args: args}
		list, err := chosenServices(args)
		switch {
		case err != nil:
			return err
		case a.is("json") && a.is("markdown"):
			return fmt.Errorf("--json and --markdown exclude each other")
		case a.is("json"):
			return a.print(list)
		case a.is("markdown"):
			_, err := fmt.Fprint(a.OutOrStdout(), providersMarkdown(list))
			return err
		case len(args) > 0:
			return describeServices(a, list)
		}
		return listServices(a, list)
	}
	return cmd
}

// chosenServices are the services with these ids, all if there are none.
func chosenServices(ids []string) ([]provider.Service, error) {
	all := provider.Catalogue()
	if len(ids) == 0 {
		return all, nil
	}
	var list []provider.Service
	for _, id := range ids {
		found := false
		for _, s := range all {
			if s.ID == id {
				list, found = append(list, s), true
			}
		}
		if !found {
			return nil, provider.UnknownPreset(id)
		}
	}
	return list, nil
}

func listServices(a action, list []provider.Service) error {
	rows := [][]string{{"ID", "NAME", "TYPE", "OPEN TO", "ENVIRONMENT"}}
	for _, s := range list {
		open := "your users"
		if s.Public != "" {
			open = strings.TrimSuffix(s.Public, ", unless the issuer is your own")
		}
		if s.Public == provider.PublicByDefault {
			open += "*"
		}
		rows = append(rows, []string{s.ID, s.Name, s.Type, open, shortEnvironment(s.Environment)})
	}
	if err := a.table(rows); err != nil {
		return err
	}
	a.note("\n* unless the issuer is your own. 'caddy auth providers <id>' says where to register.")
	return nil
}

// shortEnvironment writes AUTH_X_ID, AUTH_X_SECRET as AUTH_X_ID, _SECRET.
func shortEnvironment(names []string) string {
	stem := strings.TrimSuffix(names[0], "_ID")
	short := []string{names[0]}
	for _, name := range names[1:] {
		short = append(short, strings.TrimPrefix(name, stem))
	}
	return strings.Join(short, ", ")
}

func describeServices(a action, list []provider.Service) error {
	for i, s := range list {
		if i > 0 {
			fmt.Fprintln(a.OutOrStdout())
		}
		for _, line := range []struct{ name, value string }{
			{"id", s.ID},
			{"name", s.Name},
			{"type", s.Type},
			{"issuer", s.Issuer},
			{"open to", s.Public},
			{"environment", strings.Join(s.Environment, " ")},
			{"optional", strings.Join(s.Optional, " ")},
			{"register at", s.Docs},
			{"note", s.Note},
		} {
			if line.value == "" {
				continue
			}
			if _, err := fmt.Fprintf(a.OutOrStdout(), "%-12s %s\n", line.name, line.value); err != nil {
				return err
			}
		}
	}
	return nil
}

// providersMarkdown is the table of the README.
func providersMarkdown(list []provider.Service) string {
	var b strings.Builder
	b.WriteString("| word | service | needs besides id and secret | open to | register at |\n|---|---|---|---|---|\n")
	for _, s := range list {
		var needs []string
		for _, name := range s.Environment[2:] {
			needs = append(needs, "`"+name+"`")
		}
		for _, name := range s.Optional {
			needs = append(needs, "(`"+name+"`)")
		}
		docs := s.Docs
		if s.Note != "" {
			docs += ". " + s.Note
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s |\n", s.ID, s.Name, strings.Join(needs, " "), s.Public, markdownCell(docs))
	}
	return b.String()
}

// markdownCell escapes what would be taken for a table's or HTML's own.
func markdownCell(s string) string {
	return strings.NewReplacer("|", `\|`, "<", `\<`, ">", `\>`, "*", `\*`, "_", `\_`).Replace(s)
}
