package topics

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/broker/dispatch"
	"github.com/seed567880c8/turnout/broker/topics/deliverypolicy"
	"github.com/seed567880c8/turnout/internal/partition"
	"github.com/seed567880c8/turnout/internal/store"
	"github.com/seed567880c8/turnout/sinks/notification"
)

// A confirmation token is, in hex: a version byte, the end of its life (ms6),
// the id of the subscription (16 bytes), and an HMAC-SHA256 of these under a
// secret that lives as long as the data directory. So tokens need no storage,
// nobody can make one, and one is for one subscription and time only.
const (
	tokenVersion   = 1
	tokenHeadBytes = 1 + 6 + 16
	tokenBytes     = tokenHeadBytes + sha256.Size
	secretBytes    = 32
)

func (t *Topics) token(subscriptionID string, expires time.Time) (string, error) {
	id, err := uuidBytes(subscriptionID)
	if err != nil {
		return "", err
	}
	b := append6([]byte{tokenVersion}, expires.UnixMilli())
	b = append(b, id[:]...)
	return hex.EncodeToString(append(b, t.mac(b)...)), nil
}

func (t *Topics) mac(b []byte) []byte {
	h := hmac.New(sha256.New, t.secret)
	h.Write(b)
	return h.Sum(nil)
}

// errToken is AWS's error for a token that has the right form, but is not one.
func errToken() error { return invalid("Token") }

// readToken returns the id of the subscription that a token is for.
func (t *Topics) readToken(token string, now time.Time) (subscriptionID string, err error) {
	b, err := hex.DecodeString(token)
	if err != nil || len(b) != tokenBytes {
		return "", turnout.Errorf(turnout.CodeInvalidParameter, "Invalid token")
	}
	if !hmac.Equal(t.mac(b[:tokenHeadBytes]), b[tokenHeadBytes:]) || b[0] != tokenVersion || now.UnixMilli() >= read6(b[1:]) {
		return "", errToken()
	}
	return turnout.UUID([16]byte(b[7:])), nil
}

// uuidBytes returns what a UUID's text stands for.
func uuidBytes(text string) (id [16]byte, err error) {
	if len(text) != 36 {
		return id, fmt.Errorf("topics: %q is not a UUID", text)
	}
	digits := text[:8] + text[9:13] + text[14:18] + text[19:23] + text[24:]
	if _, err := hex.Decode(id[:], []byte(digits)); err != nil {
		return id, fmt.Errorf("topics: %q is not a UUID", text)
	}
	return id, nil
}

// loadSecret reads or makes the secret.
func (t *Topics) loadSecret() error {
	secret, err := t.store.Get(nil, plainKey(kindSecret))
	switch {
	case errors.Is(err, store.ErrNotFound):
		t.secret = make([]byte, secretBytes)
		if _, err := io.ReadFull(t.cfg.Random, t.secret); err != nil {
			return fmt.Errorf("make a secret: %w", err)
		}
		t.newSecret = true
		return nil
	case err != nil:
		return err
	case len(secret) != secretBytes:
		return fmt.Errorf("the stored secret has %d bytes, not %d", len(secret), secretBytes)
	}
	t.secret = secret
	return nil
}

// confirmation returns a confirmation message for a subscription, signed, in
// its stored form.
func (t *Topics) confirmation(s *subscription, v *View, kind notification.Kind) ([]byte, error) {
	now := t.loop.Now()
	id, err := t.newUUID()
	if err != nil {
		return nil, err
	}
	token, err := t.token(s.ID, now.Add(t.cfg.TokenLife))
	if err != nil {
		return nil, err
	}
	m := &notification.Message{
		Kind: kind, ID: turnout.UUID(id), TopicARN: v.arn, At: now, Token: token, BaseURL: t.cfg.BaseURL(),
		SignatureVersion: v.signatureVersion(),
		Bodies:           []notification.Body{{Text: notification.ConfirmationText(kind, v.arn, s.arn)}},
	}
	if err := t.sign(m, &m.Bodies[0]); err != nil {
		return nil, err
	}
	return m.Append(nil), nil
}

func (v *View) signatureVersion() byte {
	if v.settings.Attributes.SignatureVersion == "2" {
		return 2
	}
	return 1
}

// sendConfirmation hands a confirmation to the dispatch engine. AWS tries it
// like any other message; what cannot be delivered is not a dead letter.
func (t *Topics) sendConfirmation(tx *partition.Tx, s *subscription, stored []byte) error {
	m, err := notification.Parse(stored)
	if err != nil {
		return err
	}
	return t.dispatch.Enqueue(tx, dispatch.Delivery{
		Endpoint: s.arn, EventID: m.ID, Body: stored,
		RetriesMax: deliverypolicy.DefaultRetry().Retries, AgeMax: httpAgeMax,
	})
}

// ConfirmSubscription confirms a pending subscription by the token that its
// endpoint was sent, or restores a removed one; what is confirmed already stays
// so. With authenticateOnUnsubscribe only an authenticated request should be
// let end it; as AWS allows that only to authenticated callers, it also makes
// the confirmation an authenticated one.
//
// It is CodeInvalidParameter, with AWS's texts, for a token that is malformed,
// expired, unknown, or of another topic that exists.
func (t *Topics) ConfirmSubscription(_ context.Context, name turnout.TopicName, token string, authenticateOnUnsubscribe bool) (turnout.Subscription, error) {
	id, err := t.readToken(token, t.loop.Now())
	if err != nil {
		return turnout.Subscription{}, err
	}
	var confirmed *subscription
	err = t.loop.Do(func(tx *partition.Tx) error {
		found, ok := t.byID.Load(id)
		if !ok {
			return errToken()
		}
		s := found.(*subscription)
		if s.Topic != name && (t.find(name) != nil || s.Topic.Scope != name.Scope) || s.topic.view.Load().gone {
			return errToken()
		}
		if confirmed = s; s.state != live {
			confirmed = t.confirm(tx, s, authenticateOnUnsubscribe)
		}
		return nil
	})
	if err != nil {
		return turnout.Subscription{}, err
	}
	return t.describe(confirmed), nil
}

// confirm makes a pending or removed subscription live, and returns it, or the
// one that has taken its place.
func (t *Topics) confirm(tx *partition.Tx, s *subscription, authenticated bool) *subscription {
	p := s.topic
	if there := p.all[identity(s.Protocol, s.Endpoint)]; there != nil && there.ID != s.ID {
		if there.state == live {
			return there
		}
		t.remove(tx, there) // the endpoint has confirmed the other one
	}
	c := *s
	c.state, c.until, c.Pending = live, time.Time{}, false
	c.ConfirmedWithCredentials = authenticated
	c.AuthenticateOnUnsubscribe = authenticated
	next := p.view.Load().next()
	if s.state == pending {
		next.pending--
	} else {
		t.stats.subscriptions.Add(1)
	}
	next.confirmed++
	p.all[identity(c.Protocol, c.Endpoint)] = &c
	t.put(tx, &c)
	if !t.startReplay(tx, p, &c) {
		next.add(&c)
	}
	p.publish(next)
	return &c
}
