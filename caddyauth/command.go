package caddyauth

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/caddyserver/caddy/v2"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"
)

func init() {
	caddycmd.RegisterCommand(caddycmd.Command{
		Name:  "auth",
		Usage: "<command>",
		Short: "Lists and ends sessions and tokens, rotates secrets, and examines configurations",
		Long: `
Administers the sessions, the personal access tokens and the generated secret of
the running Caddy.

All commands but 'secret', 'audit', 'explain' and 'providers' talk to Caddy's admin API, which listens at
'` + caddy.DefaultAdminListen + `' unless --address says otherwise, or the file of --config.
They end with status 1 if something could not be done.`,
		CobraFunc: func(cmd *cobra.Command) {
			group(cmd)
			cmd.AddCommand(sessionsCommand(), tokensCommand(), rotateCommand(), secretCommand(), auditCommand(), explainCommand(), providersCommand())
		},
	})
}

// group makes a command that has nothing but others below it.
func group(cmd *cobra.Command, below ...*cobra.Command) *cobra.Command {
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) > 0 {
			return fmt.Errorf("unknown command %q for %q; see '%s --help'", args[0], cmd.CommandPath(), cmd.CommandPath())
		}
		return cmd.Help()
	}
	cmd.AddCommand(below...)
	return cmd
}

// action is a command that talks to the running Caddy.
type action struct {
	*cobra.Command
	args  []string
	admin adminClient
}

// online gives a command the flags that say where Caddy is. Run is called with
// the arguments that are left.
func online(cmd *cobra.Command, run func(action) error) *cobra.Command {
	cmd.Flags().String("address", "", "Address of the administration API listener (if --config is not used)")
	cmd.Flags().StringP("config", "c", "", "Configuration file (if --address is not used)")
	cmd.Flags().StringP("adapter", "a", "", "Name of config adapter to apply (if --config is used)")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		a := action{Command: cmd, args: args}
		address, err := caddycmd.DetermineAdminAPIAddress(a.text("address"), nil, a.text("config"), a.text("adapter"))
		if err != nil {
			return fmt.Errorf("where the admin API listens cannot be told: %w", err)
		}
		a.admin = adminClient(address)
		return run(a)
	}
	return cmd
}

// withJSON adds the flag for programs.
func withJSON(cmd *cobra.Command) *cobra.Command {
	cmd.Flags().Bool("json", false, "Print JSON")
	return cmd
}

// text is the value of a flag.
func (a action) text(flag string) string { return caddycmd.Flags{FlagSet: a.Flags()}.String(flag) }

// is is the value of a flag that says yes or no.
func (a action) is(flag string) bool { return caddycmd.Flags{FlagSet: a.Flags()}.Bool(flag) }

// print writes a result, in JSON.
func (a action) print(v any) error {
	enc := json.NewEncoder(a.OutOrStdout())
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// note writes what is no result.
func (a action) note(format string, args ...any) {
	fmt.Fprintf(a.ErrOrStderr(), format+"\n", args...)
}

// table writes rows in aligned columns.
func (a action) table(rows [][]string) error {
	w := tabwriter.NewWriter(a.OutOrStdout(), 0, 0, 2, ' ', 0)
	for _, row := range rows {
		cells := make([]string, len(row))
		for i, cell := range row {
			cells[i] = oneLine(cell)
		}
		fmt.Fprintln(w, strings.TrimRight(strings.Join(cells, "\t"), "\t"))
	}
	return w.Flush()
}

// maxCell is how much of a value a table shows, in characters.
const maxCell = 48

// oneLine makes a value fit for a terminal: names and user agents are what
// strangers send, and could steer it.
func oneLine(s string) string {
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, s)
	if s == "" {
		return "-"
	}
	if runes := []rune(s); len(runes) > maxCell {
		return string(runes[:maxCell-1]) + "…"
	}
	return s
}

// when is a time as tables show it, in the zone of this machine.
func when(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Local().Format("2006-01-02 15:04")
}

// adminClient is the address of an admin API.
type adminClient string

// do sends a request and reads the answer into a value, which may be nil.
func (c adminClient) do(method, uri string, body, into any) error {
	var payload io.Reader
	if body != nil {
		raw, err := json.Marshal(body)
		if err != nil {
			return err
		}
		payload = bytes.NewReader(raw)
	}
	resp, err := caddycmd.AdminAPIRequest(string(c), method, uri, make(http.Header), payload)
	if err != nil {
		return c.explain(err)
	}
	defer resp.Body.Close()
	if into == nil {
		return nil
	}
	if err := json.NewDecoder(resp.Body).Decode(into); err != nil {
		return fmt.Errorf("Caddy at %s answers what cannot be read: %w", c, err)
	}
	return nil
}

// refusal is how AdminAPIRequest puts what Caddy says no with.
var refusal = regexp.MustCompile(`(?s)HTTP (\d+): (.*)$`)

// explain turns an error of AdminAPIRequest into what to do about it.
func (c adminClient) explain(err error) error {
	parts := refusal.FindStringSubmatch(err.Error())
	if parts == nil {
		return fmt.Errorf("no Caddy answers at %s: is it running, with its admin API on? Another address is given with --address or --config (%w)", c, err)
	}
	var said struct {
		Error string `json:"error"`
	}
	switch {
	case json.Unmarshal([]byte(parts[2]), &said) == nil && said.Error != "":
		return errors.New(said.Error)
	case parts[1] == "404":
		return fmt.Errorf("the Caddy at %s runs without caddyauth, or with a version of it that has no such command", c)
	}
	return fmt.Errorf("Caddy at %s answers with status %s", c, parts[1])
}
