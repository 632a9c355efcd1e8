package topics_test

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha1" //nolint:gosec // signature version 1 of SNS
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"slices"
	"strings"
)

// verify checks a message's signature as receivers do, by AWS's description:
// https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html
func verify(body, certificate string) error {
	var m map[string]any
	if err := json.Unmarshal([]byte(body), &m); err != nil {
		return err
	}
	names := []string{"Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"}
	if m["Type"] != "Notification" {
		names = []string{"Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"}
	}
	var text strings.Builder
	for _, name := range slices.Sorted(slices.Values(names)) {
		if value, ok := m[name]; ok {
			_, _ = fmt.Fprintf(&text, "%s\n%s\n", name, value)
		}
	}
	signature, err := base64.StdEncoding.DecodeString(m["Signature"].(string))
	if err != nil {
		return err
	}
	block, _ := pem.Decode([]byte(certificate))
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return err
	}
	key := c.PublicKey.(*rsa.PublicKey)
	if m["SignatureVersion"] == "2" {
		sum := sha256.Sum256([]byte(text.String()))
		return rsa.VerifyPKCS1v15(key, crypto.SHA256, sum[:], signature)
	}
	sum := sha1.Sum([]byte(text.String())) //nolint:gosec // see the import
	return rsa.VerifyPKCS1v15(key, crypto.SHA1, sum[:], signature)
}
