package gate

import (
	"errors"
	"net/url"
	"strings"
)

// Bounds of the work that one request can cause. What would exceed them is
// told by readings.overflow: nothing opens then and everything closes.
const (
	maxReadings     = 64
	maxReadingBytes = 64 << 10
)

// reading is one way in which a server may understand the path of a request.
type reading struct {
	// path is what a matcher finds in URL.Path, rawPath in URL.RawPath.
	path, rawPath string
	// fold is path with the case of its letters folded if it has any beyond
	// ASCII, which folded says; ASCII letters are folded while they are
	// compared.
	fold   string
	folded bool
}

func newReading(path, rawPath string) reading {
	fold := foldText(path)
	return reading{path: path, rawPath: rawPath, fold: fold, folded: fold != path}
}

// readings is every way in which servers may understand a request's path: the
// closure of the path under the steps that servers are known to take, in any
// order. A plain path has one reading, itself.
type readings struct {
	// A request with plain paths only needs no more than these two: the
	// current path, and the original one if a rewrite has changed it.
	plain [2]reading
	n     int
	// list holds all of them as soon as one is not plain.
	list  []reading
	bytes int
	// murky says that a second decoding yields what is not UTF-8. Nobody can
	// say what an upstream makes of that, so nothing opens.
	murky bool
	// overflow says that there are more readings than anyone can mean.
	overflow bool
}

func (rs *readings) len() int {
	if rs.list != nil {
		return len(rs.list)
	}
	return rs.n
}

func (rs *readings) at(i int) *reading {
	if rs.list != nil {
		return &rs.list[i]
	}
	return &rs.plain[i]
}

// read finds the readings of a request: of the path as it stands, which is
// what goes upstream, and of the path as it came, which is what people wrote
// their rules for. The stricter of both counts.
func (rs *readings) read(original, current *url.URL) error {
	same := original == current || original.Path == current.Path && original.RawPath == current.RawPath &&
		original.Opaque == current.Opaque
	if isPlain(current) && (same || isPlain(original)) {
		rs.plain[0] = reading{path: current.Path, fold: current.Path}
		rs.n = 1
		if !same && original.Path != current.Path {
			rs.plain[1] = reading{path: original.Path, fold: original.Path}
			rs.n = 2
		}
		return nil
	}
	rs.list = make([]reading, 0, 8)
	if err := rs.expand(current); err != nil {
		return err
	}
	if same {
		return nil
	}
	return rs.expand(original)
}

// plainByte holds what no step changes: the characters of RFC 3986 section 3.3
// that stand for themselves in a segment.
var plainByte = func() (t [256]bool) {
	for _, c := range "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~!$&'()*+,=:@/" {
		t[c] = true
	}
	return t
}()

// isPlain says that u's path has one reading: itself. No segment is empty
// but the last one, and none ends in a dot.
func isPlain(u *url.URL) bool {
	p := u.Path
	if len(p) == 0 || p[0] != '/' || u.Opaque != "" || u.RawPath != "" && u.RawPath != p {
		return false
	}
	previous := byte(0)
	for i := 0; i < len(p); i++ {
		c := p[i]
		if !plainByte[c] || c == '/' && (previous == '/' || previous == '.') {
			return false
		}
		previous = c
	}
	return previous != '.'
}

// expand adds the readings of u.
//
// It works on what a proxy sends upstream, URL.EscapedPath, and not on
// URL.Path alone: a server may resolve dots or cut segments before it decodes,
// and %2F is a slash only to some. The first reading added is the one that
// Caddy's own matchers have.
func (rs *readings) expand(u *url.URL) error {
	if u.Opaque != "" {
		return errPathOpaque // GET http:admin has no path, yet net/http accepts it
	}
	wire := u.EscapedPath()
	if wire == "" || wire[0] != '/' {
		wire = "/" + wire
	}
	path, err := decodeWire(wire, false)
	if err != nil {
		return err
	}
	start := len(rs.list)
	rs.add(path, u.RawPath)

	wires := []string{wire}
	// EscapedPath escapes a path anew, %2F as a slash, if the client left one
	// character as it is that Go escapes. Others have it as it came.
	if raw := u.RawPath; raw != wire && strings.HasPrefix(raw, "/") {
		if s, err := decodeWire(raw, false); err == nil && s == path {
			wires = append(wires, raw)
		}
	}
	for i := 0; i < len(wires) && !rs.overflow; i++ {
		for _, step := range steps {
			if s := step(wires[i]); s != wires[i] && !contains(wires, s) {
				wires = append(wires, s)
			}
		}
		rs.overflow = rs.overflow || len(wires) > maxReadings
		for _, keep := range [...]bool{false, true} {
			s, err := decodeWire(wires[i], keep)
			if err != nil {
				return err
			}
			rs.add(s, "")
		}
	}
	for i := start; i < len(rs.list) && !rs.overflow; i++ {
		path := rs.list[i].path
		for _, step := range steps {
			rs.add(step(path), "")
		}
		s, err := decodeAgain(path)
		switch {
		case errors.Is(err, errPathUTF8):
			rs.murky = true
		case err != nil:
			return err
		}
		rs.add(s, "")
	}
	return nil
}

// add adds a reading unless it is there already.
func (rs *readings) add(path, rawPath string) {
	for i := range rs.list {
		// One path may be asked about twice if a pattern can tell the two
		// apart by their escapes.
		if rs.list[i].path == path && (rawPath == "" || rawPath == rs.list[i].rawPath) {
			return
		}
	}
	if len(rs.list) >= maxReadings || rs.bytes+len(path) > maxReadingBytes {
		rs.overflow = true
		return
	}
	rs.bytes += len(path)
	rs.list = append(rs.list, newReading(path, rawPath))
}

// heads are those of all readings. What is folded may begin in any way.
func (rs *readings) heads() heads {
	if rs.overflow {
		return anyHead
	}
	var found heads
	for i := range rs.len() {
		rd := rs.at(i)
		if rd.folded {
			return anyHead
		}
		found |= headOf(rd.path)
	}
	return found
}

func contains(list []string, s string) bool {
	for _, t := range list {
		if t == s {
			return true
		}
	}
	return false
}
