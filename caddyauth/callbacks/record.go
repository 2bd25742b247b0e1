package callbacks

import (
	"reflect"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
)

// record is a map of known members, each of which is made when an expression
// asks for it, and once.
type record struct {
	shape  *shape
	in     *RuleInput
	values []ref.Val
}

func (r *record) of(s *shape, in *RuleInput) *record {
	if r.shape == nil {
		*r = record{shape: s, in: in}
	}
	return r
}

// Find returns a member, and whether it is there.
func (r *record) Find(key ref.Val) (ref.Val, bool) {
	name, ok := key.(types.String)
	if !ok {
		return nil, false
	}
	for i, known := range r.shape.names {
		if known != string(name) {
			continue
		}
		if r.values == nil {
			r.values = make([]ref.Val, len(r.shape.names))
		}
		if r.values[i] == nil {
			r.values[i] = r.shape.get(r.in, known)
		}
		return r.values[i], true
	}
	return nil, false
}

func (r *record) Get(key ref.Val) ref.Val {
	if v, ok := r.Find(key); ok {
		return v
	}
	return types.NewErr("no such key: %v", key)
}

func (r *record) Contains(key ref.Val) ref.Val {
	_, ok := r.Find(key)
	return types.Bool(ok)
}

func (r *record) Size() ref.Val { return types.Int(len(r.shape.names)) }

func (r *record) IsZeroValue() bool { return false }

// Iterator goes over the names.
func (r *record) Iterator() traits.Iterator {
	return types.NewStringList(adapter{}, r.shape.names).Iterator()
}

func (r *record) Equal(other ref.Val) ref.Val {
	return r.whole().Equal(other)
}

func (r *record) Type() ref.Type { return types.MapType }

func (r *record) ConvertToType(t ref.Type) ref.Val {
	switch t {
	case types.MapType:
		return r
	case types.TypeType:
		return types.MapType
	}
	return types.NewErr("type conversion error from 'map' to '%s'", t)
}

// Value is a copy as CEL's own maps have it.
func (r *record) Value() any {
	m := make(map[ref.Val]ref.Val, len(r.shape.names))
	for _, name := range r.shape.names {
		m[types.String(name)] = r.Get(types.String(name))
	}
	return m
}

func (r *record) whole() traits.Mapper {
	return types.NewRefValMap(adapter{}, r.Value().(map[ref.Val]ref.Val))
}

func (r *record) ConvertToNative(t reflect.Type) (any, error) { return r.whole().ConvertToNative(t) }
