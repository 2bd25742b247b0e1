package caddyauth

import (
	"strings"

	"github.com/caddyauth/gateway/caddyauth/callbacks"
)

// dialects are the values of compat.
var dialects = []string{"v4", "v5"}

// callbacks parses:
//
//	callbacks {
//	    sign_in  <expression>
//	    redirect <expression>
//	    jwt      <claim>|drop <expression>
//	    session  <path> <expression>
//	}
//
// Each expression is one argument, which means that most stand in backticks.
// They are compiled as they are read, so that a mistake names its line.
func (p *parser) callbacks() error {
	if p.NextArg() {
		return p.Errf("'callbacks' takes a block, not '%s'", p.Val())
	}
	c := new(callbacks.Config)
	p.config.Callbacks = c
	for nesting := p.Nesting(); p.NextBlock(nesting); {
		var err error
		switch name := p.Val(); name {
		case "sign_in":
			err = p.callback(callbacks.SignIn, &c.SignIn)
		case "redirect":
			err = p.callback(callbacks.Redirect, &c.Redirect)
		case "jwt":
			err = p.callbackStep(callbacks.JWT, &c.JWT)
		case "session":
			err = p.callbackStep(callbacks.Session, &c.Session)
		default:
			err = p.unknown("callback", []string{"sign_in", "redirect", "jwt", "session"}, nil)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// callback reads a callback that is one expression.
func (p *parser) callback(kind callbacks.Kind, to *string) error {
	if *to != "" {
		return p.Errf("'%s' is set twice in 'callbacks': keep one", kind)
	}
	expr, err := p.expression(string(kind))
	if err != nil {
		return err
	}
	*to = expr
	return p.compile(kind, callbacks.Step{Expr: expr})
}

// callbackStep reads a step of a callback that has any number of them.
func (p *parser) callbackStep(kind callbacks.Kind, to *[]callbacks.Step) error {
	if !p.NextArg() {
		if kind == callbacks.JWT {
			return p.Errf("'jwt' takes a claim, or 'drop', and an expression in backticks")
		}
		return p.Errf("'session' takes a path such as user.role, and an expression in backticks")
	}
	step := callbacks.Step{Name: p.Val()}
	expr, err := p.expression(string(kind) + " " + step.Name)
	if err != nil {
		return err
	}
	if step.Expr = expr; kind == callbacks.JWT && step.Name == "drop" {
		step.Name, step.Drop = "", true
	}
	*to = append(*to, step)
	return p.compile(kind, step)
}

// expression reads the one argument that is left. An expression that was not
// put in backticks falls apart at its spaces, and its quotes may be gone.
func (p *parser) expression(of string) (string, error) {
	args := p.RemainingArgs()
	switch {
	case len(args) > 1:
		return "", p.Errf("'%s' takes one expression, got %d words: put the whole expression in backticks", of, len(args))
	case len(args) == 0 || strings.TrimSpace(args[0]) == "":
		return "", p.Errf("'%s' needs an expression in backticks", of)
	}
	return args[0], nil
}

// compile refuses an expression that does not compile.
func (p *parser) compile(kind callbacks.Kind, step callbacks.Step) error {
	if err := callbacks.Check(kind, step); err != nil {
		return p.Errf("callbacks %w", err)
	}
	return p.noBlock(string(kind))
}
