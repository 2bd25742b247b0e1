package sqlstore

import (
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// errNotText is a string that no text column can hold.
var errNotText = errors.New("not text: it has a NUL byte or is not UTF-8")

// values are the arguments of a statement as drivers want them. They may be
// strings, times (NULL if zero), lists of strings and JSON (NULL if nil), bytes,
// integers and booleans.
func (d *Dialect) values(args []any) ([]any, error) {
	out := make([]any, len(args))
	for i, arg := range args {
		switch v := arg.(type) {
		case string:
			if !isText(v) {
				return nil, errNotText
			}
			out[i] = v
		case time.Time:
			// Both databases keep microseconds. Rounding here makes what is compared
			// later the same as what was kept.
			if v = v.Truncate(time.Microsecond); !v.IsZero() {
				out[i] = d.Time(v)
			}
		case []string:
			if v != nil {
				b, err := json.Marshal(v)
				if err != nil {
					return nil, err
				}
				out[i] = string(b)
			}
		case json.RawMessage:
			if v != nil {
				if !isText(string(v)) {
					return nil, errNotText
				}
				out[i] = string(v)
			}
		case []byte, int64, bool:
			out[i] = v
		default:
			return nil, fmt.Errorf("argument %d is of type %T", i+1, arg)
		}
	}
	return out, nil
}

// isText reports whether a text column can hold s: PostgreSQL refuses NUL and
// what is not UTF-8. That nothing can be found by such a string must not look as
// if the store had failed.
func isText(s string) bool { return utf8.ValidString(s) && strings.IndexByte(s, 0) < 0 }

// Label makes text of any string. It is for what people read, such as a user
// agent, where a strange byte is no reason to fail.
func Label(s string) string {
	if isText(s) {
		return s
	}
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}

// Time scans a point in time into t: zero for NULL.
func Time(t *time.Time) sql.Scanner { return (*timeScanner)(t) }

type timeScanner time.Time

func (s *timeScanner) Scan(src any) error {
	switch v := src.(type) {
	case nil:
		*s = timeScanner{}
	case time.Time:
		*s = timeScanner(v.UTC())
	case int64:
		*s = timeScanner(time.UnixMicro(v).UTC())
	default:
		return fmt.Errorf("%T is not a time", src)
	}
	return nil
}

// Text scans text into s: empty for NULL.
func Text(s *string) sql.Scanner { return (*textScanner)(s) }

type textScanner string

func (s *textScanner) Scan(src any) error {
	switch v := src.(type) {
	case nil:
		*s = ""
	case string:
		*s = textScanner(v)
	case []byte:
		*s = textScanner(v)
	default:
		return fmt.Errorf("%T is not text", src)
	}
	return nil
}

// List scans a list of strings into l: nil for NULL.
func List(l *[]string) sql.Scanner { return (*listScanner)(l) }

type listScanner []string

func (s *listScanner) Scan(src any) error {
	var text string
	if err := Text(&text).Scan(src); err != nil {
		return err
	}
	*s = nil
	if text == "" {
		return nil
	}
	return json.Unmarshal([]byte(text), (*[]string)(s))
}

// JSON scans JSON into j, byte by byte as it was kept: nil for NULL.
func JSON(j *json.RawMessage) sql.Scanner { return (*jsonScanner)(j) }

type jsonScanner json.RawMessage

func (s *jsonScanner) Scan(src any) error {
	var text string
	if err := Text(&text).Scan(src); err != nil {
		return err
	}
	*s = nil
	if src != nil {
		*s = jsonScanner(text)
	}
	return nil
}
