package webhook

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// The headers of Standard Webhooks 1.0.0.
// https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
const (
	idHeader        = "Webhook-Id"
	timestampHeader = "Webhook-Timestamp"
	signatureHeader = "Webhook-Signature"
)

// SigningTolerance is how far a signature's time may be from now, as Standard
// Webhooks advises: old requests cannot be sent again by who has seen them.
const SigningTolerance = 5 * time.Minute

// signingKeysMax bounds the keys of one request and the signatures of a header.
const signingKeysMax = 16

// Key signs or verifies requests. ParseKey makes one. Printing it shows nothing.
type Key struct {
	secret  []byte             // of HMAC-SHA256
	private ed25519.PrivateKey // of ed25519
	public  ed25519.PublicKey  // of ed25519
}

// ParseKey reads a key in the form that Standard Webhooks gives it: base64 after
//
//	whsec_  a secret of 24 to 64 bytes, for HMAC-SHA256
//	whsk_   a private ed25519 key, of 32 bytes (its seed) or 64
//	whpk_   a public ed25519 key, which can verify only
//
// The error does not hold the key.
func ParseKey(text string) (Key, error) {
	kind, encoded, _ := strings.Cut(text, "_")
	data, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(encoded, "="))
	if err != nil {
		return Key{}, errors.New("the key is not base64 after whsec_, whsk_ or whpk_")
	}
	switch kind {
	case "whsec":
		if len(data) < 24 || len(data) > 64 {
			return Key{}, errors.New("a secret must have 24 to 64 bytes")
		}
		return Key{secret: data}, nil
	case "whsk":
		switch len(data) {
		case ed25519.SeedSize:
			data = ed25519.NewKeyFromSeed(data)
		case ed25519.PrivateKeySize:
			if !hmac.Equal(ed25519.NewKeyFromSeed(data[:ed25519.SeedSize]), data) {
				return Key{}, errors.New("the halves of the private key do not belong together")
			}
		default:
			return Key{}, errors.New("a private key must have 32 or 64 bytes")
		}
		return Key{private: data, public: ed25519.PublicKey(data[ed25519.SeedSize:])}, nil
	case "whpk":
		if len(data) != ed25519.PublicKeySize {
			return Key{}, errors.New("a public key must have 32 bytes")
		}
		return Key{public: data}, nil
	default:
		return Key{}, errors.New("a key must begin with whsec_, whsk_ or whpk_")
	}
}

// String hides the key.
func (Key) String() string { return "[key]" }

// GoString hides the key.
func (Key) GoString() string { return "[key]" }

// MarshalText hides the key.
func (Key) MarshalText() ([]byte, error) { return []byte("[key]"), nil }

// Signing is how requests are signed.
type Signing struct {
	// Keys sign, each for itself, and the signatures go side by side into one
	// header: while keys are being exchanged a receiver may know either. 1 to 16.
	Keys []Key
}

// sign adds the headers that sign body as message id at now.
func (s *Signing) sign(h http.Header, id string, now time.Time, body []byte) error {
	if len(s.Keys) == 0 || len(s.Keys) > signingKeysMax {
		return errors.New("a request is signed with 1 to 16 keys")
	}
	timestamp := strconv.FormatInt(now.Unix(), 10)
	content := signedContent(id, timestamp, body)
	var all []byte
	for i, key := range s.Keys {
		if i > 0 {
			all = append(all, ' ')
		}
		switch {
		case key.secret != nil:
			all = append(all, "v1,"...)
			all = base64.StdEncoding.AppendEncode(all, mac(key.secret, content))
		case key.private != nil:
			all = append(all, "v1a,"...)
			all = base64.StdEncoding.AppendEncode(all, ed25519.Sign(key.private, content))
		default:
			return errors.New("a public key cannot sign")
		}
	}
	h[idHeader], h[timestampHeader], h[signatureHeader] = []string{id}, []string{timestamp}, []string{string(all)}
	return nil
}

// Sign returns the three headers that sign body as message id at now. It is
// what a Client does with each request that has a Signing.
func (s *Signing) Sign(id string, now time.Time, body []byte) (http.Header, error) {
	h := make(http.Header, 3)
	return h, s.sign(h, id, now, body)
}

// Verify says whether header signs body with one of keys, at a time that is
// within SigningTolerance of now: nil if so. It takes as long for any signature
// of the right length, and the error says nothing that would help to find one.
func Verify(keys []Key, header http.Header, body []byte, now time.Time) error {
	id, timestamp := header.Get(idHeader), header.Get(timestampHeader)
	if id == "" || timestamp == "" || header.Get(signatureHeader) == "" {
		return errors.New("a header is missing: webhook-id, webhook-timestamp or webhook-signature")
	}
	seconds, err := strconv.ParseInt(timestamp, 10, 64)
	if err != nil {
		return errors.New("webhook-timestamp is not a number of seconds")
	}
	// Compared as seconds: a duration of any two times does not fit.
	if n, tolerance := now.Unix(), int64(SigningTolerance/time.Second); seconds < n-tolerance || seconds > n+tolerance {
		return errors.New("webhook-timestamp is too far from now")
	}
	content := signedContent(id, timestamp, body)
	rest := header.Get(signatureHeader)
	for range signingKeysMax {
		var one string
		one, rest, _ = strings.Cut(rest, " ")
		version, encoded, _ := strings.Cut(one, ",")
		signature, err := base64.StdEncoding.DecodeString(encoded)
		if err == nil && verified(keys, version, signature, content) {
			return nil
		}
		if rest == "" {
			break
		}
	}
	return errors.New("no signature is that of a known key")
}

func verified(keys []Key, version string, signature, content []byte) bool {
	for _, key := range keys {
		switch {
		case version == "v1" && key.secret != nil:
			if hmac.Equal(mac(key.secret, content), signature) {
				return true
			}
		case version == "v1a" && key.public != nil:
			if len(signature) == ed25519.SignatureSize && ed25519.Verify(key.public, content, signature) {
				return true
			}
		}
	}
	return false
}

// signedContent is what is signed: id, time and body, with dots between.
func signedContent(id, timestamp string, body []byte) []byte {
	content := make([]byte, 0, len(id)+len(timestamp)+len(body)+2)
	content = append(append(content, id...), '.')
	content = append(append(content, timestamp...), '.')
	return append(content, body...)
}

func mac(secret, content []byte) []byte {
	h := hmac.New(sha256.New, secret)
	h.Write(content)
	return h.Sum(nil)
}
