package caddyauth

import (
	"fmt"
	"net/http"
	"time"

	"github.com/spf13/cobra"
)

func rotateCommand() *cobra.Command {
	return withJSON(online(&cobra.Command{
		Use:   "rotate [--json]",
		Short: "Replaces the generated secret without signing anybody out",
		Long: `
Makes a new secret for the sites that configure none. It begins to seal sessions two
minutes later, when every instance on the same storage knows it. The one before it
opens what it has sealed until the last of that has ended, and then goes by itself.

Against a secret that strangers may know, that is too slow: delete the key
'` + secretKey + `' from Caddy's storage and start all instances anew, which signs
everybody out.

A configured secret is rotated in the configuration: 'secret <new> <old>'.`,
		Args: cobra.NoArgs,
	}, rotateSecret))
}

func rotateSecret(a action) error {
	var done rotationPlan
	if err := a.admin.do(http.MethodPost, adminBase+"secret/rotate", nil, &done); err != nil {
		return err
	}
	if a.is("json") {
		return a.print(done)
	}
	_, err := fmt.Fprintf(a.OutOrStdout(), "seals from %s, the old one can go after %s (done by itself)\n",
		done.SealsFrom.Local().Format(time.RFC3339), done.RetiresAt.Local().Format(time.RFC3339))
	return err
}

func secretCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "secret",
		Short: "Prints a fresh secret",
		Long:  "\nPrints 32 random bytes in base64, fit for the word 'secret' and for AUTH_SECRET.",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprintln(cmd.OutOrStdout(), newSecret())
			return err
		},
	}
}
