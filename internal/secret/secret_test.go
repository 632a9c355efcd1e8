package secret_test

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	chacha "math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed567880c8/turnout/internal/secret"
)

const canary = "canary-5up3r-s3cr3t"

func keyOf(b byte) []byte { return bytes.Repeat([]byte{b}, secret.KeyBytes) }

func ringOf(t testing.TB, keys ...byte) *secret.Keyring {
	t.Helper()
	all := make([][]byte, len(keys))
	for i, b := range keys {
		all[i] = keyOf(b)
	}
	r, err := secret.NewKeyring(rand.Reader, all...)
	require.NoError(t, err)
	return r
}

func contextOf() secret.Context {
	return secret.Context{Resource: "arn:aws:events:us-east-1:000000000000:connection/c/1", Field: "auth", Version: 7}
}

func TestSealedSecretOpensForItsContextOnly(t *testing.T) {
	t.Parallel()
	ring := ringOf(t, 1)
	sealed, err := ring.Seal([]byte(canary), contextOf())
	require.NoError(t, err)
	require.Len(t, sealed, len(canary)+secret.Overhead)
	require.NotContains(t, string(sealed), canary)

	plain, err := ring.Open(sealed, contextOf())
	require.NoError(t, err)
	require.Equal(t, canary, string(plain))

	for name, change := range map[string]func(*secret.Context){
		"resource": func(c *secret.Context) { c.Resource += "x" },
		"field":    func(c *secret.Context) { c.Field = "other" },
		"version":  func(c *secret.Context) { c.Version++ },
		"border":   func(c *secret.Context) { c.Resource, c.Field = c.Resource+"a", "uth" },
	} {
		other := contextOf()
		change(&other)
		_, err := ring.Open(sealed, other)
		require.ErrorIs(t, err, secret.ErrDamaged, name)
	}
}

func TestEveryFlippedBitIsNoticed(t *testing.T) {
	t.Parallel()
	ring := ringOf(t, 1)
	sealed, err := ring.Seal([]byte(canary), contextOf())
	require.NoError(t, err)
	for i := range len(sealed) * 8 {
		damaged := bytes.Clone(sealed)
		damaged[i/8] ^= 1 << (i % 8)
		_, err := ring.Open(damaged, contextOf())
		require.Error(t, err, "bit %d", i)
	}
	for n := range sealed {
		_, err := ring.Open(sealed[:n], contextOf())
		require.ErrorIs(t, err, secret.ErrDamaged, "the first %d bytes", n)
	}
}

func TestEachSealHasADataKeyAndNoncesOfItsOwn(t *testing.T) {
	t.Parallel()
	ring := ringOf(t, 1)
	a, err := ring.Seal([]byte(canary), contextOf())
	require.NoError(t, err)
	b, err := ring.Seal([]byte(canary), contextOf())
	require.NoError(t, err)
	const afterID = 9
	require.Equal(t, a[:afterID], b[:afterID], "form and key id are the same")
	for i := afterID; i+12 <= len(a); i += 12 {
		require.NotEqual(t, a[i:i+12], b[i:i+12])
	}
}

func TestKeysAreRotatedByRewrapping(t *testing.T) {
	t.Parallel()
	sealed, err := ringOf(t, 1).Seal([]byte(canary), contextOf())
	require.NoError(t, err)

	both := ringOf(t, 2, 1)
	rewrapped, changed, err := both.Rewrap(sealed, contextOf())
	require.NoError(t, err)
	require.True(t, changed)
	_, changed, err = both.Rewrap(rewrapped, contextOf())
	require.NoError(t, err)
	require.False(t, changed, "the first key wraps it already")

	plain, err := ringOf(t, 2).Open(rewrapped, contextOf())
	require.NoError(t, err, "the old key is not needed any more")
	require.Equal(t, canary, string(plain))

	_, _, err = both.Rewrap(sealed, secret.Context{})
	require.ErrorIs(t, err, secret.ErrDamaged)
}

func TestErrorsSayWhatToDo(t *testing.T) {
	t.Parallel()
	sealed, err := ringOf(t, 1).Seal([]byte(canary), contextOf())
	require.NoError(t, err)

	_, err = ringOf(t, 2).Open(sealed, contextOf())
	missing, ok := errors.AsType[*secret.MissingKeyError](err)
	require.True(t, ok)
	require.Equal(t, ringOf(t, 1).IDs()[0], missing.ID)
	require.Equal(t, fmt.Sprintf("the secret is encrypted with key %s, which is not among the keys (configured: %s): "+
		"add that key after the present one, or enter the secret again", missing.ID, ringOf(t, 2).IDs()[0]), err.Error())

	_, err = ringOf(t).Open(sealed, contextOf())
	require.ErrorContains(t, err, "(none is configured)")
	_, err = ringOf(t).Seal(nil, contextOf())
	require.ErrorIs(t, err, secret.ErrNoKey)
	_, err = secret.NewKeyring(rand.Reader, []byte("short"))
	require.EqualError(t, err, "secret: key 1 has 5 bytes; a key has 32")
	ring, err := secret.NewKeyring(strings.NewReader("too little"), keyOf(1))
	require.NoError(t, err)
	_, err = ring.Seal(nil, contextOf())
	require.ErrorContains(t, err, "read randomness")
}

func TestKeysAreReadInEveryUsualForm(t *testing.T) {
	t.Parallel()
	k := []byte{0xfb, 0xff, 31: 9} // needs both letters in which the alphabets differ
	for name, text := range map[string]string{
		"base64":     base64.StdEncoding.EncodeToString(k),
		"raw":        base64.RawStdEncoding.EncodeToString(k),
		"url":        base64.URLEncoding.EncodeToString(k),
		"hex":        hex.EncodeToString(k),
		"with noise": "# made today\r\n\n  " + hex.EncodeToString(k) + " # the first\n",
	} {
		keys, err := secret.ParseKeys(text)
		require.NoError(t, err, name)
		require.Equal(t, [][]byte{k}, keys, name)
	}
	keys, err := secret.ParseKeys(hex.EncodeToString(keyOf(1)) + "," + hex.EncodeToString(keyOf(2)) + "\n" + hex.EncodeToString(keyOf(3)))
	require.NoError(t, err)
	require.Equal(t, [][]byte{keyOf(1), keyOf(2), keyOf(3)}, keys)

	for name, bad := range map[string]string{
		"empty":     "# only a comment\n",
		"short":     base64.StdEncoding.EncodeToString([]byte("short-" + canary)),
		"no text":   strings.Repeat("z!", 32),
		"too many":  strings.Repeat(hex.EncodeToString(keyOf(1))+" ", 17),
		"second":    hex.EncodeToString(keyOf(1)) + " " + canary,
		"hex digit": strings.Repeat("g", 64),
	} {
		_, err := secret.ParseKeys(bad)
		require.Error(t, err, name)
		require.NotContains(t, err.Error(), "short-", name)
		require.NotContains(t, err.Error(), canary, name)
	}
}

func TestKeyFileIsMadeOnce(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "secret.key")
	made, created, err := secret.LoadOrCreateFile(path, rand.Reader)
	require.NoError(t, err)
	require.True(t, created)
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode(), "only the owner reads the key")

	again, created, err := secret.LoadOrCreateFile(path, rand.Reader)
	require.NoError(t, err)
	require.False(t, created)
	require.Equal(t, made, again)
	entries, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	require.Len(t, entries, 1, "nothing is left beside it")

	require.NoError(t, os.Chmod(path, 0o666))
	_, err = secret.LoadFile(path)
	require.ErrorContains(t, err, "chmod 600")
	require.NoError(t, os.Chmod(path, 0o600))
	require.NoError(t, os.WriteFile(path, []byte("nonsense"), 0o600))
	_, created, err = secret.LoadOrCreateFile(path, rand.Reader)
	require.ErrorContains(t, err, "openssl rand", "a damaged file is not replaced")
	require.False(t, created)
	_, err = secret.LoadFile(filepath.Dir(path))
	require.ErrorContains(t, err, "not a regular file")
	_, _, err = secret.LoadOrCreateFile(filepath.Join(filepath.Dir(path), "no", "dir"), rand.Reader)
	require.Error(t, err)
	_, _, err = secret.LoadOrCreateFile(filepath.Join(filepath.Dir(path), "other"), strings.NewReader(""))
	require.ErrorContains(t, err, "make a key")
}

func TestTextIsNeverPrinted(t *testing.T) {
	t.Parallel()
	text := secret.NewText(canary)
	type outer struct {
		Public  secret.Text
		private secret.Text
		list    []secret.Text
	}
	held := outer{Public: text, private: text, list: []secret.Text{text}}
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
		fmt.Fprintf(&out, verb+verb+verb+verb, text, &text, held, &held)
	}
	for _, h := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
		slog.New(h).InfoContext(t.Context(), "x", slog.Any("a", text), slog.Any("b", held), slog.Any("c", &held), slog.Any("d", map[string]any{"k": text}))
	}
	require.NoError(t, json.NewEncoder(&out).Encode(map[string]any{"a": text, "b": held, "c": &held}))
	fmt.Fprint(&out, errors.New("failed: "+text.String()))
	require.NotContains(t, out.String(), canary)
	require.NotContains(t, out.String(), hex.EncodeToString([]byte(canary)))
	require.NotContains(t, out.String(), strings.ToUpper(hex.EncodeToString([]byte(canary))))
	require.Contains(t, out.String(), "[redacted]")

	require.Equal(t, canary, text.Reveal())
	require.True(t, text.Equal(secret.NewText(canary)))
	require.False(t, text.Equal(secret.Text{}))
	require.True(t, secret.NewText("").IsEmpty())
	require.Empty(t, fmt.Sprint(secret.Text{}), "that there is no secret is no secret")
}

func FuzzOpen(f *testing.F) {
	// The workers are processes of their own: each must seal the same.
	ring, err := secret.NewKeyring(chacha.NewChaCha8([32]byte{1}), keyOf(1), keyOf(2))
	require.NoError(f, err)
	sealed, err := ring.Seal([]byte(canary), contextOf())
	require.NoError(f, err)
	foreign, err := ringOf(f, 3).Seal(nil, contextOf())
	require.NoError(f, err)
	f.Add(sealed)
	f.Add(foreign)
	f.Add(sealed[:len(sealed)-1])
	f.Add([]byte{1})
	f.Fuzz(func(t *testing.T, in []byte) {
		plain, err := ring.Open(in, contextOf())
		if err != nil {
			missing, _ := errors.AsType[*secret.MissingKeyError](err)
			require.True(t, missing != nil || errors.Is(err, secret.ErrDamaged), "%v", err)
			return
		}
		require.Equal(t, canary, string(plain), "only what was sealed opens")
		require.Equal(t, sealed, in)
	})
}

func FuzzParseKeys(f *testing.F) {
	f.Add(hex.EncodeToString(keyOf(1)))
	f.Add(base64.StdEncoding.EncodeToString(keyOf(2)) + ",x")
	f.Add("# \xff\n")
	f.Fuzz(func(t *testing.T, text string) {
		keys, err := secret.ParseKeys(text)
		if err != nil {
			return
		}
		require.NotEmpty(t, keys)
		_, err = secret.NewKeyring(rand.Reader, keys...)
		require.NoError(t, err, "what was parsed can be used")
	})
}

func BenchmarkSeal(b *testing.B) {
	ring := ringOf(b, 1)
	plain := bytes.Repeat([]byte{'x'}, 256)
	b.ReportAllocs()
	for b.Loop() {
		_, err := ring.Seal(plain, contextOf())
		require.NoError(b, err)
	}
}
