package callbacks

import (
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
)

// maxText bounds what replace and join result in, in bytes.
const maxText = 1 << 20

// boundedStrings takes the place of functions of the strings extension whose
// results grow with the product of what they are given: two long headers would
// fill the memory. Their cost is counted when it is too late.
func boundedStrings() []cel.EnvOption {
	str, list := cel.StringType, cel.ListType(cel.StringType)
	return []cel.EnvOption{
		cel.Function("replace",
			cel.MemberOverload("string_replace_string_string", []*cel.Type{str, str, str}, str,
				cel.FunctionBinding(func(args ...ref.Val) ref.Val { return replace(args[0], args[1], args[2], types.Int(-1)) })),
			cel.MemberOverload("string_replace_string_string_int", []*cel.Type{str, str, str, cel.IntType}, str,
				cel.FunctionBinding(func(args ...ref.Val) ref.Val { return replace(args[0], args[1], args[2], args[3]) }))),
		cel.Function("join",
			cel.MemberOverload("list_join", []*cel.Type{list}, str,
				cel.UnaryBinding(func(l ref.Val) ref.Val { return join(l, types.String("")) })),
			cel.MemberOverload("list_join_string", []*cel.Type{list, str}, str,
				cel.BinaryBinding(join))),
	}
}

// replace replaces the first n of from, all of them if n is negative.
func replace(text, from, to, n ref.Val) ref.Val {
	s, old, with := string(text.(types.String)), string(from.(types.String)), string(to.(types.String))
	count := strings.Count(s, old)
	if limit := n.(types.Int); limit >= 0 && limit < types.Int(count) {
		count = int(limit)
	}
	if len(s)+count*len(with) > maxText {
		return types.NewErr("replace: the result is too long")
	}
	return types.String(strings.Replace(s, old, with, count))
}

func join(list, separator ref.Val) ref.Val {
	var b strings.Builder
	for i, it := 0, list.(traits.Lister).Iterator(); it.HasNext() == types.True; i++ {
		if i > 0 {
			b.WriteString(string(separator.(types.String)))
		}
		e := it.Next()
		s, ok := e.(types.String)
		if !ok {
			return types.NewErr("join: %s is not a string", e.Type().TypeName())
		}
		b.WriteString(string(s))
		if b.Len() > maxText {
			return types.NewErr("join: the result is too long")
		}
	}
	return types.String(b.String())
}
