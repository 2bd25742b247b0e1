package caddyauth

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/caddyserver/caddy/v2"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"
)

func auditCommand() *cobra.Command {
	return withJSON(offline(&cobra.Command{
		Use:   "audit [--config <path>] [--adapter <name>] [--json]",
		Short: "Lists what a configuration lets strangers do",
		Long: `
Reads a configuration without running it, and lists for each site what can be reached
signed out, which rules decide, which headers are owned, and where redirects may go;
and the hosts that no caddyauth stands in front of. The same configuration in the same
environment gives the same text, so that it can be kept in a repository and compared.

Warnings about the configuration are logged to the standard error output.`,
		Args: cobra.NoArgs,
	}, func(a action, app *App) error {
		report, err := app.audit()
		if err != nil {
			return err
		}
		if a.is("json") {
			return a.print(report)
		}
		return report.write(a.OutOrStdout())
	}))
}

// offline gives a command the flags that name a configuration, which it does not
// run. Run gets the provisioned app.
func offline(cmd *cobra.Command, run func(action, *App) error) *cobra.Command {
	cmd.Flags().StringP("config", "c", "", "Configuration file (default: Caddyfile)")
	cmd.Flags().StringP("adapter", "a", "", "Name of config adapter to apply")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		a := action{Command: cmd, args: args}
		app, err := provisioned(a.text("config"), a.text("adapter"))
		if err != nil {
			return err
		}
		return run(a, app)
	}
	return cmd
}

// provisioned loads a configuration as far as 'caddy validate' does: nothing
// listens, and neither the network nor Caddy's storage is touched. What it holds is
// let go at the end of the process.
func provisioned(file, adapter string) (*App, error) {
	raw, name, _, err := caddycmd.LoadConfig(file, adapter)
	if err != nil {
		return nil, err
	}
	if len(raw) == 0 {
		return nil, errors.New("there is no Caddyfile here: name the configuration with --config")
	}
	var config *caddy.Config
	if err := json.Unmarshal(caddy.RemoveMetaFields(raw), &config); err != nil {
		return nil, fmt.Errorf("%s cannot be read: %w", name, err)
	}
	ctx, err := caddy.ProvisionContext(config)
	if err != nil {
		return nil, err
	}
	value, err := ctx.App("caddyauth")
	if err != nil {
		return nil, err
	}
	app := value.(*App)
	if len(app.sites) == 0 {
		return nil, errors.New("no site of the configuration uses caddyauth")
	}
	return app, nil
}

// write prints a report for people.
func (r *auditReport) write(w io.Writer) error {
	t := text{w: w}
	for _, s := range r.Sites {
		t.line("%s (%s)", orNone(s.Hosts, "every host"), s.Source)
		t.entry("origin", s.Origin)
		for _, p := range s.Providers {
			entry := p.ID
			if p.Callback != "" {
				entry += "  " + p.Callback
			}
			if p.Anybody {
				entry += "  (anybody can get an account)"
			}
			t.entry("provider", entry)
			for _, e := range []struct{ what, url string }{
				{"after sign-out", p.SignedOut}, {"back-channel logout", p.Backchannel},
				{"front-channel logout", p.Frontchannel}, {"sign-ins begun elsewhere", p.Login},
			} {
				if e.url != "" {
					t.entry("provider", p.ID+"  "+e.url+"  ("+e.what+")")
				}
			}
		}
		t.entry("gate", s.Gate)
		t.entry("answers earlier", s.Earlier)
		t.entry("signed out", orNone(s.Endpoints, ""))
		t.entries("public", s.Public)
		t.entries("private", s.Private)
		t.entries("rule", s.Rules)
		t.entries("rule", s.StepUp)
		t.entries("rule", s.API)
		t.entries("bearer", s.Bearer)
		t.entry("portal", s.Portal)
		t.entry("headers", orNone(s.Headers, ""))
		t.entry("assertion", s.Assertion)
		t.entry("access token", s.AccessToken)
		t.entry("redirects", orNone(s.Redirects, ""))
		cookie := s.Cookie.Name + ", SameSite=" + s.Cookie.SameSite
		if s.Cookie.Domain != "" {
			cookie += ", for " + s.Cookie.Domain + " and all below"
		}
		if s.Cookie.Upstream {
			cookie += ", reaches the upstream"
		}
		t.entry("cookie", cookie)
		t.entries("warning", s.Warnings)
		t.line("")
	}
	t.line("owned headers: %s, x-auth-request-*", strings.Join(r.Owned, ", "))
	t.line("without caddyauth: %s", orNone(r.Open, "no host"))
	return t.err
}

func orNone(list []string, none string) string {
	if len(list) == 0 {
		return none
	}
	return strings.Join(list, ", ")
}

// text writes lines until one fails.
type text struct {
	w   io.Writer
	err error
}

func (t *text) line(format string, args ...any) {
	if t.err == nil {
		_, t.err = fmt.Fprintf(t.w, format+"\n", args...)
	}
}

// entry writes a value with its name in front, unless there is none.
func (t *text) entry(name, value string) {
	if value != "" {
		t.line("  %-16s%s", name, value)
	}
}

func (t *text) entries(name string, values []string) {
	for _, v := range values {
		t.entry(name, v)
	}
}
