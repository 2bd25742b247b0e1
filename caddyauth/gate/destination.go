package gate

import (
	"errors"
	"net/http"
	"net/url"
	"path"
	"strings"
)

// errDestination means that nobody can tell where a request writes to.
var errDestination = errors.New("gate: Destination is neither a URL nor a path")

// copies says whether the request writes where its Destination field says: COPY
// and MOVE of WebDAV (RFC 4918 sections 9.8 and 9.9), and what may be one of them
// to the upstream. Without the field there is nowhere to write to.
func copies(r *http.Request) bool {
	return len(r.Header["Destination"]) > 0 &&
		(equalFold(r.Method, "copy") || equalFold(r.Method, "move") || disguised(r))
}

// destinations returns what the Destination field of a request that copies may
// name (RFC 4918 section 10.3). Its host does not count: an upstream that
// overlooks it writes here.
func destinations(r *http.Request, original *url.URL) ([]*url.URL, error) {
	lines := r.Header["Destination"]
	if len(lines) != 1 {
		return nil, errDestination // nobody can say which of them a server obeys
	}
	text := lines[0]
	if text != "" && text[0] == '/' || strings.Contains(text, ":") {
		u, err := url.ParseRequestURI(text)
		if err != nil {
			return nil, errDestination // the text may hold a secret
		}
		return []*url.URL{u}, nil
	}
	// The RFC knows no relative reference. CouchDB and Apache resolve one, and
	// others begin at the root.
	var found []*url.URL
	for _, at := range [...]string{"/", path.Dir("/" + original.EscapedPath())} {
		u, err := url.ParseRequestURI(strings.TrimSuffix(at, "/") + "/" + text)
		if err != nil {
			return nil, errDestination
		}
		found = append(found, u)
	}
	return found, nil
}

// readDestination adds the readings of where a request copies to. Rules and
// scopes mean both places then: whoever could write to one of them only could
// write everywhere otherwise.
func (rs *readings) readDestination(r *http.Request, original *url.URL) error {
	found, err := destinations(r, original)
	if err != nil {
		return err
	}
	if rs.list == nil {
		rs.list = append(make([]reading, 0, 8), rs.plain[:rs.n]...)
	}
	for _, u := range found {
		if err := rs.expand(u); err != nil {
			return err
		}
		if u = rewritten(u, original, r.URL); u == nil {
			continue
		}
		if err := rs.expand(u); err != nil {
			return err
		}
	}
	return nil
}

// rewritten is a destination after what happened to the path of its request, if
// that gained or lost a prefix (handle_path): rules may be written for either.
// Somebody rewrites the field as well then, or no upstream could obey it.
func rewritten(u, original, current *url.URL) *url.URL {
	from, to, text := original.EscapedPath(), current.EscapedPath(), u.EscapedPath()
	if lost, ok := strings.CutSuffix(from, to); ok && lost != "" {
		if text, ok = strings.CutPrefix(text, lost); !ok {
			return nil
		}
	} else if gained, ok := strings.CutSuffix(to, from); ok && gained != "" {
		text = gained + text
	} else {
		return nil
	}
	moved, err := url.ParseRequestURI("/" + strings.TrimPrefix(text, "/"))
	if err != nil {
		return nil // not an escaped path, which EscapedPath returns
	}
	return moved
}
