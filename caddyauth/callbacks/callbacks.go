package callbacks

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
)

// Set holds compiled callbacks. It is safe for concurrent use. A nil Set is one
// without expressions; what it then does is what NextAuth does by default.
type Set struct {
	signIn, redirect *program
	jwt, session     []step
}

// step is a compiled Step.
type step struct {
	path []string // nil: drop
	*program
}

func newStep(s Step, path []string, p *program) step {
	if s.Drop {
		path = nil
	}
	return step{path, p}
}

func splitPath(path string) []string { return strings.Split(path, ".") }

// Verdict is what the callback sign_in decides.
type Verdict struct {
	Allow bool

	// Redirect says where to send the person, who is not signed in then. It is
	// empty if Allow is true. Nobody has looked at it: it may lead anywhere.
	Redirect string
}

// SignIn asks whether somebody may sign in. As in NextAuth an empty string
// denies. The verdict that comes with an error denies as well.
func (s *Set) SignIn(ctx context.Context, in SignInInput) (Verdict, error) {
	if s == nil || s.signIn == nil {
		return Verdict{Allow: true}, nil
	}
	out, err := s.signIn.eval(ctx, in.vars())
	if err != nil {
		return Verdict{}, err
	}
	switch out := out.(type) {
	case types.Bool:
		return Verdict{Allow: bool(out)}, nil
	case types.String:
		return Verdict{Redirect: string(out)}, nil
	}
	return Verdict{}, s.signIn.wrongType(out, "a bool or a string")
}

// HasRedirect reports whether there is a redirect callback.
func (s *Set) HasRedirect() bool { return s != nil && s.redirect != nil }

// Redirect asks where to go instead of url; baseURL is the origin of the site.
// Nobody has looked at the result: it may lead anywhere. Without a callback it
// is url.
func (s *Set) Redirect(ctx context.Context, url, baseURL string, req Request) (string, error) {
	if !s.HasRedirect() {
		return url, nil
	}
	out, err := s.redirect.eval(ctx, &vars{url: url, baseURL: baseURL, request: req})
	if err != nil {
		return "", err
	}
	if to, ok := out.(types.String); ok {
		return string(to), nil
	}
	return "", s.redirect.wrongType(out, "a string")
}

// JWT sets claims in the payload of a token, a JSON object, and reports whether
// the session goes on. Claims that no expression has changed keep their
// spelling, and all keep their order; new ones come last. A changed claim is
// seen by later expressions as the token will hold it.
//
// The error joins those of the expressions, for the log. Each of them left its
// claim, or the session, as it was: the results are good with an error too.
func (s *Set) JWT(ctx context.Context, claims string, in JWTInput) (out string, keep bool, err error) {
	if s == nil || len(s.jwt) == 0 {
		return claims, true, nil
	}
	token, err := newObject(claims)
	if err != nil {
		return claims, true, fmt.Errorf("jwt: claims: %w", err)
	}
	v := in.vars(token)
	var errs []error
	for _, step := range s.jwt {
		drop, err := step.apply(ctx, v, token)
		if drop {
			return claims, false, errors.Join(errs...)
		}
		if err != nil {
			errs = append(errs, err)
		}
	}
	if !token.changed {
		return claims, true, errors.Join(errs...)
	}
	return string(token.append(make([]byte, 0, len(claims)+128))), true, errors.Join(errs...)
}

// Session sets members in the body of a session, a JSON object. Members keep
// their order, and new ones come last, as when JavaScript assigns them. Objects
// on the way to a nested member are made where they are missing.
//
// The error joins those of the expressions, for the log. Each of them left its
// member as it was: the body is good with an error too.
func (s *Set) Session(ctx context.Context, body []byte, in SessionInput) ([]byte, error) {
	if s == nil || len(s.session) == 0 {
		return body, nil
	}
	session, err := newObject(string(body))
	if err != nil {
		return body, fmt.Errorf("session: body: %w", err)
	}
	v := in.vars(session)
	var errs []error
	for _, step := range s.session {
		if _, err := step.apply(ctx, v, session); err != nil {
			errs = append(errs, err)
		}
	}
	if session.changed {
		body = session.append(make([]byte, 0, len(body)+128))
	}
	return body, errors.Join(errs...)
}

// apply does what a step is about, and reports whether it ends the session.
func (s *step) apply(ctx context.Context, v *vars, to *object) (drop bool, err error) {
	out, err := s.eval(ctx, v)
	if err != nil {
		return false, err
	}
	if s.path == nil {
		if drop, ok := out.(types.Bool); ok {
			return bool(drop), nil
		}
		return false, s.wrongType(out, "a bool")
	}
	if o, ok := out.(*types.Optional); ok {
		if !o.HasValue() {
			return false, nil
		}
		out = o.GetValue()
	}
	if err := write(to, s.path, out); err != nil {
		return false, fmt.Errorf("%s: %w", s.label, err)
	}
	return false, nil
}

// write sets or, with null, removes a member.
func write(to *object, path []string, v ref.Val) error {
	if v == types.NullValue {
		return to.remove(path)
	}
	// Through its text: later expressions see what will be stored, not what an
	// earlier one computed, and share nothing with it.
	json, err := toJSON(v)
	if err != nil {
		return err
	}
	return to.set(path, json)
}

// eval runs the program. What is loopless ends by itself; a loop ends when the
// request does.
func (p *program) eval(ctx context.Context, v *vars) (ref.Val, error) {
	out, err := p.evaluate(ctx, v)
	if v.err != nil {
		err, v.err = v.err, nil
	}
	return out, p.explain(err)
}

func (p *program) evaluate(ctx context.Context, v cel.Activation) (out ref.Val, err error) {
	if p.loops {
		out, _, err = p.run.ContextEval(ctx, v)
	} else {
		out, _, err = p.run.Eval(v)
	}
	return out, err
}

// explain says which expression failed, and what to do about it.
func (p *program) explain(err error) error {
	if err == nil {
		return nil
	}
	if strings.HasPrefix(err.Error(), "no such key: ") {
		return fmt.Errorf("%s: %w (what may be absent is written .?name)", p.label, err)
	}
	return fmt.Errorf("%s: %w", p.label, err)
}

func (p *program) wrongType(out ref.Val, want string) error {
	return fmt.Errorf("%s: must be %s, not %s", p.label, want, out.Type().TypeName())
}
