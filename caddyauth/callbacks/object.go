package callbacks

import (
	"errors"
	"fmt"
	"reflect"
	"slices"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"

	"github.com/caddyauth/gateway/caddyauth/jwt"
)

// object is a JSON object that expressions read as a map and steps write to.
// It keeps the order of its members and the text of those that nobody sets.
// Expressions see no change while they run: steps write between them.
type object struct {
	members []member
	index   map[string]int // of the members' names, if they are many
	changed bool           // it, or an object in it
}

// member is a name and a value.
type member struct {
	name  string
	json  jwt.Value
	value ref.Val // of json, once somebody asked; an *object may have changed since
}

// linear is how many members are searched one by one.
const linear = 16

// newObject parses a JSON object.
func newObject(text string) (*object, error) {
	o := &object{members: make([]member, 0, linear)}
	err := jwt.Members(text, func(name string, v jwt.Value) bool {
		o.put(member{name: name, json: v})
		return true
	})
	if err != nil {
		return nil, errors.New("not a JSON object")
	}
	return o, nil
}

// objectOf is newObject for what has been parsed.
func objectOf(v jwt.Value) *object {
	o := new(object)
	v.Members(func(name string, v jwt.Value) bool {
		o.put(member{name: name, json: v})
		return true
	})
	return o
}

// put sets a member. As in JavaScript it stays where the name came first.
func (o *object) put(m member) {
	if i := o.find(m.name); i >= 0 {
		o.members[i] = m
		return
	}
	o.members = append(o.members, m)
	if o.index != nil {
		o.index[m.name] = len(o.members) - 1
	} else if len(o.members) > linear {
		o.reindex()
	}
}

func (o *object) reindex() {
	o.index = make(map[string]int, 2*len(o.members))
	for i, m := range o.members {
		o.index[m.name] = i
	}
}

// find returns where a member is, -1 if there is none.
func (o *object) find(name string) int {
	if o.index != nil {
		if i, ok := o.index[name]; ok {
			return i
		}
		return -1
	}
	for i := range o.members {
		if o.members[i].name == name {
			return i
		}
	}
	return -1
}

// at returns the value of a member.
func (o *object) at(i int) ref.Val {
	m := &o.members[i]
	if m.value == nil {
		m.value = fromJSON(m.json)
	}
	return m.value
}

// set gives the member at a path a value, and makes objects that are missing
// on the way.
func (o *object) set(path []string, v jwt.Value) error {
	name := path[0]
	if len(path) == 1 {
		o.put(member{name: name, json: v})
		o.changed = true
		return nil
	}
	if o.find(name) < 0 {
		o.put(member{name: name, value: new(object)})
	}
	child, err := o.child(name)
	if err != nil {
		return err
	}
	if err := child.set(path[1:], v); err != nil {
		return err
	}
	o.changed = true
	return nil
}

// remove takes the member at a path away, if it is there.
func (o *object) remove(path []string) error {
	i := o.find(path[0])
	switch {
	case i < 0:
		return nil
	case len(path) > 1:
		child, err := o.child(path[0])
		if err != nil {
			return err
		}
		err = child.remove(path[1:])
		o.changed = o.changed || child.changed
		return err
	}
	o.members = slices.Delete(o.members, i, i+1)
	o.changed = true
	if o.index != nil {
		o.reindex()
	}
	return nil
}

// child returns the object that a member is.
func (o *object) child(name string) (*object, error) {
	if child, ok := o.at(o.find(name)).(*object); ok {
		return child, nil
	}
	return nil, fmt.Errorf("%q is not an object", name)
}

// append writes the object as JSON.
func (o *object) append(dst []byte) []byte {
	dst = append(dst, '{')
	for i, m := range o.members {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(jwt.AppendString(dst, m.name), ':')
		if child, ok := m.value.(*object); ok && (child.changed || m.json.Kind() == 0) {
			dst = child.append(dst)
		} else {
			dst = append(dst, m.json.Raw()...)
		}
	}
	return append(dst, '}')
}

// The rest is what CEL wants of a map: traits.Mapper and traits.Zeroer.

// Find returns a member, and whether it is there.
func (o *object) Find(key ref.Val) (ref.Val, bool) {
	name, ok := key.(types.String)
	if !ok {
		return nil, false
	}
	if i := o.find(string(name)); i >= 0 {
		return o.at(i), true
	}
	return nil, false
}

func (o *object) Get(key ref.Val) ref.Val {
	if v, ok := o.Find(key); ok {
		return v
	}
	return types.NewErr("no such key: %v", key)
}

func (o *object) Contains(key ref.Val) ref.Val {
	_, ok := o.Find(key)
	return types.Bool(ok)
}

func (o *object) Size() ref.Val { return types.Int(len(o.members)) }

func (o *object) IsZeroValue() bool { return len(o.members) == 0 }

// Iterator goes over the names.
func (o *object) Iterator() traits.Iterator {
	names := make([]string, len(o.members))
	for i, m := range o.members {
		names[i] = m.name
	}
	return types.NewStringList(adapter{}, names).Iterator()
}

func (o *object) Equal(other ref.Val) ref.Val {
	m, ok := other.(traits.Mapper)
	if !ok || m.Size() != o.Size() {
		return types.False
	}
	for i := range o.members {
		theirs, ok := m.Find(types.String(o.members[i].name))
		if !ok || types.Equal(o.at(i), theirs) != types.True {
			return types.False
		}
	}
	return types.True
}

func (o *object) Type() ref.Type { return types.MapType }

func (o *object) ConvertToType(t ref.Type) ref.Val {
	switch t {
	case types.MapType:
		return o
	case types.TypeType:
		return types.MapType
	}
	return types.NewErr("type conversion error from 'map' to '%s'", t)
}

// Value is a copy as CEL's own maps have it.
func (o *object) Value() any {
	m := make(map[ref.Val]ref.Val, len(o.members))
	for i := range o.members {
		m[types.String(o.members[i].name)] = o.at(i)
	}
	return m
}

func (o *object) ConvertToNative(t reflect.Type) (any, error) {
	return types.NewRefValMap(adapter{}, o.Value().(map[ref.Val]ref.Val)).ConvertToNative(t)
}
