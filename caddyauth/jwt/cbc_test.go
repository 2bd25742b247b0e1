package jwt

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/hex"
	"strings"
	"sync"
	"testing"
)

// rfc7518B3 is the test case of RFC 7518 appendix B.3.
var rfc7518B3 = struct{ key, plain, iv, aad, sealed, tag string }{
	key: "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f" +
		"202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f",
	plain: "41206369706865722073797374656d206d757374206e6f7420626520726571756972656420746f206265207365637265742c20616e64" +
		"206974206d7573742062652061626c6520746f2066616c6c20696e746f207468652068616e6473206f662074686520656e656d7920" +
		"776974686f757420696e636f6e76656e69656e6365",
	iv:  "1af38c2dc2b96ffdd86694092341bc04",
	aad: "546865207365636f6e64207072696e6369706c65206f662041756775737465204b6572636b686f666673",
	sealed: "4affaaadb78c31c5da4b1b590d10ffbd3dd8d5d302423526912da037ecbcc7bd822c301dd67c373bccb584ad3e9279c2" +
		"e6d12a1374b77f077553df829410446b36ebd97066296ae6427ea75c2e0846a11a09ccf5370dc80bfecbad28c73f09b3" +
		"a3b75e662a2594410ae496b2e2e6609e31e6e02cc837f053d21f37ff4f51950bbe2638d09dd7a4930930806d0703b1f6",
	tag: "4dd3b4c088a7f45c216839645b2012bf2e6269a8c56a816dbc1b267761955bc5",
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func testCBC(t testing.TB) (aead cipher.AEAD, iv, aad []byte) {
	t.Helper()
	aead, err := newCBC(unhex(t, rfc7518B3.key))
	if err != nil {
		t.Fatal(err)
	}
	return aead, unhex(t, rfc7518B3.iv), unhex(t, rfc7518B3.aad)
}

func TestRFC7518AppendixB3(t *testing.T) {
	aead, iv, aad := testCBC(t)
	plain, sealed := unhex(t, rfc7518B3.plain), unhex(t, rfc7518B3.sealed+rfc7518B3.tag)
	for range 3 { // with a state of its own, and with a used one
		if got := aead.Seal([]byte("x"), iv, plain, aad); !bytes.Equal(got[1:], sealed) {
			t.Errorf("sealed %x; want %x", got[1:], sealed)
		}
		got, err := aead.Open([]byte("x"), iv, sealed, aad)
		if err != nil || !bytes.Equal(got[1:], plain) {
			t.Errorf("opened %q, %v; want %q", got, err, plain)
		}
	}
}

// TestJWE17MACBeforeDecryption: of a forged token nothing is decrypted, whatever
// its padding would turn out to be. Decryption is in place, so it would show.
func TestJWE17MACBeforeDecryption(t *testing.T) {
	aead, iv, aad := testCBC(t)
	sealed := unhex(t, rfc7518B3.sealed+rfc7518B3.tag)
	probes := 0
	for i := range sealed {
		for bit := range 8 {
			probe := bytes.Clone(sealed)
			probe[i] ^= 1 << bit
			before := bytes.Clone(probe)
			got, err := aead.Open(probe[:0], iv, probe, aad)
			if got != nil || err != errOpen {
				t.Fatalf("byte %d, bit %d: %x, %v", i, bit, got, err)
			}
			if !bytes.Equal(probe, before) {
				t.Fatalf("byte %d, bit %d: decrypted before it was authenticated", i, bit)
			}
			probes++
		}
	}
	if probes != len(sealed)*8 {
		t.Errorf("%d probes", probes)
	}
	for _, wrong := range []struct{ iv, aad []byte }{
		{make([]byte, 16), aad}, {iv, nil}, {iv, aad[1:]}, {append(bytes.Clone(iv[1:]), aad[0]), aad[1:]}, {iv[:12], aad}, {nil, aad},
	} {
		if got, err := aead.Open(nil, wrong.iv, sealed, wrong.aad); got != nil || err != errOpen {
			t.Errorf("iv %x, data %x: %x, %v", wrong.iv, wrong.aad, got, err)
		}
	}
}

// TestPadding: an authentic token whose padding is none does not open either.
func TestPadding(t *testing.T) {
	aead, iv, aad := testCBC(t)
	c := aead.(*cbc)
	tagged := func(iv, sealed []byte) []byte {
		s := c.states.Get().(*cbcState)
		defer c.states.Put(s)
		return append(bytes.Clone(sealed), s.tag(iv, sealed, aad)...)
	}
	// seal authenticates a plaintext that comes with its padding.
	seal := func(plain string) []byte {
		sealed := []byte(plain)
		cipher.NewCBCEncrypter(c.block, iv).CryptBlocks(sealed, sealed)
		return tagged(iv, sealed)
	}
	block := strings.Repeat("x", aes.BlockSize)
	pad := func(n int) string { return strings.Repeat(string(rune(n)), n) }
	for n := 1; n <= aes.BlockSize; n++ {
		text := block + block[n:]
		if got, err := aead.Open(nil, iv, seal(text+pad(n)), aad); err != nil || string(got) != text {
			t.Errorf("padding of %d: %q, %v", n, got, err)
		}
		if n > 1 {
			for i := range n - 1 { // one byte of it is another
				bad := []byte(text + pad(n))
				bad[len(text)+i]++
				if got, err := aead.Open(nil, iv, seal(string(bad)), aad); got != nil || err != errOpen {
					t.Errorf("padding of %d, byte %d: %q, %v", n, i, got, err)
				}
			}
		}
	}
	for _, bad := range []string{
		block, block[1:] + "\x00", block[1:] + "\x11", block[1:] + "\xff", block + pad(17)[1:], "\x02" + block[2:] + "\x02",
	} {
		if got, err := aead.Open(nil, iv, seal(bad), aad); got != nil || err != errOpen {
			t.Errorf("%q: %q, %v", bad, got, err)
		}
	}
	// Authentic, but no whole number of blocks, or with another initialization
	// vector than CBC's.
	two := seal(block + pad(16))[:32]
	for n := range two {
		if n%aes.BlockSize == 0 && n > 0 {
			continue // decrypts to something, whose padding is none
		}
		if got, err := aead.Open(nil, iv, tagged(iv, two[:n]), aad); got != nil || err != errOpen {
			t.Errorf("%d bytes: %q, %v", n, got, err)
		}
	}
	for _, size := range []int{0, 12, 15, 17, 32} {
		other := make([]byte, size)
		if got, err := aead.Open(nil, other, tagged(other, two), aad); got != nil || err != errOpen {
			t.Errorf("initialization vector of %d bytes: %q, %v", size, got, err)
		}
	}
	for n := range cbcTagSize {
		if got, err := aead.Open(nil, iv, two[:n], aad); got != nil || err != errOpen {
			t.Errorf("%d bytes in all: %q, %v", n, got, err)
		}
	}
}

// TestCBCStates: what one token leaves behind in a state does not show in the
// next one, nor in that of another goroutine.
func TestCBCStates(t *testing.T) {
	f := forms[1]
	r := f.ring(t, testSecret, "another one")
	claims := []string{"{}", testClaims, typical, `{"x":"` + strings.Repeat("y", 3000) + `"}`}
	tokens := make([]string, 0, 2*len(claims))
	for _, c := range claims {
		tokens = append(tokens, f.token(t, testSecret, c), f.token(t, "another one", c))
	}
	forged := []byte(tokens[2])
	forged[len(forged)-5] ^= 1
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for i := range 400 {
				n := i % len(tokens)
				if got, err := r.OpenString(tokens[n]); err != nil || got != claims[n/2] {
					t.Errorf("token %d: %.80q, %v", n, got, err)
				}
				if got, err := r.OpenString(string(forged)); err == nil {
					t.Errorf("forged: %q", got)
				}
				if got, err := r.OpenString(r.Seal([]byte(claims[n/2]))); err != nil || got != claims[n/2] {
					t.Errorf("sealed %d: %.80q, %v", n, got, err)
				}
			}
		})
	}
	wg.Wait()
}
