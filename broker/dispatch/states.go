package dispatch

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/internal/partition"
)

// state is what is stored of an endpoint in trouble, so that a restart does not
// forget it; of all others nothing is. Times are Unix ms.
type state struct {
	DisabledAt   int64   `json:"disabled_at,omitempty"` // 0: it is not
	Reason       string  `json:"reason,omitempty"`      // why it is disabled
	FailingSince int64   `json:"failing_since,omitempty"`
	Open         bool    `json:"open,omitempty"`     // it is not called
	Normal       float64 `json:"normal,omitempty"`   // attempts a second before the trouble, 0 is unknown
	Announce     string  `json:"announce,omitempty"` // detail type of an event still to be published
}

// The detail types of what is announced.
const (
	announceDisabled = "Endpoint Disabled"
	announceEnabled  = "Endpoint Enabled"
)

// failingNoted is how long an endpoint fails before that is worth a write.
const failingNoted = time.Minute

func stateKey(arn string) []byte {
	return append([]byte{prefixDispatch, kindEndpoint}, arn...)
}

// wanted returns the state to be stored. The caller holds mu.
func (ep *endpoint) wanted(now time.Time) state {
	h := &ep.health
	s := state{Announce: ep.announce}
	if h.disable {
		s.DisabledAt, s.Reason = ep.disabledAt, ep.reason
	}
	trouble := h.phase != phaseActive || h.recovering
	if trouble {
		s.Open, s.Normal = h.phase != phaseActive, h.ceiling
	}
	if !h.failingSince.IsZero() && (trouble || now.Sub(h.failingSince) >= failingNoted) {
		s.FailingSince = h.failingSince.UnixMilli()
	}
	return s
}

// stateChanged reports whether a state is to be stored. The caller holds mu.
func (ep *endpoint) stateChanged(now time.Time) bool { return ep.wanted(now) != ep.stored }

// storeState stores the endpoint's state if it has changed, on the loop.
func (ep *endpoint) storeState(tx *partition.Tx) {
	ep.mu.Lock()
	defer ep.mu.Unlock()
	s := ep.wanted(tx.Now)
	if s == ep.stored {
		return
	}
	if s.Announce != "" && s.Announce != ep.stored.Announce {
		a := ep.announcement(tx.Now)
		tx.OnDurable(func() { ep.d.announce(a) })
	}
	ep.stored = s
	if s == (state{}) {
		tx.Batch.Delete(stateKey(ep.arn))
		return
	}
	value, err := json.Marshal(s)
	if err != nil {
		panic(fmt.Sprintf("dispatch: encode the state of an endpoint: %v", err)) // plain data cannot fail
	}
	tx.Batch.Set(stateKey(ep.arn), value)
}

func (d *Dispatcher) loadStates() error {
	pairs, failed := d.store.Scan([]byte{prefixDispatch, kindEndpoint}, []byte{prefixDispatch, kindEndpoint + 1})
	now := d.loop.Now()
	for key, value := range pairs {
		var s state
		if err := json.Unmarshal(value, &s); err != nil {
			return fmt.Errorf("state of endpoint %s: %w", key[2:], err)
		}
		ep := d.endpoint(string(key[2:]))
		ep.restore(s, now)
		if s.Announce != "" {
			d.tell = append(d.tell, ep.announcement(now))
		}
	}
	return failed()
}

// restore continues from s: an endpoint that was not called is probed first.
func (ep *endpoint) restore(s state, now time.Time) {
	ep.stored, ep.announce, ep.disabledAt, ep.reason = s, s.Announce, s.DisabledAt, s.Reason
	h := &ep.health
	h.ceiling = s.Normal
	if s.FailingSince != 0 {
		h.failingSince = time.UnixMilli(s.FailingSince).UTC()
	}
	switch {
	case s.DisabledAt != 0 || s.Open:
		h.disable, h.phase, h.until = s.DisabledAt != 0, phaseOpen, now
		h.openFor = openFirst
	case s.Normal > 0:
		h.recover(now)
	}
}

// disableIfHopeless disables an endpoint that asked for no more deliveries, or
// failed for too long; and notes that a disabled one works again. The caller holds mu.
func (ep *endpoint) disableIfHopeless(j *job, now time.Time) {
	h, f := &ep.health, j.result.Failure
	switch {
	case f == nil:
		if ep.disabledAt != 0 && !h.disable {
			ep.enabled()
		}
		return
	case h.disable:
		return
	case f.Gone:
		ep.reason = "the endpoint answered that it is gone and wants no further deliveries."
	case now.Sub(h.failingSince) >= ep.d.cfg.DisableAfter:
		ep.reason = fmt.Sprintf("every attempt has failed since %s. The last error: %s", h.failingSince.Format(time.RFC3339), f.Message)
	default:
		return
	}
	ep.disabledAt = now.UnixMilli()
	h.disabled(now)
	ep.say(announceDisabled)
}

// enabled notes that the endpoint is no longer disabled. The caller holds mu.
func (ep *endpoint) enabled() {
	ep.disabledAt, ep.reason = 0, ""
	ep.say(announceEnabled)
}

func (ep *endpoint) say(detailType string) {
	if ep.d.cfg.Announce != nil {
		ep.announce = detailType
	}
}

// Enable has an endpoint that was disabled called again: with one delivery
// first, and if that succeeds with all that wait. One that is not disabled
// stays as it is. When Enable returns this is durable. It has no errors but
// CodeThrottled and CodeUnavailable.
func (d *Dispatcher) Enable(_ context.Context, arn string) error {
	return d.loop.Do(func(tx *partition.Tx) error {
		d.mu.Lock()
		ep := d.known[arn]
		d.mu.Unlock()
		if ep == nil {
			return nil
		}
		ep.mu.Lock()
		if disabled := ep.health.disable; disabled {
			ep.health.enable(tx.Now)
			ep.enabled()
		}
		ep.mu.Unlock()
		ep.storeState(tx)
		tx.OnDurable(ep.wake)
		return nil
	})
}

// announcement is an event that is to be published.
type announcement struct {
	ep         *endpoint
	detailType string
	entry      turnout.EventEntry
}

// announcement returns what is to be announced. The caller holds mu, or nobody else knows ep.
func (ep *endpoint) announcement(now time.Time) announcement {
	detail := struct {
		Endpoint   string `json:"endpoint"`
		DisabledAt string `json:"disabled-at,omitempty"`
		Reason     string `json:"reason,omitempty"`
	}{Endpoint: ep.arn, Reason: ep.reason}
	if ep.disabledAt != 0 {
		detail.DisabledAt = time.UnixMilli(ep.disabledAt).UTC().Format(time.RFC3339)
	}
	text, err := json.Marshal(detail)
	if err != nil {
		panic(fmt.Sprintf("dispatch: encode an announcement: %v", err)) // plain data cannot fail
	}
	arn, _ := turnout.ParseARN(ep.arn)
	return announcement{ep: ep, detailType: ep.announce, entry: turnout.EventEntry{
		Bus:    turnout.BusName{Scope: arn.Scope(), Name: turnout.DefaultBus},
		Source: "turnout", DetailType: ep.announce, Detail: text, Resources: []string{ep.arn}, Time: now,
	}}
}

func (d *Dispatcher) announce(a announcement) {
	d.mu.Lock()
	d.tell = append(d.tell, a)
	d.mu.Unlock()
	d.poke()
}

// publish announces a, again and again until it succeeds, and notes that it did.
func (d *Dispatcher) publish(ctx context.Context, a announcement) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for pause := time.Second; ; pause = min(pause*2, time.Minute) {
		select {
		case <-timer.C:
		case <-ctx.Done():
			return // it is stored, and announced after the restart
		}
		if d.cfg.Announce == nil || d.cfg.Announce(ctx, a.entry) == nil {
			break
		}
		timer.Reset(pause)
	}
	// An error means that the server is stopping: then it is announced again.
	_ = d.loop.Do(func(tx *partition.Tx) error {
		a.ep.mu.Lock()
		if a.ep.announce == a.detailType {
			a.ep.announce = ""
		}
		a.ep.mu.Unlock()
		a.ep.storeState(tx)
		return nil
	})
}

// EndpointPhase says how an endpoint is called.
type EndpointPhase string

// The phases of an endpoint.
const (
	EndpointActive     EndpointPhase = "active"     // as its limits allow
	EndpointRecovering EndpointPhase = "recovering" // slower than usual, after trouble
	EndpointOpen       EndpointPhase = "open"       // not at all, until Until
	EndpointProbing    EndpointPhase = "probing"    // with one delivery
	EndpointDisabled   EndpointPhase = "disabled"   // not at all, but for a probe each hour
)

// EndpointState describes an endpoint at one instant.
type EndpointState struct {
	Endpoint     string // ARN
	Phase        EndpointPhase
	Waiting      int64     // deliveries that have not ended, under way or not
	Running      int       // attempts under way
	RunningMax   int       // how many may be
	PerSecond    float64   // attempts that may begin in a second now, 0 is no bound
	NormalRate   float64   // attempts a second before the trouble, 0 is unknown or no trouble
	Until        time.Time // with EndpointOpen and EndpointDisabled: the next probe
	FailingSince time.Time // zero: the last attempt succeeded
	DisabledAt   time.Time // with EndpointDisabled
	Reason       string    // with EndpointDisabled: why
	LastError    string    // of the newest attempt that failed since the start, "" is none
}

// EndpointStates describes every endpoint that has deliveries or was called
// since the start, sorted by ARN. It costs one operation on the loop.
func (d *Dispatcher) EndpointStates(context.Context) ([]EndpointState, error) {
	waiting := make(map[string]int64)
	err := d.loop.Do(func(tx *partition.Tx) error {
		for name, n := range d.queues.InternalQueues(tx) {
			if name.Account == account {
				waiting[name.Name] += n
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	var all []EndpointState
	for _, ep := range d.all() {
		s := ep.describe()
		s.Waiting = waiting[s.Endpoint]
		delete(waiting, s.Endpoint)
		all = append(all, s)
	}
	for arn, n := range waiting {
		all = append(all, EndpointState{Endpoint: arn, Phase: EndpointActive, Waiting: n, RunningMax: concurrencyStart})
	}
	slices.SortFunc(all, func(a, b EndpointState) int { return strings.Compare(a.Endpoint, b.Endpoint) })
	return all, nil
}

// all returns every endpoint that is known.
func (d *Dispatcher) all() []*endpoint {
	d.mu.Lock()
	defer d.mu.Unlock()
	all := make([]*endpoint, 0, len(d.known))
	for _, ep := range d.known {
		all = append(all, ep)
	}
	return all
}

func (ep *endpoint) describe() EndpointState {
	ep.mu.Lock()
	defer ep.mu.Unlock()
	h := &ep.health
	s := EndpointState{
		Endpoint: ep.arn, Phase: ep.phase(), Running: ep.running, RunningMax: ep.conc.limit,
		PerSecond: ep.rate(), NormalRate: h.ceiling, FailingSince: h.failingSince,
	}
	if h.phase == phaseOpen {
		s.Until = h.until
	}
	if h.disable {
		s.DisabledAt, s.Reason = time.UnixMilli(ep.disabledAt).UTC(), ep.reason
	}
	if ep.last != nil {
		s.LastError = ep.last.Code + ": " + ep.last.Message
	}
	return s
}

// phase returns the endpoint's phase in words. The caller holds mu.
func (ep *endpoint) phase() EndpointPhase {
	switch h := &ep.health; {
	case h.disable:
		return EndpointDisabled
	case h.phase == phaseOpen:
		return EndpointOpen
	case h.phase == phaseProbing:
		return EndpointProbing
	case h.recovering:
		return EndpointRecovering
	}
	return EndpointActive
}
