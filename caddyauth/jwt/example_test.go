package jwt_test

import (
	"fmt"
	"time"

	"github.com/caddyauth/gateway/caddyauth/dialect"
	"github.com/caddyauth/gateway/caddyauth/jwt"
)

// A token is sealed at sign-in and read on every request after it.
func Example() {
	ring, err := jwt.NewRing(dialect.V4, []string{"a long and random secret"}, "")
	if err != nil {
		panic(err)
	}
	now := time.Now()
	token, err := jwt.SealClaims(ring, map[string]any{"sub": "1", "roles": []string{"reader"}}, now, time.Hour)
	if err != nil {
		panic(err)
	}

	claims, err := ring.OpenString(token)
	if err != nil {
		panic(err)
	}
	var (
		std   jwt.Standard
		sub   string
		roles []string
	)
	err = jwt.Members(claims, func(name string, v jwt.Value) bool {
		switch {
		case std.Take(name, v):
		case name == "sub":
			sub = v.String()
		case name == "roles":
			roles = v.Strings()
		}
		return true
	})
	fmt.Println(sub, roles, err)
	fmt.Println(jwt.Times(now, std), jwt.Times(now.Add(2*time.Hour), std))
	// Output:
	// 1 [reader] <nil>
	// <nil> jwt: token expired
}

// In v5 the salt is the name of the cookie that a token is for. A new secret
// goes before the old one, which opens what it has sealed for as long as it is
// in the list.
func ExampleNewRing_v5() {
	ring := func(salt string, secrets ...string) *jwt.Ring {
		r, err := jwt.NewRing(dialect.V5, secrets, salt)
		if err != nil {
			panic(err)
		}
		return r
	}
	token := ring("authjs.session-token", "the old secret").Seal([]byte(`{"sub":"1"}`))

	fmt.Println(ring("authjs.session-token", "the new secret", "the old secret").OpenString(token))
	fmt.Println(ring("authjs.session-token", "the new secret").OpenString(token))
	fmt.Println(ring("__Secure-authjs.session-token", "the old secret").OpenString(token))
	// Output:
	// {"sub":"1"} <nil>
	//  jwt: invalid token
	//  jwt: invalid token
}
