// Package claim reads values out of decoded JSON claims: by path, and with the
// few conversions that identity providers make necessary.
//
// Names are compared exactly, unlike encoding/json's struct fields: a claim
// "SUB" is not the subject.
package claim

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"
)

// maxDots bounds the work that a path can cause: with n dots there are at most
// 2^n ways to read it.
const maxDots = 8

// Lookup returns the value at a dotted path, such as "realm_access.roles".
//
// Keys may contain dots themselves, as the client ids in Keycloak's
// "resource_access.my.app.roles" and names like "https://example.com/roles" do.
// So at each level the longest key that leads to a value wins. Arrays are not
// entered. A value of null exists.
func Lookup(m map[string]any, path string) (any, bool) {
	if m == nil || path == "" || strings.Count(path, ".") > maxDots && !has(m, path) {
		return nil, false
	}
	return lookup(m, path)
}

func has(m map[string]any, key string) bool {
	_, ok := m[key]
	return ok
}

func lookup(m map[string]any, path string) (any, bool) {
	if v, ok := m[path]; ok {
		return v, true
	}
	for end := strings.LastIndexByte(path, '.'); end > 0; end = strings.LastIndexByte(path[:end], '.') {
		child, ok := m[path[:end]].(map[string]any)
		if !ok {
			continue
		}
		if v, ok := lookup(child, path[end+1:]); ok {
			return v, true
		}
	}
	return nil, false
}

// Text returns a string, or a number as the plain decimal that a person would
// write: a numeric account id must not become 1e+06. Everything else is false.
func Text(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case json.Number:
		return number(v.String())
	case float64:
		return float(v)
	case int:
		return strconv.Itoa(v), true
	case int64:
		return strconv.FormatInt(v, 10), true
	}
	return "", false
}

// Strings returns a list of strings: the texts of an array, or of a single
// value. Members that are no text are left out; empty strings too, as no group
// or role is named so.
func Strings(v any) []string {
	switch v := v.(type) {
	case nil:
		return nil
	case []string:
		return nonEmpty(v)
	case []any:
		out := make([]string, 0, len(v))
		for _, e := range v {
			if s, ok := Text(e); ok && s != "" {
				out = append(out, s)
			}
		}
		return out
	}
	if s, ok := Text(v); ok && s != "" {
		return []string{s}
	}
	return nil
}

// True reports whether v is true, or the string "true" that some providers send
// for email_verified.
func True(v any) bool {
	switch v := v.(type) {
	case bool:
		return v
	case string:
		return v == "true"
	}
	return false
}

func nonEmpty(list []string) []string {
	out := make([]string, 0, len(list))
	for _, s := range list {
		if s != "" {
			out = append(out, s)
		}
	}
	return out
}

// number keeps the digits of an integer however long it is, where a float64
// would round beyond 2^53.
func number(s string) (string, bool) {
	if !strings.ContainsAny(s, ".eE") {
		return s, s != ""
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return "", false
	}
	return float(f)
}

// float refuses what has no plain form: JavaScript too changes to exponents at
// 1e21, and an id of that kind is a mistake.
func float(f float64) (string, bool) {
	if math.IsNaN(f) || math.Abs(f) >= 1e21 {
		return "", false
	}
	return strconv.FormatFloat(f, 'f', -1, 64), true
}
