package caddyauth

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/caddyauth/gateway/caddyauth/gate"
	"github.com/caddyauth/gateway/caddyauth/session"
)

func explainCommand() *cobra.Command {
	cmd := withJSON(offline(&cobra.Command{
		Use:   "explain [--config <path>] [--adapter <name>] [--method <method>] [--header <field>]... [--claims <claims> | --user <user>] [--json] <url>\n  caddy auth explain [...] --log <file> <reference>",
		Short: "Says why a request passes or not",
		Long: `
Reads a configuration without running it, and says what becomes of a request: the
decision, and for each line of the configuration whether it means the request and the
person. Lines with a star decide.

The URL has the path as it is sent, encodings and all. Nobody is signed in unless
--claims gives the payload of a session token (JSON, a file with it, or - for the
standard input), or --user and its companions describe somebody.

With --log, the request and the person are those of a refusal: of the line with that
reference in Caddy's log, as JSON. The log has neither queries, header fields nor
claims, as these may be secrets; --query, --header and --claims add them. Where a line
that means the request reads one that is missing, that is said.`,
		Args: cobra.ExactArgs(1),
	}, explain))
	f := cmd.Flags()
	f.String("method", "GET", "Method of the request")
	f.StringArray("header", nil, "Header field of the request, 'Name: value'")
	f.String("query", "", "Query of the request, for --log")
	f.String("remote-ip", "", "Address that the request comes from")
	f.String("claims", "", "Payload of the session token: JSON, a file, or - for the standard input")
	f.String("user", "", "Who is signed in: <provider>:<login>")
	f.String("email", "", "Their e-mail address, which the provider vouches for")
	f.StringArray("role", nil, "A role of theirs")
	f.StringArray("group", nil, "A group of theirs")
	f.StringArray("org", nil, "An organization of theirs")
	f.Duration("signed-in", 0, "How long ago they signed in")
	f.String("acr", "", "How they signed in, as the provider calls it")
	f.String("log", "", "Log that has the reference: a file, or - for the standard input")
	return cmd
}

// explained is what the command finds out.
type explained struct {
	Site      string          `json:"site"`
	Request   string          `json:"request"`
	Person    string          `json:"person,omitempty"`
	Action    string          `json:"action"`
	Reason    string          `json:"reason"`
	Rule      string          `json:"rule,omitempty"`
	API       bool            `json:"api,omitempty"`
	Error     string          `json:"error,omitempty"`
	Readings  []string        `json:"readings,omitempty"`
	Lines     []explainedLine `json:"lines"`
	Notes     []string        `json:"notes,omitempty"`
	meaning   string
	reference string
}

type explainedLine struct {
	Line     string   `json:"line"`
	Matches  bool     `json:"matches"`
	Readings []string `json:"readings,omitempty"`
	// Means is whether the person is meant or, for step_up, signed in well enough.
	Means   *bool  `json:"means,omitempty"`
	Decides bool   `json:"decides,omitempty"`
	Error   string `json:"error,omitempty"`
	word    string
	index   int
}

// explain answers about one request.
func explain(a action, app *App) error {
	if err := app.placeSites(); err != nil {
		return err
	}
	q := question{method: a.text("method"), remote: a.text("remote-ip")}
	q.fields, _ = a.Flags().GetStringArray("header")
	q.given = map[string]bool{"header": len(q.fields) > 0, "claims": a.text("claims") != "", "query": a.text("query") != ""}
	var err error
	switch log := a.text("log"); {
	case log != "":
		err = q.recall(a, log, a.args[0])
	case q.given["query"]:
		err = errors.New("--query is for --log: the URL has the query")
	default:
		q.given["query"] = true
		err = q.parseURL(a.args[0])
	}
	if err != nil {
		return err
	}
	s, err := app.siteOf(q)
	if err != nil {
		return err
	}
	who, err := a.person(s, q.logged)
	if err != nil {
		return err
	}
	x, err := s.explain(q, who)
	if err != nil {
		return err
	}
	if a.is("json") {
		return a.print(x)
	}
	return x.write(a.OutOrStdout())
}

// explain decides about a request, and says how.
func (s *site) explain(q question, who *session.Session) (*explained, error) {
	r, err := q.request(s)
	if err != nil {
		return nil, err
	}
	x := &explained{Site: s.name() + " (" + s.source + ")", Request: q.method + " " + q.origin + q.target, Lines: []explainedLine{}}
	if who != nil {
		x.Person = who.Label()
	}
	if name := s.earlier(); name != "" {
		x.Notes = append(x.Notes, name+" answers some requests before caddyauth is asked")
	}
	if s.isEndpoint(r) {
		x.Action, x.Reason, x.meaning = "endpoint", "endpoint", "caddyauth answers it itself, whoever asks"
		return x, nil
	}
	if q.logged != nil && q.logged.when().Unix() > 0 {
		s.policy.Now = q.logged.when
	}
	e := s.policy.Explain(r, nil, func() (*session.Session, error) {
		switch {
		case who == nil:
			return nil, session.ErrNone
		case who.HasEvidence && !who.Evidence.Within(s.realms) && !who.Bearer:
			return nil, session.ErrInvalid // as session.Manager has it
		}
		return who, nil
	})
	x.take(s, s.guardSocket(r, e.Decision), e)
	if who != nil && x.Reason == string(gate.ReasonInvalid) {
		x.Notes = append(x.Notes, fmt.Sprintf("'%s' is none of the providers of this site, so their session is none here", who.Evidence.Provider))
	}
	if q.logged != nil {
		x.compare(q.logged)
	}
	if who != nil {
		x.missing(s, q)
	}
	return x, nil
}

// compare says where the log and the configuration differ.
func (x *explained) compare(l *loggedRefusal) {
	x.reference = l.Reference
	if l.Reason != x.Reason || l.Rule != x.Rule {
		then := strings.TrimSpace(l.Reason + " " + l.Rule)
		x.Notes = append(x.Notes, fmt.Sprintf("the log says '%s': the configuration was another one then, or what the log leaves out counts", then))
	}
}

// missing says which lines read what nobody has given, so that they may have meant
// somebody else.
func (x *explained) missing(s *site, q question) {
	for _, l := range x.Lines {
		if !l.Matches || l.Means == nil {
			continue
		}
		var names, flags []string
		for _, u := range unlogged {
			if q.given[u.flag] || !slices.Contains(s.readsAt(l.word, l.index), u.member) {
				continue
			}
			names = append(names, u.member)
			if flag := "--" + u.flag; !slices.Contains(flags, flag) {
				flags = append(flags, flag)
			}
		}
		if len(names) > 0 {
			x.Notes = append(x.Notes, fmt.Sprintf("'%s' reads %s, of which nothing is known: add %s", l.Line, strings.Join(names, " and "), strings.Join(flags, " and ")))
		}
	}
}

// readsAt are the members of CEL's variables that a line of the configuration reads.
func (s *site) readsAt(word string, i int) []string {
	var r *Rule
	var subject gate.Subject
	switch word {
	case gate.WordDeny:
		r, subject = s.config.Deny[i], s.policy.Deny[i].Subject
	case gate.WordAllow:
		r, subject = s.config.Allow[i], s.policy.Allow[i].Subject
	default:
		return nil
	}
	if r.Subject == subjectClaim {
		return []string{"session.claims"}
	}
	if e, ok := subject.(*exprSubject); ok {
		return e.rule.Reads()
	}
	return nil
}

// isEndpoint reports whether a request never gets as far as the rules.
func (s *site) isEndpoint(r *http.Request) bool {
	return below(s.basePath, r.URL) || s.isAccountPage(r.URL) || s.isPortalFront(r, r.URL) ||
		s.bearer != nil && s.bearer.tokens != nil && strings.TrimSuffix(r.URL.EscapedPath(), "/") == resourceMetadata
}

// take copies what the gate says.
func (x *explained) take(s *site, d gate.Decision, e gate.Explanation) {
	x.Action, x.Reason, x.Rule, x.API = d.Action.String(), string(d.Reason), d.Rule, d.API
	if len(e.Readings) > 1 {
		x.Readings = e.Readings
	}
	if d.Err != nil {
		x.Error = d.Err.Error()
	}
	if e.Closed {
		x.Notes = append(x.Notes, "nobody can say how a server reads this path, so no path opens it")
	}
	x.meaning = meaningOf(d)
	for _, l := range e.Lines {
		line := explainedLine{Line: s.lineAt(l.Word, l.Index), Matches: l.Matches, Readings: l.Readings, Means: l.Means, Decides: l.Decided, word: l.Word, index: l.Index}
		if l.Err != nil {
			line.Error = l.Err.Error()
		}
		x.Lines = append(x.Lines, line)
	}
}

// lineAt is the line of the configuration that the policy has at a place.
func (s *site) lineAt(word string, i int) string {
	c := s.config
	switch word {
	case gate.WordScope:
		return "caddyauth " + s.scope
	case gate.WordDeny:
		return c.Deny[i].line(word)
	case gate.WordAllow:
		return c.Allow[i].line(word)
	case gate.WordPrivate:
		return lineOf(word, c.Private[i])
	case gate.WordStepUp:
		return stepUpLine(c.StepUp[i])
	case gate.WordAPI:
		return apiLine(c.API[i])
	}
	if i < len(c.Public) {
		return lineOf(word, c.Public[i])
	}
	return "pages " + strings.Join(s.pagePaths, " ")
}

// meaningOf says in words what becomes of a request.
func meaningOf(d gate.Decision) string {
	switch d.Action {
	case gate.Pass:
		switch {
		case d.Session != nil:
			return "it passes, and the upstream learns who sent it"
		case d.Candidate != nil:
			return "it passes as anybody's would: the rules refuse this person"
		}
		return "it passes without a session"
	case gate.SignIn:
		if d.API {
			return "it is answered with 401"
		}
		return "page loads are sent to sign in, other requests are answered with 401"
	case gate.StepUp:
		return "page loads are sent to sign in once more, other requests are answered with 401"
	case gate.Forbid:
		return "it is answered with 403"
	case gate.BadRequest:
		return "it is answered with 400"
	case gate.MethodNotAllowed:
		return "it is answered with 405"
	case gate.Preflight:
		return "it is answered with 204, so that the page may send the request"
	}
	return "it is answered with 503"
}

// write prints it for people.
func (x *explained) write(w io.Writer) error {
	t := text{w: w}
	t.line("%s", oneLineOf(x.Request))
	t.entry("site", x.Site)
	t.entry("reference", x.reference)
	t.entry("signed in", oneLineOf(orNobody(x.Person)))
	t.entry("decision", x.Action+": "+x.meaning)
	t.entry("reason", x.Reason)
	t.entry("rule", x.Rule)
	t.entry("error", oneLineOf(x.Error))
	for _, r := range x.Readings {
		t.entry("reading", oneLineOf(r))
	}
	for _, n := range x.Notes {
		t.entry("note", oneLineOf(n))
	}
	if len(x.Lines) > 0 {
		t.line("")
	}
	for _, l := range x.Lines {
		mark := " "
		if l.Decides {
			mark = "*"
		}
		t.line("%s %-40s  %s", mark, l.Line, l.words(len(x.Readings)))
	}
	return t.err
}

// words says what a line makes of the request and the person.
func (l *explainedLine) words(readings int) string {
	out := "another request"
	switch {
	case l.Matches:
		out = "this request"
	case l.word == gate.WordPublic && len(l.Readings) > 0:
		out = "not every reading"
	}
	if n := len(l.Readings); n > 0 && n < readings {
		out += ", as " + oneLineOf(strings.Join(l.Readings, " "))
	}
	if l.Means != nil {
		yes, no := "this person", "not this person"
		if l.word == gate.WordStepUp {
			yes, no = "met", "not met"
		}
		if *l.Means {
			out += "; " + yes
		} else {
			out += "; " + no
		}
	}
	if l.Error != "" {
		out += "; " + oneLineOf(l.Error)
	}
	return out
}

func orNobody(person string) string {
	if person == "" {
		return "nobody"
	}
	return person
}

// oneLineOf is oneLine for what must not be cut, and may be absent.
func oneLineOf(s string) string { return strings.Map(shown, s) }

// readArgument reads what a flag names: a file, the standard input, or the text
// itself if it is JSON.
func readArgument(a action, value string) ([]byte, error) {
	switch {
	case value == "-":
		return io.ReadAll(io.LimitReader(a.InOrStdin(), 1<<20))
	case strings.HasPrefix(strings.TrimSpace(value), "{"):
		return []byte(value), nil
	case value == "":
		return nil, errors.New("is empty")
	}
	return os.ReadFile(value)
}
