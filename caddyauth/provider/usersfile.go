package provider

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/caddyauth/gateway/caddyauth/internal/nearest"
)

// maxUsersFile bounds a file of users, which is held in memory.
const maxUsersFile = 16 << 20

// user is an entry of the file.
type user struct {
	Person
	line     int
	disabled bool
	hash     *hash // nil: the user cannot sign in
	problem  error // why there is no hash
}

// usersFile is a file as read, immutable.
type usersFile struct {
	users map[string]*user
	decoy *hash
}

// fileError is a mistake in the file, and where it is.
type fileError struct {
	line int
	user string
	err  error
}

func (e *fileError) Error() string {
	if e.user == "" {
		return fmt.Sprintf("line %d: %v", e.line, e.err)
	}
	return fmt.Sprintf("line %d: user %q: %v", e.line, e.user, e.err)
}

func (e *fileError) Unwrap() error { return e.err }

// parseUsers reads either format. The first line that says anything tells which
// it is: in YAML a colon is followed by a space or the end of the line.
func parseUsers(data []byte) (*usersFile, error) {
	if !bytes.ContainsFunc(data, func(r rune) bool { return r > ' ' }) {
		return nil, errors.New("the file is empty")
	}
	var list []*user
	var err error
	if isHtpasswd(data) {
		list, err = parseHtpasswd(data)
	} else {
		list, err = parseYAML(data)
	}
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, errors.New("the file has no users")
	}
	return newUsersFile(list)
}

func isHtpasswd(data []byte) bool {
	for line := range bytes.Lines(data) {
		line = bytes.TrimRight(line, "\r\n")
		if trimmed := bytes.TrimSpace(line); len(trimmed) == 0 || trimmed[0] == '#' {
			continue
		}
		name, hash, ok := bytes.Cut(line, []byte(":"))
		return ok && len(name) > 0 && len(hash) > 0 && hash[0] > ' '
	}
	return false
}

// newUsersFile indexes users by name and checks that neither names nor ids
// repeat: two entries for one account would make it unclear which one rules.
func newUsersFile(list []*user) (*usersFile, error) {
	f := &usersFile{users: make(map[string]*user, len(list))}
	ids := make(map[string]*user, len(list))
	count := make(map[hashParams]int)
	for _, u := range list {
		if err := u.check(); err != nil {
			return nil, &fileError{u.line, u.Login, err}
		}
		if other := f.users[u.Login]; other != nil {
			return nil, &fileError{u.line, u.Login, fmt.Errorf("already in line %d", other.line)}
		}
		if other := ids[u.ID]; other != nil {
			return nil, &fileError{u.line, u.Login, fmt.Errorf("has the same id as user %q in line %d", other.Login, other.line)}
		}
		f.users[u.Login], ids[u.ID] = u, u
		if u.hash != nil {
			count[u.hash.params]++
		}
	}
	f.decoy = decoy(commonest(count))
	return f, nil
}

// commonest picks the parameters most users have, of equally common ones the
// dearest, so that a user who does not exist takes as long as most who do.
func commonest(count map[hashParams]int) hashParams {
	var best hashParams
	for p, n := range count {
		if n > count[best] || n == count[best] && p.dearer(best) {
			best = p
		}
	}
	if count[best] == 0 {
		return hashParams{memory: 46 << 10, time: 1, lanes: 1, keyLen: 32} // as caddy hash-password
	}
	return best
}

func (u *user) check() error {
	switch {
	case u.Login == "":
		return errors.New("a user needs a name")
	case len(u.Login) > maxID || len(u.ID) > maxID:
		return fmt.Errorf("the name or id is longer than %d bytes", maxID)
	case u.Email != "" && strings.Count(u.Email, "@") != 1:
		return fmt.Errorf("%q is no e-mail address", u.Email)
	}
	for _, s := range append([]string{u.Login, u.ID, u.Name, u.Email}, u.Groups...) {
		if strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			return errors.New("a control character in a value")
		}
	}
	return nil
}

// setHash parses the password's hash. A weak one is no error: a file that was
// taken over from elsewhere still works for everybody else.
func (u *user) setHash(s string) error {
	h, err := parseHash(s)
	if errors.Is(err, errWeakHash) {
		u.problem = err
		return nil
	}
	u.hash = h
	return err
}

// parseHtpasswd reads "name:hash" lines, as htpasswd -B and caddy hash-password
// make them. Empty lines and those that begin with # are skipped.
func parseHtpasswd(data []byte) ([]*user, error) {
	var list []*user
	lines := bufio.NewScanner(bytes.NewReader(data))
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		name, hash, ok := strings.Cut(line, ":")
		if !ok {
			return nil, &fileError{n, "", errors.New("not of the form name:hash")}
		}
		u := &user{Person: Person{ID: name, Login: name}, line: n}
		if err := u.setHash(hash); err != nil {
			return nil, &fileError{n, name, err}
		}
		list = append(list, u)
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	return list, nil
}

// yamlUser is an entry of the YAML format.
type yamlUser struct {
	ID          string   `yaml:"id"`
	DisplayName string   `yaml:"displayname"`
	Email       string   `yaml:"email"`
	Password    string   `yaml:"password"`
	Groups      []string `yaml:"groups"`
	Disabled    bool     `yaml:"disabled"`
}

// Authelia's further attributes are passed over, so that its file can be shared.
// Any other unknown one is an error: a misspelled "disabled" must not be ignored.
var (
	yamlNames     = []string{"id", "displayname", "email", "password", "groups", "disabled"}
	autheliaNames = []string{
		"given_name", "middle_name", "family_name", "nickname", "gender", "birthdate", "website",
		"profile", "picture", "zoneinfo", "locale", "phone_number", "phone_extension", "address", "extra",
	}
)

// parseYAML reads users: <name>: {id, displayname, email, password, groups, disabled}.
func parseYAML(data []byte) ([]*user, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal(data, &doc); err != nil {
		return nil, errors.New(strings.TrimPrefix(err.Error(), "yaml: "))
	}
	if len(doc.Content) != 1 || doc.Content[0].Kind != yaml.MappingNode {
		return nil, errors.New("the file is neither YAML with a key users nor lines of the form name:hash")
	}
	var users *yaml.Node
	for key, value := range pairs(doc.Content[0]) {
		if key.Value != "users" || users != nil {
			return nil, &fileError{key.Line, "", fmt.Errorf("unexpected key %q beside users", key.Value)}
		}
		users = value
	}
	if users == nil || users.Kind != yaml.MappingNode {
		return nil, errors.New("the key users has no users below it")
	}
	var list []*user
	for key, value := range pairs(users) {
		u, err := parseYAMLUser(key, value)
		if err != nil {
			return nil, &fileError{key.Line, key.Value, err}
		}
		list = append(list, u)
	}
	return list, nil
}

func parseYAMLUser(key, value *yaml.Node) (*user, error) {
	if key.Kind != yaml.ScalarNode || value.Kind != yaml.MappingNode {
		return nil, errors.New("not of the form name: {password: ...}")
	}
	for name := range pairs(value) {
		if !slices.Contains(yamlNames, name.Value) && !slices.Contains(autheliaNames, name.Value) {
			err := fmt.Errorf("unknown attribute %q in line %d", name.Value, name.Line)
			if near := nearest.Word(name.Value, yamlNames); near != "" {
				err = fmt.Errorf("%w, did you mean '%s'?", err, near)
			}
			return nil, err
		}
	}
	var y yamlUser
	if err := value.Decode(&y); err != nil {
		return nil, errors.New(strings.ReplaceAll(strings.TrimPrefix(err.Error(), "yaml: "), "\n", ""))
	}
	u := &user{
		Person: Person{
			ID: y.ID, Login: key.Value, Name: y.DisplayName,
			Email: strings.ToLower(y.Email), Groups: y.Groups,
		},
		line: key.Line, disabled: y.Disabled,
	}
	if u.ID == "" {
		u.ID = u.Login
	}
	if y.Password == "" {
		u.problem = errors.New("the user has no password")
		return u, nil
	}
	return u, u.setHash(y.Password)
}

// pairs iterates over the keys and values of a mapping node, aliases resolved.
func pairs(m *yaml.Node) func(yield func(key, value *yaml.Node) bool) {
	return func(yield func(key, value *yaml.Node) bool) {
		for i := 0; i+1 < len(m.Content); i += 2 {
			value := m.Content[i+1]
			if value.Kind == yaml.AliasNode {
				value = value.Alias
			}
			if !yield(m.Content[i], value) {
				return
			}
		}
	}
}

// unusable returns the users that cannot sign in for want of a good hash, in
// the order of the file.
func (f *usersFile) unusable() []*user {
	var list []*user
	for u := range maps.Values(f.users) {
		if u.problem != nil && !u.disabled {
			list = append(list, u)
		}
	}
	slices.SortFunc(list, func(a, b *user) int { return a.line - b.line })
	return list
}
