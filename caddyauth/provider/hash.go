package provider

import (
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/bcrypt"
)

// What a hash may ask for. The file is the operator's, but one that was copied
// from elsewhere must not let a sign-in form take the machine down.
const (
	maxArgonMemory = 256 << 10 // KiB, so 256 MiB
	maxArgonTime   = 10
	maxArgonLanes  = 16
	maxBcryptCost  = 16
	// maxBcryptPassword is all that bcrypt looks at. A longer password would be
	// accepted with any other ending.
	maxBcryptPassword = 72
)

// errWeakHash marks a hash that is no longer fit to protect a password.
var errWeakHash = errors.New("the password is not hashed with argon2id or bcrypt")

// hash is a stored password. Hashes with equal params take equally long.
type hash struct {
	params hashParams
	salt   []byte // argon2id
	key    []byte // argon2id
	bcrypt string // the whole hash
}

// hashParams is what the time of a comparison depends on.
type hashParams struct {
	memory, time uint32 // argon2id, memory in KiB
	lanes        uint8
	keyLen       uint32
	cost         int // bcrypt
}

// parseHash reads what `caddy hash-password` writes: $argon2id$v=19$m=,t=,p=$..
// (PHC string format), or bcrypt's $2a$, $2b$, $2y$.
func parseHash(s string) (*hash, error) {
	switch {
	case strings.HasPrefix(s, "$argon2id$"):
		return parseArgon2id(s)
	case strings.HasPrefix(s, "$2a$"), strings.HasPrefix(s, "$2b$"), strings.HasPrefix(s, "$2y$"):
		cost, err := bcrypt.Cost([]byte(s))
		switch {
		case err != nil || len(s) != 60:
			return nil, errors.New("a damaged bcrypt hash")
		case cost > maxBcryptCost:
			return nil, fmt.Errorf("bcrypt cost %d is above %d", cost, maxBcryptCost)
		}
		return &hash{params: hashParams{cost: cost}, bcrypt: s}, nil
	}
	return nil, errWeakHash
}

func parseArgon2id(s string) (*hash, error) {
	damaged := errors.New("a damaged argon2id hash")
	parts := strings.Split(s, "$")
	if len(parts) != 6 || parts[2] != "v="+strconv.Itoa(argon2.Version) {
		return nil, damaged
	}
	h := new(hash)
	for i, param := range strings.Split(parts[3], ",") {
		name, digits, _ := strings.Cut(param, "=")
		n, err := strconv.ParseUint(digits, 10, 32)
		if err != nil || n == 0 || i > 2 || name != []string{"m", "t", "p"}[i] {
			return nil, damaged
		}
		switch name {
		case "m":
			h.params.memory = uint32(n)
		case "t":
			h.params.time = uint32(n)
		case "p":
			if n > maxArgonLanes {
				return nil, fmt.Errorf("argon2id parallelism %d is above %d", n, maxArgonLanes)
			}
			h.params.lanes = uint8(n)
		}
	}
	var err1, err2 error
	h.salt, err1 = base64.RawStdEncoding.Strict().DecodeString(parts[4])
	h.key, err2 = base64.RawStdEncoding.Strict().DecodeString(parts[5])
	h.params.keyLen = uint32(len(h.key))
	switch p := h.params; {
	case err1 != nil, err2 != nil, len(h.salt) < 8, len(h.salt) > 64, len(h.key) < 16, len(h.key) > 64, p.lanes == 0:
		return nil, damaged
	case p.memory > maxArgonMemory:
		return nil, fmt.Errorf("argon2id memory of %d KiB is above %d", p.memory, maxArgonMemory)
	case p.time > maxArgonTime:
		return nil, fmt.Errorf("argon2id time %d is above %d", p.time, maxArgonTime)
	}
	return h, nil
}

// matches compares a password in a time that depends on the parameters alone.
func (h *hash) matches(password []byte) bool {
	if h.bcrypt != "" {
		short := password[:min(len(password), maxBcryptPassword)]
		return bcrypt.CompareHashAndPassword([]byte(h.bcrypt), short) == nil && len(short) == len(password)
	}
	p := h.params
	key := argon2.IDKey(password, h.salt, p.time, p.memory, p.lanes, p.keyLen)
	return subtle.ConstantTimeCompare(key, h.key) == 1
}

// decoy returns a hash with the given parameters that no password matches, to
// spend on users that do not exist what the others cost.
func decoy(p hashParams) *hash {
	if p.cost > 0 {
		// A well-formed hash of nothing: the digest is all zero bits.
		return &hash{params: p, bcrypt: fmt.Sprintf("$2a$%02d$%s", p.cost, strings.Repeat(".", 53))}
	}
	return &hash{params: p, salt: make([]byte, 16), key: make([]byte, p.keyLen)}
}

// dearer orders parameters by what a comparison costs.
func (p hashParams) dearer(q hashParams) bool {
	return p.work() > q.work()
}

// work estimates a cost on one scale, in KiB that argon2id fills: bcrypt of cost
// 10 takes about as long as 16 MiB, near enough to choose between the two.
func (p hashParams) work() uint64 {
	if p.cost > 0 {
		return 16 << p.cost
	}
	return uint64(p.memory) * uint64(p.time)
}
