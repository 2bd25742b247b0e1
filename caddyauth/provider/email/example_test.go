package email_test

import (
	"fmt"

	"github.com/caddyauth/gateway/caddyauth/provider"
	"github.com/caddyauth/gateway/caddyauth/provider/email"
)

// All mistakes are reported at once, and none of them repeats the password.
func ExampleNew() {
	_, err := email.New(email.Config{
		Server:   "smtp://smtp.example.com:465",
		Username: "caddy",
		Password: "correct horse",
		TLS:      "off",
	}, provider.Options{})
	fmt.Println(err)
	// Output:
	// provider email: the sender of the mails is missing. Write: from Example <login@example.com>
	// provider email: server: port 465 speaks TLS from the first byte. Write: smtps://smtp.example.com
	// provider email: tls: with 'off' the password could be read on its way to smtp.example.com. Remove the line, or the password
}
