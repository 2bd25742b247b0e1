package callbacks

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"

	"github.com/caddyauth/gateway/caddyauth/jwt"
)

// maxValue bounds the JSON of what an expression results in, in bytes. No token
// holds as much.
const maxValue = jwt.MaxToken

// timeLayout is that of JavaScript's toISOString.
const timeLayout = "2006-01-02T15:04:05.000Z"

// parseJSON checks a text that must be one JSON value.
func parseJSON(text string) (v jwt.Value, err error) {
	n := 0
	err = jwt.Members(`{"":`+text+`}`, func(_ string, member jwt.Value) bool {
		v = member
		n++
		return true
	})
	if err != nil || n != 1 { // two if the text goes on with a comma
		return jwt.Value{}, errors.New("not JSON, or nested too deep")
	}
	return v, nil
}

// fromJSON makes a CEL value. Objects are read when somebody asks for what is
// in them.
func fromJSON(v jwt.Value) ref.Val {
	switch v.Kind() {
	case jwt.Bool:
		return types.Bool(v.Bool())
	case jwt.Number:
		return number(v.Raw())
	case jwt.String:
		return types.String(v.String())
	case jwt.Array:
		var list []ref.Val
		v.Elements(func(e jwt.Value) bool {
			list = append(list, fromJSON(e))
			return true
		})
		return types.NewRefValList(adapter{}, list)
	case jwt.Object:
		return objectOf(v)
	}
	return types.NullValue
}

// number makes an int of a whole number, however it is written: to JavaScript
// 1.0 is 1.
func number(text string) ref.Val {
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return types.Int(n)
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) { // beyond it is infinite
		return types.NewErr("not a number: %q", text)
	}
	return float(f)
}

func float(f float64) ref.Val {
	if f == math.Trunc(f) && math.Abs(f) < 1<<63 {
		return types.Int(f)
	}
	return types.Double(f)
}

// adapter turns Go's values into CEL's: numbers as if they had come as JSON.
type adapter struct{}

// NativeToValue implements types.Adapter.
func (a adapter) NativeToValue(value any) ref.Val {
	switch v := value.(type) {
	case ref.Val:
		return v
	case string:
		return types.String(v)
	case float64:
		return float(v)
	case float32:
		return float(float64(v))
	case json.Number:
		return number(v.String())
	case map[string]any:
		return types.NewStringInterfaceMap(a, v)
	case []any:
		return types.NewDynamicList(a, v)
	}
	return types.DefaultTypeAdapter.NativeToValue(value)
}

// toJSON makes JSON of a CEL value. What JSON, or a token, cannot have is an
// error.
func toJSON(v ref.Val) (jwt.Value, error) {
	text, err := appendJSON(make([]byte, 0, 64), v)
	if err == nil && len(text) > maxValue {
		err = errTooLarge
	}
	if err != nil {
		return jwt.Value{}, err
	}
	return parseJSON(string(text))
}

var errTooLarge = fmt.Errorf("the value is larger than %d bytes", maxValue)

func appendJSON(dst []byte, v ref.Val) ([]byte, error) {
	switch v := v.(type) {
	case types.Null:
		return append(dst, "null"...), nil
	case types.Bool:
		return strconv.AppendBool(dst, bool(v)), nil
	case types.Int:
		return strconv.AppendInt(dst, int64(v), 10), nil
	case types.Uint:
		return strconv.AppendUint(dst, uint64(v), 10), nil
	case types.Double:
		return appendFloat(dst, float64(v))
	case types.Duration:
		return appendFloat(dst, v.Seconds())
	case types.String:
		return jwt.AppendString(dst, string(v)), nil
	case types.Bytes:
		dst = base64.StdEncoding.AppendEncode(append(dst, '"'), v)
		return append(dst, '"'), nil
	case types.Timestamp:
		dst = v.UTC().AppendFormat(append(dst, '"'), timeLayout)
		return append(dst, '"'), nil
	case *object:
		return v.append(dst), nil
	case traits.Lister:
		return appendList(dst, v)
	case traits.Mapper:
		return appendMap(dst, v)
	case *types.Optional:
		return nil, errors.New("an optional value cannot stand in a list or map")
	}
	return nil, fmt.Errorf("JSON has no %s", v.Type().TypeName())
}

func appendList(dst []byte, list traits.Lister) ([]byte, error) {
	dst = append(dst, '[')
	var err error
	for i, it := 0, list.Iterator(); it.HasNext() == types.True; i++ {
		if i > 0 {
			dst = append(dst, ',')
		}
		if dst, err = appendJSON(dst, it.Next()); err != nil {
			return nil, err
		}
		// Lists share what is in them: a short expression can make one that
		// has no end in sight when it is written out.
		if len(dst) > maxValue {
			return nil, errTooLarge
		}
	}
	return append(dst, ']'), nil
}

// appendMap sorts the keys, which CEL's maps have in no order.
func appendMap(dst []byte, m traits.Mapper) ([]byte, error) {
	var keys []string
	for it := m.Iterator(); it.HasNext() == types.True; {
		key := it.Next()
		s, ok := key.(types.String)
		if !ok {
			return nil, fmt.Errorf("a key of a map must be a string, not %s", key.Type().TypeName())
		}
		keys = append(keys, string(s))
	}
	slices.Sort(keys)
	dst = append(dst, '{')
	var err error
	for i, key := range keys {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(jwt.AppendString(dst, key), ':')
		if dst, err = appendJSON(dst, m.Get(types.String(key))); err != nil {
			return nil, err
		}
		if len(dst) > maxValue {
			return nil, errTooLarge
		}
	}
	return append(dst, '}'), nil
}

// appendFloat writes a number as JavaScript does (ECMA-262, Number::toString).
func appendFloat(dst []byte, f float64) ([]byte, error) {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return nil, errors.New("JSON has no such number")
	}
	if f == 0 {
		return append(dst, '0'), nil // -0 too
	}
	if abs := math.Abs(f); abs >= 1e-6 && abs < 1e21 {
		return strconv.AppendFloat(dst, f, 'f', -1, 64), nil
	}
	dst = strconv.AppendFloat(dst, f, 'e', -1, 64)
	if n := len(dst); dst[n-4] == 'e' && dst[n-2] == '0' { // Go has two digits at least: e-07
		dst[n-2] = dst[n-1]
		dst = dst[:n-1]
	}
	return dst, nil
}
