package secret

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// keysMax bounds the keys of one text: more is no rotation but a mistake.
const keysMax = 16

// ParseKeys reads keys as they are written in a file or an environment
// variable: 32 bytes each, in base64 (standard or URL alphabet, padded or not)
// or in hexadecimal, separated by white space or commas. A line's text after #
// is ignored. An error names the key by its number and never shows any of it.
func ParseKeys(text string) ([][]byte, error) {
	var keys [][]byte
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		for _, word := range strings.FieldsFunc(line, isKeySeparator) {
			if len(keys) == keysMax {
				return nil, fmt.Errorf("there are more than %d keys", keysMax)
			}
			k, ok := parseKey(word)
			if !ok {
				return nil, fmt.Errorf("key %d is not %d bytes in base64 or hexadecimal; make one with: openssl rand -base64 %d", len(keys)+1, KeyBytes, KeyBytes)
			}
			keys = append(keys, k)
		}
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("there is no key; make one with: openssl rand -base64 %d", KeyBytes)
	}
	return keys, nil
}

func isKeySeparator(r rune) bool {
	return r == ',' || r == ' ' || r == '\t' || r == '\r' || r == '\n'
}

func parseKey(word string) ([]byte, bool) {
	if len(word) == hex.EncodedLen(KeyBytes) {
		k, err := hex.DecodeString(word)
		return k, err == nil
	}
	word = strings.NewReplacer("-", "+", "_", "/").Replace(strings.TrimRight(word, "="))
	k, err := base64.RawStdEncoding.DecodeString(word)
	return k, err == nil && len(k) == KeyBytes
}

// LoadFile reads keys from a file, in the form that ParseKeys reads. It refuses
// a file that other users may change. That they may read it is not refused:
// container platforms mount secrets that way into a container that has one user.
func LoadFile(path string) ([][]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open the key file: %w", err)
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, fmt.Errorf("read the key file: %w", err)
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("key file %s is not a regular file", path)
	case info.Mode().Perm()&0o022 != 0:
		return nil, fmt.Errorf("key file %s has mode %04o, so other users may change it: chmod 600 %s", path, info.Mode().Perm(), path)
	}
	const bytesMax = 16 << 10
	text, err := io.ReadAll(io.LimitReader(f, bytesMax))
	if err != nil {
		return nil, fmt.Errorf("read the key file: %w", err)
	}
	keys, err := ParseKeys(string(text))
	if err != nil {
		return nil, fmt.Errorf("key file %s: %w", path, err)
	}
	return keys, nil
}

// LoadOrCreateFile reads keys from a file, or if there is none makes one with a
// new key in it, readable by its owner only and on the disk when it returns.
// created says which of the two happened.
func LoadOrCreateFile(path string, random io.Reader) (keys [][]byte, created bool, err error) {
	keys, err = LoadFile(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return keys, false, err
	}
	k := make([]byte, KeyBytes)
	if _, err := io.ReadFull(random, k); err != nil {
		return nil, false, fmt.Errorf("make a key: %w", err)
	}
	text := "# Turnout encrypts secrets with this key. Without it they cannot be read: keep a copy apart from the data.\n" +
		base64.StdEncoding.EncodeToString(k) + "\n"
	if err := writeNew(path, text); err != nil {
		return nil, false, fmt.Errorf("make the key file: %w", err)
	}
	return [][]byte{k}, true, nil
}

// writeNew makes a file that appears whole or not at all: a half-written key
// would make everything sealed with it unreadable after the next start.
func writeNew(path, text string) (err error) {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, ".key-*") // mode 0600
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.Remove(f.Name())) }()
	_, err = f.WriteString(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	// A link, not a rename: it fails if the file has come into being meanwhile.
	if err := os.Link(f.Name(), path); err != nil {
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
