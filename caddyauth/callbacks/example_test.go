package callbacks_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/caddyauth/gateway/caddyauth/callbacks"
)

// A claim is set when somebody signs in, and stays as it is when the session is
// read, where nothing is known of the user but the token.
func ExampleSet_JWT() {
	set, err := callbacks.Compile(callbacks.Config{JWT: []callbacks.Step{
		{Name: "role", Expr: `profile.?groups.orValue([]).exists(g, g == "staff") ? "admin" : token.?role.orValue("guest")`},
		{Name: "login", Expr: `profile.?login`},
		{Drop: true, Expr: `token.?login.orValue("") == "mallory"`},
	}})
	if err != nil {
		panic(err)
	}
	ctx := context.Background()
	claims, keep, err := set.JWT(ctx, `{"sub":"1","name":"Ada"}`, callbacks.JWTInput{
		Trigger: "signIn",
		Profile: map[string]any{"login": "ada", "groups": []any{"staff"}},
	})
	fmt.Println(claims, keep, err)

	claims, keep, err = set.JWT(ctx, claims, callbacks.JWTInput{})
	fmt.Println(claims, keep, err)

	_, keep, err = set.JWT(ctx, `{"sub":"2","login":"mallory"}`, callbacks.JWTInput{})
	fmt.Println(keep, err)
	// Output:
	// {"sub":"1","name":"Ada","role":"admin","login":"ada"} true <nil>
	// {"sub":"1","name":"Ada","role":"admin","login":"ada"} true <nil>
	// false <nil>
}

func ExampleSet_Session() {
	set, err := callbacks.Compile(callbacks.Config{Session: []callbacks.Step{
		{Name: "user.id", Expr: `token.sub`},
		{Name: "user.role", Expr: `token.?role`},
		{Name: "user.image", Expr: `null`},
		{Name: "user.team", Expr: `token.team`},
	}})
	if err != nil {
		panic(err)
	}
	body, err := set.Session(context.Background(),
		[]byte(`{"user":{"name":"Ada","image":null},"expires":"2026-01-02T03:04:05.678Z"}`),
		callbacks.SessionInput{Token: `{"sub":"1","role":"admin"}`})
	fmt.Println(string(body))
	fmt.Println(err)
	// Output:
	// {"user":{"name":"Ada","id":"1","role":"admin"},"expires":"2026-01-02T03:04:05.678Z"}
	// session user.team: no such key: team (what may be absent is written .?name)
}

func ExampleSet_SignIn() {
	set, err := callbacks.Compile(callbacks.Config{
		SignIn: `user.?email.orValue("").endsWith("@example.com") ? dyn(true) : dyn("/not-yet")`,
	})
	if err != nil {
		panic(err)
	}
	for _, email := range []string{"ada@example.com", "eve@example.org"} {
		verdict, err := set.SignIn(context.Background(), callbacks.SignInInput{User: map[string]any{"email": email}})
		fmt.Printf("%+v %v\n", verdict, err)
	}
	// Output:
	// {Allow:true Redirect:} <nil>
	// {Allow:false Redirect:/not-yet} <nil>
}

func ExampleCheck() {
	err := callbacks.Check(callbacks.JWT, callbacks.Step{Name: "role", Expr: `usr.role`})
	fmt.Println(err)
	if ce := new(callbacks.CompileError); errors.As(err, &ce) {
		fmt.Println(ce.Callback, ce.Line, ce.Column)
	}
	// Output:
	// jwt role: `usr.role`, column 1: unrecognized name 'usr', did you mean 'user'?
	// jwt role 1 1
}
