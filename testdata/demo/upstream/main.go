// Command upstream is an application for a gateway to stand in front of. It
// shows what it got: a table of the request's headers, or JSON for clients that
// ask for it, a WebSocket that echoes, and a stream of events.
//
//	upstream [-listen 127.0.0.1:0]
//
// It prints its address when it listens. Every path answers; those that end in
// /ws and /events are the WebSocket and the stream.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"html/template"
	"log"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:0", "loopback `address` to listen on")
	flag.Parse()
	if err := run(*listen); err != nil {
		log.Fatal(err)
	}
}

func run(listen string) error {
	addr, err := net.ResolveTCPAddr("tcp", listen)
	if err != nil {
		return err
	}
	// It believes every header, so it must only hear this computer.
	if !addr.IP.IsLoopback() {
		return fmt.Errorf("%s is not a loopback address", listen)
	}
	ln, err := net.ListenTCP("tcp", addr)
	if err != nil {
		return err
	}
	fmt.Fprintln(os.Stdout, ln.Addr())
	server := &http.Server{Handler: http.HandlerFunc(serve), ReadHeaderTimeout: 10 * time.Second}
	return server.Serve(ln)
}

func serve(w http.ResponseWriter, r *http.Request) {
	switch {
	case strings.HasSuffix(r.URL.Path, "/ws"):
		serveWebSocket(w, r)
	case strings.HasSuffix(r.URL.Path, "/events"):
		serveEvents(w, r)
	default:
		serveHeaders(w, r)
	}
}

// request is what the upstream saw.
type request struct {
	Method  string      `json:"method"`
	URI     string      `json:"uri"`
	Host    string      `json:"host"`
	Headers http.Header `json:"headers"`
}

func serveHeaders(w http.ResponseWriter, r *http.Request) {
	seen := request{r.Method, r.RequestURI, r.Host, r.Header}
	if strings.Contains(r.Header.Get("Accept"), "application/json") {
		w.Header().Set("Content-Type", "application/json")
		if err := json.NewEncoder(w).Encode(seen); err != nil {
			log.Print(err)
		}
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	if err := headersPage.Execute(w, table(seen)); err != nil {
		log.Print(err)
	}
}

type row struct{ Name, Value string }

// table has one row for every value, sorted by name.
func table(seen request) []row {
	rows := []row{{"(request)", seen.Method + " " + seen.URI}, {"(host)", seen.Host}}
	names := make([]string, 0, len(seen.Headers))
	for name := range seen.Headers {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		for _, value := range seen.Headers[name] {
			rows = append(rows, row{name, value})
		}
	}
	return rows
}

var headersPage = template.Must(template.New("headers").Parse(`<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><link rel="icon" href="data:,"><title>Upstream</title></head>
<body>
<h1>Upstream</h1>
<table>
{{range .}}<tr><th scope="row">{{.Name}}</th><td>{{.Value}}</td></tr>
{{end}}</table>
</body>
</html>
`))

// serveEvents sends ?n= events (3, at most 1000), ?every= apart (50ms, at most
// 10s), each at once: a gateway that buffers delivers them late.
func serveEvents(w http.ResponseWriter, r *http.Request) {
	n, every := 3, 50*time.Millisecond
	if v, err := strconv.Atoi(r.URL.Query().Get("n")); err == nil && v > 0 {
		n = min(v, 1000)
	}
	if v, err := time.ParseDuration(r.URL.Query().Get("every")); err == nil && v > 0 {
		every = min(v, 10*time.Second)
	}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	flusher := http.NewResponseController(w)
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for i := range n {
		user, err := json.Marshal(r.Header.Get("Remote-User"))
		if err != nil {
			return
		}
		if _, err := fmt.Fprintf(w, "id: %d\ndata: {\"n\":%d,\"user\":%s}\n\n", i, i, user); err != nil {
			return
		}
		if err := flusher.Flush(); err != nil {
			return
		}
		select {
		case <-ticker.C:
		case <-r.Context().Done():
			return
		}
	}
}
