package topics

import (
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/seed567880c8/turnout/broker/topics/deliverypolicy"
	"github.com/seed567880c8/turnout/internal/partition"
	"github.com/seed567880c8/turnout/internal/store"
	"github.com/seed567880c8/turnout/sinks/notification"
)

// signing is the key that messages are signed with. Making it takes a good part
// of a second, so it is made when the first message needs it, on that one's
// goroutine; others that need it meanwhile wait. Once made it is stored.
type signing struct {
	loaded atomic.Pointer[notification.Signer]
	making chan struct{} // capacity 1: holds a token while nobody makes the key
}

func newSigning() signing {
	making := make(chan struct{}, 1)
	making <- struct{}{}
	return signing{making: making}
}

// signer returns the key.
func (t *Topics) signer() (*notification.Signer, error) {
	if s := t.signing.loaded.Load(); s != nil {
		return s, nil
	}
	<-t.signing.making
	defer func() { t.signing.making <- struct{}{} }()
	if s := t.signing.loaded.Load(); s != nil {
		return s, nil
	}
	s, err := notification.NewSigner(t.cfg.Random, t.loop.Now())
	if err != nil {
		return nil, err
	}
	text, err := s.Marshal()
	if err != nil {
		return nil, err
	}
	err = t.loop.Do(func(tx *partition.Tx) error {
		tx.Batch.Set(plainKey(kindKey), text)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("store the signing key: %w", err)
	}
	t.signing.loaded.Store(s)
	return s, nil
}

// loadSigner reads the key, if it was made and none is given.
func (t *Topics) loadSigner() error {
	if t.signing.loaded.Load() != nil {
		return nil
	}
	text, err := t.store.Get(nil, plainKey(kindKey))
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	s, err := notification.ParseSigner(text)
	t.signing.loaded.Store(s)
	return err
}

// Certificate returns the certificate that messages' signatures are verified
// with, PEM. It must be served at every path
// /SimpleNotificationService-….pem. It is nil if the key cannot be made, which
// the log then says.
func (t *Topics) Certificate() []byte {
	s, err := t.signer()
	if err != nil {
		t.warn("signing key cannot be made", err)
		return nil
	}
	return s.Certificate()
}

// sign signs a body of a message that is not a FIFO topic's.
func (t *Topics) sign(m *notification.Message, b *notification.Body) error {
	s, err := t.signer()
	if err != nil {
		return err
	}
	return s.Sign(m, b)
}

// receiver returns what a notification for a subscription has to know of it.
func (t *Topics) receiver(subscriptionARN string) notification.Receiver {
	r := notification.Receiver{SubscriptionARN: subscriptionARN, BaseURL: t.cfg.BaseURL()}
	if s := t.signing.loaded.Load(); s != nil {
		r.CertificateURL = r.BaseURL + s.CertificatePath()
	}
	return r
}

// contentType is what the policy asks for, or AWS's default.
func contentType(p *deliverypolicy.Policy) string {
	if p.ContentType == "" {
		return deliverypolicy.DefaultContentType
	}
	return p.ContentType
}
