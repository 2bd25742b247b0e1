package callbacks

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/overloads"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
	"cel.dev/cel-go/ext"
	"cel.dev/cel-go/interpreter"
)

const (
	// maxCost ends an evaluation. CEL counts about one for each step and one
	// for ten characters handled; this many take some tens of milliseconds.
	maxCost = 100_000

	// maxRange bounds lists.range, which has made its list before its cost is
	// counted.
	maxRange = 10_000

	// maxExpr bounds an expression, in characters.
	maxExpr = 16 << 10

	// maxRecursion bounds how deep an expression may nest, and maxLoops how
	// deep loops may, or follow on one another.
	maxRecursion = 100
	maxLoops     = 10

	// checkEvery is how many turns of a loop pass between looks at whether the
	// request was given up.
	checkEvery = 100
)

// language is what expressions of some kinds can name.
type language struct {
	variables []variable
	// members are those of the variables that have no others, by their names.
	members map[string][]string
	// synonyms go before those of all languages.
	synonyms map[string]string
	// env is what the expressions are compiled in. Making one takes milliseconds.
	env func() (*cel.Env, error)
}

func newLanguage(l language) *language {
	l.env = sync.OnceValues(func() (*cel.Env, error) { return newEnv(l.variables) })
	return &l
}

// ofCallbacks is the language of NextAuth's callbacks.
var ofCallbacks = newLanguage(language{
	variables: variables,
	members:   map[string][]string{"request": requestFields},
})

// languageOf returns the language of a kind's expressions.
func languageOf(kind Kind) *language {
	if kind == ruleKind {
		return ofRules
	}
	return ofCallbacks
}

func newEnv(variables []variable) (*cel.Env, error) {
	opts := []cel.EnvOption{
		cel.OptionalTypes(),
		ext.Strings(),
		ext.Lists(ext.ListsMaxRangeSize(maxRange)),
		ext.Sets(),
		cel.CustomTypeAdapter(adapter{}),
		cel.CrossTypeNumericComparisons(true),
		cel.DefaultUTCTimeZone(true),
		cel.EnableMacroCallTracking(), // for lint
		cel.ParserExpressionSizeLimit(maxExpr),
		cel.ParserRecursionLimit(maxRecursion),
		cel.ASTValidators(cel.ValidateComprehensionNestingLimit(maxLoops)),
	}
	opts = append(opts, boundedStrings()...)
	for _, v := range variables {
		opts = append(opts, cel.Variable(v.name, v.typ))
	}
	return cel.NewEnv(opts...)
}

// program is one compiled expression.
type program struct {
	label string
	run   cel.Program
	loops bool
	// request says that the expression names the variable, lists see readsLists.
	request, lists bool
	// reads are the members of its variables that the expression names.
	reads []string
}

// CompileError says what is wrong with an expression.
type CompileError struct {
	// Callback is the callback and, with jwt and session, the name of what is
	// set: "sign_in", "jwt role", "jwt drop", "session user.role".
	Callback string

	Expr string

	// Line and Column begin at 1 and count within Expr, columns in characters.
	// Both are 0 if the expression is not what is wrong.
	Line, Column int

	Message string
}

// Error shows the line of the expression that the error is in.
func (e *CompileError) Error() string {
	if e.Line == 0 {
		return fmt.Sprintf("%s: %s", e.Callback, e.Message)
	}
	lines := strings.Split(e.Expr, "\n")
	text := strings.TrimSpace(lines[min(e.Line, len(lines))-1])
	place := fmt.Sprintf("column %d", e.Column)
	if len(lines) > 1 {
		place = fmt.Sprintf("line %d, column %d", e.Line, e.Column)
	}
	return fmt.Sprintf("%s: `%s`, %s: %s", e.Callback, text, place, e.Message)
}

// Check compiles one expression to tell what is wrong with it, for whoever
// reads a configuration and wants to point at the place. With [SignIn] and
// [Redirect] only the expression of the step is set. An error is a
// *[CompileError].
func Check(kind Kind, step Step) error {
	_, err := compile(kind, step)
	return err
}

// Compile compiles all expressions. The error joins a *[CompileError] for each
// one that does not compile.
func Compile(c Config) (*Set, error) {
	var (
		s    Set
		errs []error
	)
	add := func(kind Kind, step Step) *program {
		p, err := compile(kind, step)
		errs = append(errs, err)
		return p
	}
	if c.SignIn != "" {
		s.signIn = add(SignIn, Step{Expr: c.SignIn})
	}
	if c.Redirect != "" {
		s.redirect = add(Redirect, Step{Expr: c.Redirect})
	}
	for _, step := range c.JWT {
		s.jwt = append(s.jwt, newStep(step, []string{step.Name}, add(JWT, step)))
	}
	for _, step := range c.Session {
		s.session = append(s.session, newStep(step, splitPath(step.Name), add(Session, step)))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return &s, nil
}

// compile returns a program or a *CompileError.
func compile(kind Kind, step Step) (*program, error) {
	fail := &CompileError{Callback: label(kind, step), Expr: step.Expr}
	if fail.Message = checkStep(kind, step); fail.Message != "" {
		return nil, fail
	}
	fail.Line, fail.Column = 1, 1
	lang := languageOf(kind)
	env, err := lang.env()
	if err != nil {
		fail.Message = err.Error() // a fault of this package
		return nil, fail
	}
	checked, issues := env.Compile(step.Expr)
	if issues.Err() != nil {
		fail.explain(lang, env, issues.Errors())
		return nil, fail
	}
	native := checked.NativeRep()
	if fail.lint(lang, native) || fail.checkResult(kind, step, checked.OutputType()) {
		return nil, fail
	}
	p := &program{
		label: fail.Callback, loops: hasLoop(native), request: reads(native, "request"),
		lists: kind == ruleKind && readsLists(native), reads: membersRead(lang, native),
	}
	p.run, err = env.Program(checked,
		cel.EvalOptions(cel.OptOptimize),
		cel.CostLimit(maxCost),
		cel.CostTrackerOptions(interpreter.OverloadCostTracker(overloads.AddList, addListCost)),
		cel.InterruptCheckFrequency(checkEvery))
	if err != nil {
		// A constant that cannot be, such as a broken regular expression.
		fail.Message = err.Error()
		return nil, fail
	}
	return p, nil
}

// addListCost counts the shorter of two lists. To CEL adding lists costs the
// same however long they are, as it does not copy them, but what looks at the
// sum afterwards pays for every element: a list added to itself again and again
// would be endless. The loops of map and filter add one element at a time.
func addListCost(args []ref.Val, _ ref.Val) *uint64 {
	cost := uint64(1)
	a, ok1 := args[0].(traits.Sizer)
	b, ok2 := args[1].(traits.Sizer)
	if ok1 && ok2 {
		cost += uint64(min(a.Size().(types.Int), b.Size().(types.Int)))
	}
	return &cost
}

func hasLoop(a *ast.AST) bool {
	return len(ast.MatchDescendants(ast.NavigateAST(a), ast.KindMatcher(ast.ComprehensionKind))) > 0
}

// checkResult says what is wrong with the type of a result, as far as it is
// known before evaluation, and reports whether anything is.
func (e *CompileError) checkResult(kind Kind, step Step, t *cel.Type) bool {
	switch {
	case kind == SignIn:
		e.wantType(t, "a bool, or a string that says where to go instead", cel.BoolType, cel.StringType)
	case kind == Redirect:
		e.wantType(t, "a string", cel.StringType)
	case step.Drop, kind == ruleKind:
		e.wantType(t, "a bool", cel.BoolType)
	case isOptional(t):
		e.Message = checkValue(t.Parameters()[0])
	default:
		e.Message = checkValue(t)
	}
	return e.Message != ""
}

func (e *CompileError) wantType(t *cel.Type, name string, want ...*cel.Type) {
	if t.Kind() == cel.DynKind || slices.ContainsFunc(want, t.IsExactType) {
		return
	}
	e.Message = "must be " + name + ", not " + typeName(t)
	if isOptional(t) {
		e.Message += ": add .orValue(...)"
	}
}

// checkValue says why JSON cannot have a value of the type, "" if it can.
func checkValue(t *cel.Type) string {
	switch t.Kind() {
	case cel.ListKind:
		return checkValue(t.Parameters()[0])
	case cel.MapKind:
		if k := t.Parameters()[0]; k.Kind() != cel.StringKind && k.Kind() != cel.DynKind && k.Kind() != cel.TypeParamKind {
			return "the keys of a map must be strings, not " + typeName(k)
		}
		return checkValue(t.Parameters()[1])
	case cel.BoolKind, cel.IntKind, cel.UintKind, cel.DoubleKind, cel.StringKind, cel.BytesKind,
		cel.NullTypeKind, cel.TimestampKind, cel.DurationKind, cel.DynKind, cel.TypeParamKind:
		return ""
	}
	if isOptional(t) {
		return "an optional value cannot stand in a list or map: write [?value], {?key: value} or add .orValue(...)"
	}
	return "the value cannot be " + typeName(t)
}

func isOptional(t *cel.Type) bool {
	return t.Kind() == cel.OpaqueKind && t.TypeName() == types.OptionalType.TypeName()
}
