package callbacks

import (
	"slices"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"

	"github.com/caddyauth/gateway/caddyauth/session"
)

// reads reports whether an expression names a variable.
func reads(a *ast.AST, name string) bool { return len(naming(a, name)) > 0 }

// naming returns where an expression names a variable.
func naming(a *ast.AST, name string) []ast.NavigableExpr {
	return slices.DeleteFunc(ast.MatchDescendants(ast.NavigateAST(a), ast.KindMatcher(ast.IdentKind)),
		func(x ast.NavigableExpr) bool { return x.AsIdent() != name })
}

// lists are the members of user that sessions may have more of than cookies hold.
var lists = []string{"roles", "groups", "orgs"}

// readsLists reports whether the result of a rule may depend on one of the lists: by
// their names, or because it takes user or the claims as a whole, of which the
// evidence is one. What is computed may be any member.
func readsLists(a *ast.AST) bool {
	for _, user := range naming(a, "user") {
		if _, name := memberOf(user); name == "" || slices.Contains(lists, name) {
			return true
		}
	}
	for _, s := range naming(a, "session") {
		claims, name := memberOf(s)
		switch name {
		case "":
			return true
		case "claims":
			if _, name := memberOf(claims); name == "" || name == session.EvidenceClaim {
				return true
			}
		}
	}
	return false
}

// memberOf is what an expression takes of x, and its name: x.name, x.?name, x["name"]
// or x[?"name"]. The name is empty where it takes something else.
func memberOf(x ast.NavigableExpr) (member ast.NavigableExpr, name string) {
	member, ok := x.Parent()
	if !ok {
		return nil, ""
	}
	if of, name := selection(member); of != nil && of.ID() == x.ID() {
		return member, name
	}
	if member.Kind() != ast.CallKind {
		return member, ""
	}
	switch c := member.AsCall(); c.FunctionName() {
	case operators.Index, operators.OptIndex:
		if of, key := c.Args()[0], c.Args()[1]; of.ID() == x.ID() && key.Kind() == ast.LiteralKind {
			name, _ = key.AsLiteral().Value().(string)
		}
	}
	return member, name
}

// membersRead returns the members of a language's variables that an expression names,
// such as "user.email", sorted. Where it takes a variable as a whole, that is all of
// them.
func membersRead(lang *language, a *ast.AST) []string {
	var names []string
	for _, x := range ast.MatchDescendants(ast.NavigateAST(a), ast.KindMatcher(ast.IdentKind)) {
		variable := x.AsIdent()
		members, ok := lang.members[variable]
		if !ok {
			continue
		}
		if _, name := memberOf(x); name != "" {
			members = []string{name}
		}
		for _, m := range members {
			names = append(names, variable+"."+m)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}
