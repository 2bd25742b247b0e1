// Command mailsink is a mail server that delivers to nobody. What it has taken
// can be fetched over HTTP.
//
//	mailsink [-smtp 127.0.0.1:0] [-http 127.0.0.1:0] [-tls plain|starttls|implicit] [-username name -password word]
//
// When it listens it prints two lines, "smtp <address>" and "http <address>".
// GET /messages returns a JSON array, oldest first; with ?to=<address> those
// for an address. GET /link?to=<address> returns the link of the newest, as
// text. DELETE /messages forgets them all. GET /ca returns the certificate that
// vouches for the server's own.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"time"

	"github.com/caddyauth/gateway/caddyauth/internal/testsmtp"
)

func main() {
	smtpAddr := flag.String("smtp", "127.0.0.1:0", "loopback `address` for mail")
	httpAddr := flag.String("http", "127.0.0.1:0", "loopback `address` for those who read it")
	mode := flag.String("tls", "plain", "plain, starttls or implicit")
	var opts testsmtp.Options
	flag.StringVar(&opts.Username, "username", "", "`name` that clients must authenticate as")
	flag.StringVar(&opts.Password, "password", "", "their `password`")
	flag.Parse()

	modes := map[string]testsmtp.TLS{"plain": testsmtp.Plain, "starttls": testsmtp.StartTLS, "implicit": testsmtp.Implicit}
	tls, ok := modes[*mode]
	if !ok {
		log.Fatalf("-tls is %q, but can be plain, starttls or implicit", *mode)
	}
	opts.TLS, opts.SMTPUTF8 = tls, true
	if err := run(*smtpAddr, *httpAddr, opts); err != nil {
		log.Fatal(err)
	}
}

func run(smtpAddr, httpAddr string, opts testsmtp.Options) error {
	sink, err := testsmtp.Listen(smtpAddr, opts)
	if err != nil {
		return err
	}
	defer sink.Close()
	ln, err := net.Listen("tcp", httpAddr)
	if err != nil {
		return err
	}
	// Links that sign people in are for this computer only.
	if tcp, ok := ln.Addr().(*net.TCPAddr); !ok || !tcp.IP.IsLoopback() {
		ln.Close()
		return fmt.Errorf("%s is not a loopback address", httpAddr)
	}
	fmt.Printf("smtp %s\nhttp %s\n", sink.Addr, ln.Addr())
	server := &http.Server{Handler: handler(sink), ReadHeaderTimeout: 10 * time.Second}
	return server.Serve(ln)
}

func handler(sink *testsmtp.Server) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /messages", func(w http.ResponseWriter, r *http.Request) {
		found := sink.Messages(r.FormValue("to"))
		if found == nil {
			found = []testsmtp.Message{}
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(found)
	})
	mux.HandleFunc("DELETE /messages", func(w http.ResponseWriter, _ *http.Request) {
		sink.Clear()
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("GET /link", func(w http.ResponseWriter, r *http.Request) {
		found := sink.Messages(r.FormValue("to"))
		if len(found) == 0 {
			http.Error(w, "no mail yet", http.StatusNotFound)
			return
		}
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = io.WriteString(w, found[len(found)-1].Link)
	})
	mux.HandleFunc("GET /ca", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/x-pem-file")
		_, _ = w.Write(sink.CA)
	})
	return mux
}
