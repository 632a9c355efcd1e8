package notification

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1" //nolint:gosec // signature version 1 of SNS is SHA1withRSA
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"time"
)

// keyBits is the size of the signing key, that of AWS's certificates.
const keyBits = 2048

// Signer signs messages as SNS does. It may be used by many goroutines.
type Signer struct {
	key         *rsa.PrivateKey
	certificate []byte // DER
	name        string // of the certificate, in its URL
}

// NewSigner makes a key and a self-signed certificate for it, which takes a
// good part of a second. The certificate never expires for practical purposes:
// what verifies a message must be able to do so when the key is old.
func NewSigner(random io.Reader, now time.Time) (*Signer, error) {
	key, err := rsa.GenerateKey(random, keyBits)
	if err != nil {
		return nil, fmt.Errorf("make a signing key: %w", err)
	}
	return SignerFor(key, random, now)
}

// SignerFor is NewSigner for a key that exists.
func SignerFor(key *rsa.PrivateKey, random io.Reader, now time.Time) (*Signer, error) {
	serial, err := rand.Int(random, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, fmt.Errorf("make a certificate: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber: serial.Add(serial, big.NewInt(1)),
		Subject:      pkix.Name{CommonName: "Turnout message signing"},
		NotBefore:    now.Add(-24 * time.Hour),
		NotAfter:     now.AddDate(50, 0, 0),
		KeyUsage:     x509.KeyUsageDigitalSignature,
	}
	certificate, err := x509.CreateCertificate(random, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, fmt.Errorf("make a certificate: %w", err)
	}
	return newSigner(key, certificate), nil
}

func newSigner(key *rsa.PrivateKey, certificate []byte) *Signer {
	sum := sha256.Sum256(certificate)
	return &Signer{key: key, certificate: certificate, name: hex.EncodeToString(sum[:16])}
}

// Marshal returns the key and the certificate in PEM. It is a secret.
func (s *Signer) Marshal() ([]byte, error) {
	key, err := x509.MarshalPKCS8PrivateKey(s.key)
	if err != nil {
		return nil, fmt.Errorf("encode the signing key: %w", err)
	}
	return append(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}), s.Certificate()...), nil
}

// ParseSigner reads what Marshal returned.
func ParseSigner(text []byte) (*Signer, error) {
	block, rest := pem.Decode(text)
	if block == nil || block.Type != "PRIVATE KEY" {
		return nil, fmt.Errorf("notification: the stored signing key is damaged")
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("notification: the stored signing key is damaged: %w", err)
	}
	key, ok := parsed.(*rsa.PrivateKey)
	block, _ = pem.Decode(rest)
	if !ok || block == nil || block.Type != "CERTIFICATE" {
		return nil, fmt.Errorf("notification: the stored signing key is damaged")
	}
	return newSigner(key, block.Bytes), nil
}

// Certificate returns the certificate in PEM.
func (s *Signer) Certificate() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.certificate})
}

// CertificatePath returns the path at which the certificate must be served,
// of the form that verifiers pin: /SimpleNotificationService-NAME.pem.
func (s *Signer) CertificatePath() string { return "/SimpleNotificationService-" + s.name + ".pem" }

// Sign signs the message with the text of b, by m.SignatureVersion, and puts
// the signature into b.
func (s *Signer) Sign(m *Message, b *Body) error {
	text := SignedText(nil, m, b)
	var err error
	if m.SignatureVersion == 2 {
		sum := sha256.Sum256(text)
		b.Signature, err = rsa.SignPKCS1v15(nil, s.key, crypto.SHA256, sum[:])
	} else {
		sum := sha1.Sum(text) //nolint:gosec // see the import
		b.Signature, err = rsa.SignPKCS1v15(nil, s.key, crypto.SHA1, sum[:])
	}
	if err != nil {
		return fmt.Errorf("sign message %s: %w", m.ID, err)
	}
	return nil
}

// SignedText appends what a signature is over: some of the members by name,
// each name and value on a line of its own.
// https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html
func SignedText(dst []byte, m *Message, b *Body) []byte {
	line := func(name, value string) {
		dst = append(append(dst, name...), '\n')
		dst = append(append(dst, value...), '\n')
	}
	line("Message", b.Text)
	line("MessageId", m.ID)
	if m.Kind != Notification {
		line("SubscribeURL", SubscribeURL(m.BaseURL, m.TopicARN, m.Token))
	} else if m.Subject != nil {
		line("Subject", *m.Subject)
	}
	line("Timestamp", m.At.Format(timeForm))
	if m.Kind != Notification {
		line("Token", m.Token)
	}
	line("TopicArn", m.TopicARN)
	line("Type", m.Kind.String())
	return dst
}
