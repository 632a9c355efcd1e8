package secret

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
)

// KeyBytes is the size of a key: AES-256.
const KeyBytes = 32

// The sealed form:
//
//	offset  bytes
//	0       1      form, 1
//	1       8      id of the key that wraps the data key
//	9       12     nonce of the wrapped data key
//	21      32+16  data key, encrypted under the key, and its tag
//	69      12     nonce of the secret
//	81      n+16   secret, encrypted under the data key, and its tag
const (
	form       = 1
	idBytes    = 8
	nonceBytes = 12
	tagBytes   = 16

	wrapAt    = 1 + idBytes
	secretAt  = wrapAt + nonceBytes + KeyBytes + tagBytes
	sealedMin = secretAt + nonceBytes + tagBytes
)

// Overhead is how many bytes a sealed secret is longer than the secret.
const Overhead = sealedMin

// ErrDamaged is returned for what Seal did not make, or not for the same
// Context, or that was changed since.
var ErrDamaged = errors.New("the sealed secret is damaged, or belongs to another resource or version")

// ErrNoKey is returned when there is no key at all to seal with.
var ErrNoKey = errors.New("there is no key to encrypt secrets with: configure one")

// MissingKeyError says that a secret is sealed under a key that the keyring does not have.
type MissingKeyError struct {
	ID   string   // of the key that is needed
	Have []string // ids of the keys there are
}

// Error says which key is missing and what to do.
func (e *MissingKeyError) Error() string {
	have := "none is configured"
	if len(e.Have) > 0 {
		have = "configured: " + strings.Join(e.Have, ", ")
	}
	return fmt.Sprintf("the secret is encrypted with key %s, which is not among the keys (%s): add that key after the present one, or enter the secret again", e.ID, have)
}

// Context says what a secret belongs to. It is authenticated with the secret:
// a sealed secret that is moved to another resource, field or version does not open.
type Context struct {
	Resource string // an ARN
	Field    string
	Version  uint64
}

// bind returns the context as bytes that no other context has.
func (c Context) bind(purpose string) []byte {
	b := make([]byte, 0, len(purpose)+len(c.Resource)+len(c.Field)+24)
	for _, s := range []string{purpose, c.Resource, c.Field} {
		b = binary.AppendUvarint(b, uint64(len(s)))
		b = append(b, s...)
	}
	return binary.BigEndian.AppendUint64(b, c.Version)
}

// Keyring seals secrets with envelope encryption, AES-256-GCM: each secret has
// a data key of its own, which is wrapped by the first key of the ring. All
// keys of the ring open, so a key is rotated by putting a new one in front,
// rewrapping what is stored, and dropping the old one.
//
// A key's id is derived from the key: ids need no care, and a wrong key cannot
// pass for the right one. A Keyring is immutable and may be used by many
// goroutines if its randomness may.
type Keyring struct {
	random io.Reader
	keys   []key
}

type key struct {
	id   [idBytes]byte
	aead cipher.AEAD
}

// NewKeyring returns a keyring of 32-byte keys, of which the first seals. A
// keyring without keys is valid: it seals and opens nothing. random makes data
// keys and nonces; it must be as good as crypto/rand.Reader.
func NewKeyring(random io.Reader, keys ...[]byte) (*Keyring, error) {
	r := &Keyring{random: random}
	for i, k := range keys {
		if len(k) != KeyBytes {
			return nil, fmt.Errorf("secret: key %d has %d bytes; a key has %d", i+1, len(k), KeyBytes)
		}
		aead, err := newAEAD(k)
		if err != nil {
			return nil, err
		}
		r.keys = append(r.keys, key{id: keyID(k), aead: aead})
	}
	return r, nil
}

// keyID derives a key's public id.
func keyID(k []byte) (id [idBytes]byte) {
	mac := hmac.New(sha256.New, k)
	mac.Write([]byte("turnout key id"))
	copy(id[:], mac.Sum(nil))
	return id
}

func newAEAD(k []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(k)
	if err != nil {
		return nil, fmt.Errorf("secret: %w", err)
	}
	return cipher.NewGCM(block)
}

// IDs returns the ids of the keys; the first is of the one that seals.
func (r *Keyring) IDs() []string {
	ids := make([]string, len(r.keys))
	for i := range r.keys {
		ids[i] = hex.EncodeToString(r.keys[i].id[:])
	}
	return ids
}

// Seal encrypts a secret for c. It is ErrNoKey for a keyring without keys.
func (r *Keyring) Seal(plain []byte, c Context) ([]byte, error) {
	if len(r.keys) == 0 {
		return nil, ErrNoKey
	}
	var fresh [KeyBytes + 2*nonceBytes]byte
	if _, err := io.ReadFull(r.random, fresh[:]); err != nil {
		return nil, fmt.Errorf("secret: read randomness: %w", err)
	}
	dataKey, wrapNonce, nonce := fresh[:KeyBytes], fresh[KeyBytes:KeyBytes+nonceBytes], fresh[KeyBytes+nonceBytes:]
	data, err := newAEAD(dataKey)
	if err != nil {
		return nil, err
	}
	sealed := r.wrap(make([]byte, 0, len(plain)+Overhead), dataKey, wrapNonce, c)
	sealed = append(sealed, nonce...)
	sealed = data.Seal(sealed, nonce, plain, c.bind("secret"))
	clear(dataKey)
	return sealed, nil
}

// wrap appends the part before the secret's nonce.
func (r *Keyring) wrap(dst, dataKey, nonce []byte, c Context) []byte {
	k := &r.keys[0]
	dst = append(dst, form)
	dst = append(dst, k.id[:]...)
	dst = append(dst, nonce...)
	return k.aead.Seal(dst, nonce, dataKey, c.bind("data key"))
}

// Open decrypts what Seal made for the same context. It is a *MissingKeyError
// if the key is not in the ring, and ErrDamaged otherwise.
func (r *Keyring) Open(sealed []byte, c Context) ([]byte, error) {
	_, dataKey, err := r.unwrap(sealed, c)
	if err != nil {
		return nil, err
	}
	data, err := newAEAD(dataKey)
	clear(dataKey)
	if err != nil {
		return nil, err
	}
	nonce, text := sealed[secretAt:secretAt+nonceBytes], sealed[secretAt+nonceBytes:]
	plain, err := data.Open(nil, nonce, text, c.bind("secret"))
	if err != nil {
		return nil, ErrDamaged
	}
	return plain, nil
}

// unwrap returns the data key of a sealed secret and the place in the ring of the key that wraps it.
func (r *Keyring) unwrap(sealed []byte, c Context) (place int, dataKey []byte, err error) {
	if len(sealed) < sealedMin || sealed[0] != form {
		return 0, nil, ErrDamaged
	}
	id := [idBytes]byte(sealed[1:wrapAt])
	for i := range r.keys {
		if r.keys[i].id != id {
			continue
		}
		nonce, text := sealed[wrapAt:wrapAt+nonceBytes], sealed[wrapAt+nonceBytes:secretAt]
		dataKey, err = r.keys[i].aead.Open(nil, nonce, text, c.bind("data key"))
		if err != nil {
			return 0, nil, ErrDamaged
		}
		return i, dataKey, nil
	}
	return 0, nil, &MissingKeyError{ID: hex.EncodeToString(id[:]), Have: r.IDs()}
}

// Rewrap returns a sealed secret with its data key wrapped by the first key of
// the ring; the secret itself is not decrypted. changed is false if it was
// already, and then the result is sealed itself. Its errors are those of Open.
func (r *Keyring) Rewrap(sealed []byte, c Context) (rewrapped []byte, changed bool, err error) {
	place, dataKey, err := r.unwrap(sealed, c)
	if err != nil || place == 0 {
		return sealed, false, err
	}
	var nonce [nonceBytes]byte
	if _, err := io.ReadFull(r.random, nonce[:]); err != nil {
		return nil, false, fmt.Errorf("secret: read randomness: %w", err)
	}
	rewrapped = r.wrap(make([]byte, 0, len(sealed)), dataKey, nonce[:], c)
	clear(dataKey)
	return append(rewrapped, sealed[secretAt:]...), true, nil
}
