// Package secret keeps secrets apart from everything else: sealed where they
// are stored, and unprintable where they are used.
//
// It knows nothing of what the secrets are for. Start with Keyring in
// keyring.go; Text in text.go is what a secret is while it is in memory.
package secret
