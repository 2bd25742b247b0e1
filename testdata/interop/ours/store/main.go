// Command store does with a database of Auth.js what it is told to: its arguments
// are a schema and an address, and each line of its input is a call, an array of
// the name of a method and what it takes. It answers each with a line, an array
// of what the method returned and an error, which is null or text.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/caddyauth/gateway/caddyauth/store"
	"github.com/caddyauth/gateway/caddyauth/store/postgres"
)

func main() {
	ctx := context.Background()
	s, err := postgres.OpenAuthJS(ctx, os.Args[2], os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, "store:", err)
		os.Exit(1)
	}
	defer s.Close()
	out := json.NewEncoder(os.Stdout)
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		result, err := call(ctx, s, in.Bytes())
		var words any
		switch {
		case errors.Is(err, store.ErrNotFound):
			words = "not found"
		case errors.Is(err, store.ErrConflict):
			words = "conflict"
		case err != nil:
			words = err.Error()
		}
		_ = out.Encode([]any{result, words})
	}
}

func call(ctx context.Context, s store.Driver, line []byte) (any, error) {
	var name string
	var args []json.RawMessage
	if err := json.Unmarshal(line, &args); err != nil {
		return nil, err
	}
	take(&args, &name)
	var (
		text, more     string
		from, to, seen time.Time
		user           store.User
		account        store.Account
		session        store.Session
		link           store.VerificationToken
		key            store.Authenticator
	)
	switch name {
	case "User":
		take(&args, &text)
		return s.User(ctx, text)
	case "UserByEmail":
		take(&args, &text)
		return s.UserByEmail(ctx, text)
	case "UserByAccount":
		take(&args, &text, &more)
		return s.UserByAccount(ctx, text, more)
	case "CreateUser":
		take(&args, &user)
		return s.CreateUser(ctx, user)
	case "UpdateUser":
		take(&args, &user)
		return nil, s.UpdateUser(ctx, user)
	case "DeleteUser":
		take(&args, &text)
		return nil, s.DeleteUser(ctx, text)
	case "CreateUserAndAccount":
		take(&args, &user, &account)
		return s.CreateUserAndAccount(ctx, user, account)
	case "LinkAccount":
		take(&args, &account)
		return nil, s.LinkAccount(ctx, account)
	case "Account":
		take(&args, &text, &more)
		return s.Account(ctx, text, more)
	case "UpdateAccount":
		take(&args, &account)
		return nil, s.UpdateAccount(ctx, account)
	case "CreateSession":
		take(&args, &session)
		return nil, s.CreateSession(ctx, session)
	case "SessionByToken":
		take(&args, &text)
		return s.SessionByToken(ctx, text)
	case "SessionByID":
		take(&args, &text)
		return s.SessionByID(ctx, text)
	case "ExtendSession":
		take(&args, &text, &from, &to, &seen)
		return s.ExtendSession(ctx, text, from, to, seen)
	case "DeleteSession":
		take(&args, &text)
		return nil, s.DeleteSession(ctx, text)
	case "CreateVerificationToken":
		take(&args, &link)
		return nil, s.CreateVerificationToken(ctx, link)
	case "UseVerificationToken":
		take(&args, &text, &more)
		return s.UseVerificationToken(ctx, text, more)
	case "CreateAuthenticator":
		take(&args, &key)
		return nil, s.CreateAuthenticator(ctx, key)
	case "Authenticators":
		take(&args, &text)
		return s.Authenticators(ctx, text)
	case "UpdateAuthenticator":
		take(&args, &key)
		return nil, s.UpdateAuthenticator(ctx, key)
	}
	return nil, errors.New("no method " + name)
}

// take reads arguments from the front. Whoever runs the program has to notice
// what cannot be read.
func take(args *[]json.RawMessage, into ...any) {
	for _, v := range into {
		if len(*args) == 0 {
			panic("too few arguments")
		}
		if err := json.Unmarshal((*args)[0], v); err != nil {
			panic(err)
		}
		*args = (*args)[1:]
	}
}
