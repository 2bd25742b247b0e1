package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/smtp"
	"strings"
	"testing"

	"github.com/caddyauth/gateway/caddyauth/internal/testsmtp"
)

func TestHandler(t *testing.T) {
	sink := testsmtp.Start(t, testsmtp.Options{})
	server := httptest.NewServer(handler(sink))
	defer server.Close()
	ask := func(method, path string, status int) string {
		t.Helper()
		req, err := http.NewRequest(method, server.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		if resp.StatusCode != status {
			t.Errorf("%s %s: status is %d", method, path, resp.StatusCode)
		}
		return strings.TrimSpace(string(body))
	}
	if got := ask("GET", "/messages", 200); got != "[]" {
		t.Errorf("at first there is %s", got)
	}
	ask("GET", "/link?to=b@example.com", 404)
	letter := "Subject: hi\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nhttps://example.com/1\r\n"
	if err := smtp.SendMail(sink.Addr, nil, "a@example.com", []string{"b@example.com"}, []byte(letter)); err != nil {
		t.Fatal(err)
	}
	var got []testsmtp.Message
	if err := json.Unmarshal([]byte(ask("GET", "/messages?to=b@example.com", 200)), &got); err != nil {
		t.Fatal(err)
	}
	if len(got) != 1 || got[0].Subject != "hi" || got[0].Link != "https://example.com/1" || got[0].From != "a@example.com" {
		t.Errorf("got %+v", got)
	}
	if link := ask("GET", "/link?to=b@example.com", 200); link != "https://example.com/1" {
		t.Errorf("link is %q", link)
	}
	ask("DELETE", "/messages", 204)
	if got := ask("GET", "/messages", 200); got != "[]" {
		t.Errorf("after DELETE there is %s", got)
	}
	ask("POST", "/messages", 405)
}

func TestLoopbackOnly(t *testing.T) {
	if err := run("127.0.0.1:0", "0.0.0.0:0", testsmtp.Options{}); err == nil {
		t.Error("everybody may read the mails")
	}
	if err := run("0.0.0.0:0", "127.0.0.1:0", testsmtp.Options{}); err == nil {
		t.Error("everybody may send mails")
	}
}
