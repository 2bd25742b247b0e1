package caddyauth

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/spf13/cobra"
)

func sessionsCommand() *cobra.Command {
	list := withJSON(online(&cobra.Command{
		Use:   "list [--user <id>] [--email <address>] [--provider <id>] [--all] [--json]",
		Short: "Lists the sessions that stores know",
		Long: `
Lists the sessions of all stores that the running Caddy uses, in the order of
their ids: the first 100, or with --all every one. Sessions of sites without a
store are in people's browsers only.`,
		Example: `  caddy auth sessions list --email alice@example.com`,
		Args:    cobra.NoArgs,
	}, listSessions))
	list.Flags().String("user", "", "Only those of the user with this id")
	list.Flags().String("email", "", "Only those of the user with this address")
	list.Flags().String("provider", "", "Only those that began at this provider")
	list.Flags().Bool("all", false, "Not the first 100 only")

	revoke := online(&cobra.Command{
		Use:   "revoke <id>... | --user <id>",
		Short: "Ends sessions",
		Long: `
Ends the sessions with these ids, or all that a user has begun: on every instance
that shares the store within a second, however many copies of a token there are.

On sites without a store, a session is ended by its sid, which the placeholder
{http.auth.user.claims.caddyauth.sid} tells, and a person's sessions by
<provider>:<account>: on this instance, and as long as it runs.`,
		Example: `  caddy auth sessions revoke 4f0c1ab2c3d4e5f60718293a4b5c6d7e
  caddy auth sessions revoke --user 0b5e3c`,
	}, revokeSessions)
	revoke.Flags().String("user", "", "End all sessions of the user with this id")

	return group(&cobra.Command{Use: "sessions <command>", Short: "Lists and ends sessions"}, list, revoke)
}

func listSessions(a action) error {
	query := a.query("user", "email", "provider")
	all := sessionPage{Sessions: []listedSession{}}
	for {
		var page sessionPage
		if err := a.admin.do(http.MethodGet, adminBase+"sessions?"+query.Encode(), nil, &page); err != nil {
			return err
		}
		all.Sessions = append(all.Sessions, page.Sessions...)
		all.Next = page.Next
		if !a.is("all") || page.Next == "" {
			break
		}
		query.Set("after", page.Next)
	}
	if a.is("json") {
		return a.print(all)
	}
	if len(all.Sessions) == 0 {
		a.note("no sessions")
		return nil
	}
	rows := [][]string{{"ID", "USER ID", "NAME", "PROVIDER", "SIGNED IN", "EXPIRES", "IP", "BROWSER"}}
	for _, s := range all.Sessions {
		rows = append(rows, []string{
			s.ID, s.User.ID, s.User.label(), s.Provider, when(s.Created), when(s.Expires), s.IP, s.UserAgent,
		})
	}
	if err := a.table(rows); err != nil {
		return err
	}
	if all.Next != "" {
		a.note("there are more: --all lists them")
	}
	return nil
}

// label is what people know a user by.
func (u listedUser) label() string { return cmp.Or(u.Email, u.Name) }

// query has the flags of these names as parameters.
func (a action) query(flags ...string) url.Values {
	query := make(url.Values)
	for _, name := range flags {
		if v := a.text(name); v != "" {
			query.Set(name, v)
		}
	}
	return query
}

func revokeSessions(a action) error { return a.revoke("sessions") }

// revoke ends sessions or tokens, one by one or all of a user's.
func (a action) revoke(what string) error {
	user := a.text("user")
	switch {
	case user == "" && len(a.args) == 0:
		return fmt.Errorf("say which %s are to end: their ids, or --user and a user's id", what)
	case user != "" && len(a.args) > 0:
		return errors.New("ids and --user exclude each other")
	case user != "":
		var done endedCount
		query := url.Values{"user": {user}}
		if err := a.admin.do(http.MethodDelete, adminBase+what+"?"+query.Encode(), nil, &done); err != nil {
			return err
		}
		fmt.Fprintf(a.OutOrStdout(), "ended %d %s\n", done.Ended, what)
		return nil
	}
	var errs []error
	for _, id := range a.args {
		if err := a.admin.do(http.MethodDelete, adminBase+what+"/"+url.PathEscape(id), nil, nil); err != nil {
			errs = append(errs, err)
			continue
		}
		fmt.Fprintln(a.OutOrStdout(), "ended", oneLine(id))
	}
	return errors.Join(errs...)
}
