package caddyauth

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/spf13/cobra"
)

func tokensCommand() *cobra.Command {
	create := withJSON(online(&cobra.Command{
		Use:   "create --user <id> | --email <address> [--name <text>] [--path <pattern>]... [--method <name>]... [--expires <when>] [--json]",
		Short: "Makes a personal access token",
		Long: `
Makes a personal access token and prints it, this once: nobody can show it again.
It stands in for the user's latest session, as Bearer and as the password of HTTP
Basic, on sites that have the word 'tokens'.

--path and --method say where it is good for, each as often as need be; without
them, it is good wherever the user may go. --expires takes a time span such as 90d
or a date such as 2030-12-31; without it, the token lasts until it is revoked.`,
		Example: `  caddy auth tokens create --email alice@example.com --name backup --path '/dav/*' --expires 90d`,
		Args:    cobra.NoArgs,
	}, createToken))
	create.Flags().String("user", "", "Id of the user that it is for")
	create.Flags().String("email", "", "Address of the user that it is for")
	create.Flags().String("name", "", "What the user calls it")
	create.Flags().StringArray("path", nil, "A path pattern that it is good for")
	create.Flags().StringArray("method", nil, "A method that it is good for")
	create.Flags().String("expires", "", "When it ends: a time span or a date")

	list := withJSON(online(&cobra.Command{
		Use:   "list [--user <id>] [--email <address>] [--json]",
		Short: "Lists personal access tokens",
		Args:  cobra.NoArgs,
	}, listTokens))
	list.Flags().String("user", "", "Only those of the user with this id")
	list.Flags().String("email", "", "Only those of the user with this address")

	revoke := online(&cobra.Command{
		Use:   "revoke <id>... | --user <id>",
		Short: "Ends personal access tokens",
	}, func(a action) error { return a.revoke("tokens") })
	revoke.Flags().String("user", "", "End all tokens of the user with this id")

	return group(&cobra.Command{Use: "tokens <command>", Short: "Makes, lists and ends personal access tokens"}, create, list, revoke)
}

func createToken(a action) error {
	wanted := newTokenRequest{User: a.text("user"), Email: a.text("email"), Name: a.text("name")}
	var err error
	for flag, list := range map[string]*[]string{"path": &wanted.Paths, "method": &wanted.Methods} {
		if *list, err = a.Flags().GetStringArray(flag); err != nil {
			return err
		}
	}
	if wanted.Expires, err = parseExpiry(a.text("expires"), time.Now()); err != nil {
		return err
	}
	var made createdToken
	if err := a.admin.do(http.MethodPost, adminBase+"tokens", wanted, &made); err != nil {
		return err
	}
	if a.is("json") {
		return a.print(made)
	}
	a.note("token %s for %s; this is the only time that it is shown:", made.ID, oneLine(made.User.label()))
	_, err = fmt.Fprintln(a.OutOrStdout(), made.Token)
	return err
}

// parseExpiry reads a time span from now on, or a date, which counts until its
// end. Empty means never.
func parseExpiry(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if d, err := caddy.ParseDuration(text); err == nil {
		if d <= 0 {
			return time.Time{}, fmt.Errorf("--expires %s is over already", text)
		}
		return now.Add(d), nil
	}
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return t, nil
	}
	day, err := time.ParseInLocation(time.DateOnly, text, time.Local)
	if err != nil {
		return time.Time{}, errors.New("--expires takes a time span such as 90d, a date such as 2030-12-31, or a time as in RFC 3339")
	}
	return day.AddDate(0, 0, 1), nil
}

func listTokens(a action) error {
	query := a.query("user", "email")
	all := tokenPage{Tokens: []listedToken{}}
	for {
		var page tokenPage
		if err := a.admin.do(http.MethodGet, adminBase+"tokens?"+query.Encode(), nil, &page); err != nil {
			return err
		}
		all.Tokens = append(all.Tokens, page.Tokens...)
		if page.Next == "" {
			break
		}
		query.Set("after", page.Next)
	}
	slices.SortStableFunc(all.Tokens, func(a, b listedToken) int { return a.Created.Compare(b.Created) })
	if a.is("json") {
		return a.print(all)
	}
	if len(all.Tokens) == 0 {
		a.note("no tokens")
		return nil
	}
	rows := [][]string{{"ID", "USER ID", "USER", "NAME", "CREATED", "USED", "EXPIRES", "METHODS", "PATHS"}}
	for _, t := range all.Tokens {
		rows = append(rows, []string{
			t.ID, t.User.ID, t.User.label(), t.Name, when(t.Created), when(t.Used), when(t.Expires),
			strings.Join(t.Methods, " "), strings.Join(t.Paths, " "),
		})
	}
	return a.table(rows)
}
