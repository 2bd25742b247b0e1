package callbacks

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common"
	"cel.dev/cel-go/common/operators"

	"github.com/caddyauth/gateway/caddyauth/internal/nearest"
)

// The messages of CEL that are put in other words.
var (
	undeclared  = regexp.MustCompile(`^undeclared reference to '(.*)' \(in container`)
	overload    = regexp.MustCompile(`^found no matching overload for '(.*)' applied to '(.*)'$`)
	mismatch    = regexp.MustCompile(`^expected type '(.*)' but found '(.*)'$`)
	noMember    = regexp.MustCompile(`^type '(.*)' does not support field selection$`)
	reservedFor = regexp.MustCompile(`^reserved identifier: (.*)$`)
	syntax      = regexp.MustCompile(`(?s)^Syntax error: (.*)$`)
	unexpected  = regexp.MustCompile(`(?s)^(?:extraneous input|mismatched input|no viable alternative at input|token recognition error at:) '(.*?)'(?: expecting .*)?$`)
)

// typeNames are shorter than CEL's.
var typeNames = strings.NewReplacer("google.protobuf.Timestamp", "timestamp", "google.protobuf.Duration", "duration",
	"optional_type", "optional", "null_type", "null", "dyn", "any")

func typeName(t *cel.Type) string { return typeNames.Replace(cel.FormatCELType(t)) }

// at takes a place of CEL's, whose columns begin at 0.
func (e *CompileError) at(l common.Location) {
	if l.Line() > 0 {
		e.Line, e.Column = l.Line(), max(l.Column(), 0)+1
	}
}

// atOffset takes a place in bytes.
func (e *CompileError) atOffset(i int) {
	before := e.Expr[:i]
	e.Line = strings.Count(before, "\n") + 1
	e.Column = utf8.RuneCountInString(before[strings.LastIndexByte(before, '\n')+1:]) + 1
}

// rest is the expression from the place of the error on.
func (e *CompileError) rest() string {
	lines := strings.SplitN(e.Expr, "\n", e.Line)
	rest := lines[len(lines)-1]
	for range e.Column - 1 {
		_, n := utf8.DecodeRuneInString(rest)
		rest = rest[n:]
	}
	return rest
}

// explain takes the first of CEL's errors; the others mostly follow from it.
func (e *CompileError) explain(lang *language, env *cel.Env, errs []*cel.Error) {
	first := slices.MinFunc(errs, func(a, b *cel.Error) int {
		return cmp.Or(a.Location.Line()-b.Location.Line(), a.Location.Column()-b.Location.Column())
	})
	e.at(first.Location)
	msg := first.Message
	if m := syntax.FindStringSubmatch(msg); m != nil || reservedFor.MatchString(msg) {
		if !e.habit() {
			e.Message = syntaxMessage(m, msg)
		}
	} else if m := undeclared.FindStringSubmatch(msg); m != nil {
		e.unknown(lang, env, m[1])
	} else if m := overload.FindStringSubmatch(msg); m != nil {
		e.Message = overloadMessage(m[1], typeNames.Replace(m[2]))
	} else if m := mismatch.FindStringSubmatch(msg); m != nil {
		e.Message = mismatchMessage(typeNames.Replace(m[1]), typeNames.Replace(m[2]))
	} else if m := noMember.FindStringSubmatch(msg); m != nil {
		e.Message = fmt.Sprintf("%s has no members", typeNames.Replace(m[1]))
		if strings.HasPrefix(e.rest(), ".length") {
			e.Message += ": the length is size(...)"
		}
	} else {
		e.Message = typeNames.Replace(msg)
	}
}

func syntaxMessage(m []string, msg string) string {
	if m == nil {
		return strings.ReplaceAll(msg, "reserved identifier: ", "reserved word ")
	}
	u := unexpected.FindStringSubmatch(m[1])
	switch {
	case u == nil:
		return strings.ReplaceAll(m[1], "'<EOF>'", "the end")
	case u[1] == "<EOF>":
		return "unexpected end"
	case strings.HasPrefix(u[1], `"`), strings.HasPrefix(u[1], "'"):
		return "a string does not end"
	}
	return fmt.Sprintf("unexpected '%s'", strings.TrimSpace(u[1]))
}

func overloadMessage(function, args string) string {
	op, isOp := operators.FindReverse(function)
	switch {
	case function == operators.Conditional:
		return "both sides of ':' must be of one type: wrap each in dyn(...)"
	case function == operators.Index:
		op = "[]"
	case !isOp || op == "":
		op = function
	}
	say := fmt.Sprintf("'%s' cannot be applied to %s", op, args)
	if strings.Contains(args, "optional(") {
		say += ": an optional value needs .orValue(...)"
	}
	return say
}

func mismatchMessage(want, got string) string {
	say := fmt.Sprintf("%s instead of %s", got, want)
	switch {
	case strings.HasPrefix(got, "optional("):
		say += ": an optional value needs .orValue(...)"
	case want == "bool" && got == "string":
		say += ": a string is no condition, compare it with \"\""
	}
	return say
}

// macros are the functions that the environment does not list.
var macros = []string{"has", "all", "exists", "exists_one", "map", "filter", "optMap", "optFlatMap", "sortBy"}

// synonyms are names that other languages have for what is here.
var synonyms = map[string]string{
	"includes":    "strings have contains(...), and for lists there is 'x in list'",
	"toLowerCase": "did you mean 'lowerAscii'?",
	"toUpperCase": "did you mean 'upperAscii'?",
	"length":      "did you mean 'size'?",
	"some":        "did you mean 'exists'?",
	"every":       "did you mean 'all'?",
	"toString":    "did you mean 'string(...)'?",
	"parseInt":    "did you mean 'int'?",
	"test":        "did you mean 'matches'?",
	"match":       "did you mean 'matches'?",
	"undefined":   "what may be absent is written .?name",
	"Date":        "did you mean 'now'?",
	"req":         "did you mean 'request'?",
	"headers":     "did you mean 'request.headers'?",
	"claims":      "did you mean 'token'?",
	"jwt":         "did you mean 'token'?",
}

// unknown is about a name that nothing has.
func (e *CompileError) unknown(lang *language, env *cel.Env, name string) {
	rest := e.rest()
	known := lang.variableNames()
	switch {
	case strings.HasPrefix(rest, "("):
		// CEL points at the parenthesis.
		e.Column = max(e.Column-utf8.RuneCountInString(name), 1)
		if slices.Contains(macros, name) {
			e.Message = fmt.Sprintf("'%s' takes a variable and an expression: list.%s(x, ...)", name, name)
			return
		}
		known = functionNames(env, "")
	case len(functionNames(env, name+".")) > 0:
		if m := qualified.FindString(rest); m != "" {
			name, known = m, functionNames(env, name+".")
		}
	}
	e.Message = fmt.Sprintf("unrecognized name '%s'", name)
	say, ok := lang.synonyms[name]
	if !ok {
		say, ok = synonyms[name]
	}
	if ok {
		e.Message += ", " + say
	} else if word := nearest.Word(name, known); word != "" {
		e.Message += fmt.Sprintf(", did you mean '%s'?", word)
	}
}

// qualified is the name of a function of an extension.
var qualified = regexp.MustCompile(`^[a-z]+\.\w+`)

func (l *language) variableNames() []string {
	names := make([]string, len(l.variables))
	for i, v := range l.variables {
		names[i] = v.name
	}
	return names
}

// functionNames are the functions that can be called by a name that begins so,
// in alphabetical order.
func functionNames(env *cel.Env, prefix string) []string {
	var names []string
	for name := range env.Functions() {
		if strings.HasPrefix(name, prefix) && !strings.ContainsAny(name, "_@") {
			names = append(names, name)
		}
	}
	if prefix == "" {
		names = append(names, macros...)
	}
	slices.Sort(names)
	return names
}

// habits are what people write who think of JavaScript or of a Caddyfile. Of
// two that begin alike the longer one comes first, and what CEL does have
// comes without a word.
var habits = []struct{ text, say string }{
	{"===", "CEL compares with =="},
	{"!==", "CEL compares with !="},
	{"=>", `CEL has no arrow functions: write list.exists(x, x == "a")`},
	{"==", ""}, {"!=", ""}, {"<=", ""}, {">=", ""},
	{"=", "CEL compares with == and cannot assign"},
	{"&&", ""}, {"||", ""},
	{"&", "'and' is && in CEL"},
	{"|", "'or' is || in CEL"},
	{"??", `CEL has no ??: write user.?name.orValue("")`},
	{"?.", "what may be absent is written .?name in CEL"},
	{";", "CEL has one expression and no ;"},
	{"`", `a string is written "..." or '...' in CEL`},
	{"${", `strings are put together with + in CEL`},
	{"{env.", "placeholders are not replaced here"},
	{"{file.", "placeholders are not replaced here"},
	{"{http.", "placeholders are not replaced here"},
	{"{$", "placeholders are not replaced here"},
}

// habitWords are those of them that look like names.
var habitWords = map[string]string{
	"and": "'and' is && in CEL", "or": "'or' is || in CEL", "not": "'not' is ! in CEL",
	"typeof": "the type is type(...) in CEL",
	"return": statement, "if": statement, "let": statement, "const": statement, "var": statement,
	"function": statement, "async": statement, "await": statement,
}

const statement = "CEL has one expression and no statements: write condition ? a : b"

// tokens cuts an expression: strings, comments, names and single characters.
// A string that does not end reaches to the end.
var tokens = regexp.MustCompile(`(?s)""".*?(?:"""|$)|'''.*?(?:'''|$)|"(?:[^"\\]|\\.)*(?:"|$)|'(?:[^'\\]|\\.)*(?:'|$)|//[^\n]*|\.?\w+|.`)

// habit looks for the first thing in a broken expression that CEL does not
// have, and reports whether it found one.
func (e *CompileError) habit() bool {
	skip := 0
	for _, t := range tokens.FindAllStringIndex(e.Expr, -1) {
		if t[0] < skip {
			continue
		}
		word := e.Expr[t[0]:t[1]]
		e.Message = habitWords[word]
		for _, h := range habits {
			if strings.HasPrefix(e.Expr[t[0]:], h.text) {
				e.Message, skip = h.say, t[0]+len(h.text)
				break
			}
		}
		if e.Message != "" {
			e.atOffset(t[0])
			return true
		}
	}
	return false
}
