package callbacks

import (
	"fmt"
	"maps"
	"slices"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/overloads"

	"github.com/caddyauth/gateway/caddyauth/internal/nearest"
)

// ofOptionals are the functions that only optional values have.
var ofOptionals = []string{"orValue", "or", "hasValue", "value", "optMap", "optFlatMap"}

// lint finds mistakes that CEL would only find at every evaluation, and reports
// whether there is one.
func (e *CompileError) lint(lang *language, a *ast.AST) bool {
	look := func(id int64, x ast.Expr) {
		if e.Message != "" {
			return
		}
		if e.Message = lang.lintMember(x); e.Message == "" {
			e.Message = lintOptional(a, x)
		}
		if e.Message == "" {
			e.Message = lintOrigin(x)
		}
		if e.Message != "" {
			e.at(a.SourceInfo().GetStartLocation(id))
		}
	}
	ast.PostOrderVisit(a.Expr(), ast.NewExprVisitor(func(x ast.Expr) { look(x.ID(), x) }))
	// What a macro was called on stands in its call, which has no id of its own.
	calls := a.SourceInfo().MacroCalls()
	for _, id := range slices.Sorted(maps.Keys(calls)) {
		look(id, calls[id])
	}
	return e.Message != ""
}

// lintMember knows the members of variables such as request, which to CEL are
// maps like others.
func (l *language) lintMember(x ast.Expr) string {
	of, field := selection(x)
	if of == nil || of.Kind() != ast.IdentKind {
		return ""
	}
	members, ok := l.members[of.AsIdent()]
	if !ok || slices.Contains(members, field) {
		return ""
	}
	say := fmt.Sprintf("%s has no '%s'", of.AsIdent(), field)
	if other, ok := l.synonyms[of.AsIdent()+"."+field]; ok {
		say += ", " + other
	} else if word := nearest.Word(field, members); word != "" {
		say += fmt.Sprintf(", did you mean '%s'?", word)
	}
	return say
}

// selection returns the parts of x.field and x.?field.
func selection(x ast.Expr) (of ast.Expr, field string) {
	switch x.Kind() {
	case ast.SelectKind:
		return x.AsSelect().Operand(), x.AsSelect().FieldName()
	case ast.CallKind:
		c := x.AsCall()
		if c.FunctionName() == operators.OptSelect && c.Args()[1].Kind() == ast.LiteralKind {
			field, _ = c.Args()[1].AsLiteral().Value().(string)
			return c.Args()[0], field
		}
	}
	return nil, ""
}

// lintOptional finds user.name.orValue("") where user.?name.orValue("") is
// meant. CEL cannot know that no member of a JSON object is an optional value.
func lintOptional(a *ast.AST, x ast.Expr) string {
	if x.Kind() != ast.CallKind {
		return ""
	}
	c := x.AsCall()
	if !c.IsMemberFunction() || !slices.Contains(ofOptionals, c.FunctionName()) || a.GetType(c.Target().ID()).Kind() != cel.DynKind {
		return ""
	}
	switch t := c.Target(); t.Kind() {
	case ast.SelectKind:
		name := t.AsSelect().FieldName()
		return fmt.Sprintf("'.%s' is not an optional value: write '.?%s'", name, name)
	case ast.CallKind:
		if t.AsCall().FunctionName() == operators.Index {
			return "'[...]' is not an optional value: write '[?...]'"
		}
	}
	return ""
}

// lintOrigin finds url.startsWith(baseUrl), which https://example.com.evil.net
// passes where the site is https://example.com.
func lintOrigin(x ast.Expr) string {
	if x.Kind() != ast.CallKind || x.AsCall().FunctionName() != overloads.StartsWith || !x.AsCall().IsMemberFunction() {
		return ""
	}
	c := x.AsCall()
	if c.Target().AsIdent() != "url" || len(c.Args()) != 1 || c.Args()[0].AsIdent() != "baseUrl" {
		return ""
	}
	return `other sites can begin like this: write url == baseUrl || url.startsWith(baseUrl + "/")`
}
