package dispatch

import "time"

// phase says whether an endpoint is called.
type phase uint8

const (
	phaseActive  phase = iota // it is
	phaseOpen                 // it is not, until a probe is due
	phaseProbing              // with one delivery, to see whether it works again
)

// The circuit breaker.
const (
	samplesMax   = 64              // outcomes that are looked at: the newest …
	samplesMin   = 10              // fewer say nothing
	sampleWindow = 2 * time.Minute // … of so much time
	failingShare = 0.5             // so much trouble among them opens it
	openFirst    = 30 * time.Second
	openMax      = 5 * time.Minute
	disabledOpen = time.Hour // between the probes of a disabled endpoint
)

// Recovery: how fast an endpoint is called that was in trouble.
const (
	recoveryShare   = 1.15 // of its normal rate, at most; measured it stays below 1.2
	recoveryStart   = 8.0  // attempts a second to begin with, when no normal rate is known
	recoverySlow    = 0.125
	recoveryDouble  = 2 * time.Second
	recoveryRateMax = 20_000 // beyond which there is nothing left to pace
)

// health is the circuit breaker of an endpoint, and how it is called after trouble.
//
// It is active until at least half of the newest attempts, ten at least, were
// trouble. Then it is open for 30 seconds, and probing: one delivery goes out. If
// that fails it opens again, for twice as long, up to 5 minutes. Once it succeeds
// the endpoint recovers: attempts begin slowly and their rate doubles every two
// seconds, up to a little more than the endpoint's normal rate, if that is known.
// Recovery ends when the backlog is gone.
//
// A disabled endpoint is open too, and probed once an hour.
type health struct {
	phase   phase
	disable bool
	until   time.Time // phaseOpen: when to probe
	openFor time.Duration
	round   uint32 // bumped with each change of phase: attempts of an earlier one do not count

	samples samples
	normal  meter // successes while neither in trouble nor recovering

	recovering bool
	ceiling    float64 // attempts a second: the normal rate; 0 is unknown
	rate       float64
	doubled    time.Time

	lastGood     time.Time // zero: none since the start
	failingSince time.Time // zero: the last attempt succeeded, or none failed
}

// tick moves on what depends on the time alone, and reports how many attempts
// may be under way: none, one (a probe), or as many as else allowed (-1).
func (h *health) tick(now time.Time) int {
	if h.phase == phaseOpen && !now.Before(h.until) {
		h.phase = phaseProbing
		h.round++
	}
	switch h.phase {
	case phaseOpen:
		return 0
	case phaseProbing:
		return 1
	default:
	}
	for h.recovering && h.rate < h.most() && now.Sub(h.doubled) >= recoveryDouble {
		h.rate, h.doubled = min(h.rate*2, h.most()), h.doubled.Add(recoveryDouble)
	}
	return -1
}

func (h *health) most() float64 {
	if h.ceiling > 0 {
		return h.ceiling * recoveryShare
	}
	return recoveryRateMax
}

// pace returns how many attempts may begin in a second, 0 for no bound.
func (h *health) pace() float64 {
	if !h.recovering || h.rate >= recoveryRateMax {
		return 0
	}
	return h.rate
}

// finished notes what an attempt came to that began in the given round.
func (h *health) finished(what class, round uint32, now time.Time) {
	if what == classGood {
		h.lastGood, h.failingSince = now, time.Time{}
		if h.phase == phaseActive && !h.recovering {
			h.normal.add(now)
		}
	} else if h.failingSince.IsZero() {
		h.failingSince = now
	}
	if round != h.round {
		return
	}
	switch h.phase {
	case phaseActive:
		h.samples.add(now, what == classTrouble)
		if h.samples.failing(now) {
			h.open(now)
		}
	case phaseProbing:
		if what == classTrouble || h.disable && what != classGood {
			h.open(now)
			return
		}
		h.recover(now)
	case phaseOpen: // attempts that were under way say nothing new
	}
}

// open stops all attempts until the next probe.
func (h *health) open(now time.Time) {
	if !h.recovering && h.phase == phaseActive {
		h.ceiling = h.normal.rate(h.lastGood)
	}
	switch {
	case h.disable:
		h.openFor = disabledOpen
	case h.openFor == 0:
		h.openFor = openFirst
	default:
		h.openFor = min(h.openFor*2, openMax)
	}
	h.phase, h.until = phaseOpen, now.Add(h.openFor)
	h.recovering = false
	h.round++
}

// recover begins to call the endpoint again, slowly.
func (h *health) recover(now time.Time) {
	if h.disable {
		h.openFor = 0
	}
	h.phase, h.disable = phaseActive, false
	h.round++
	h.samples = samples{}
	h.recovering, h.doubled = true, now
	h.rate = recoveryStart
	if h.ceiling > 0 {
		h.rate = min(max(h.ceiling*recoverySlow, 1), h.most())
	}
}

// caughtUp ends recovery: there is no backlog any more.
func (h *health) caughtUp() {
	if h.phase == phaseActive && h.recovering {
		h.recovering, h.openFor, h.ceiling = false, 0, 0
		h.normal = meter{}
	}
}

// disabled stops all attempts but a probe each hour.
func (h *health) disabled(now time.Time) {
	h.disable = true
	h.open(now)
}

// enable has the endpoint probed at once.
func (h *health) enable(now time.Time) {
	h.disable, h.openFor, h.failingSince = false, 0, time.Time{}
	h.phase, h.until = phaseOpen, now
	h.round++
}

// samples are the newest outcomes, in a ring.
type samples struct {
	at      [samplesMax]int64 // Unix ms, negative for trouble
	n, next int
}

func (s *samples) add(now time.Time, trouble bool) {
	at := now.UnixMilli()
	if trouble {
		at = -at
	}
	s.at[s.next] = at
	s.next = (s.next + 1) % samplesMax
	s.n = min(s.n+1, samplesMax)
}

// failing reports whether the samples say that the endpoint is in trouble.
func (s *samples) failing(now time.Time) bool {
	since := now.Add(-sampleWindow).UnixMilli()
	all, trouble := 0, 0
	for _, at := range s.at[:s.n] {
		switch {
		case -at >= since:
			trouble++
			all++
		case at >= since:
			all++
		}
	}
	return all >= samplesMin && float64(trouble) >= failingShare*float64(all)
}

// meter measures a rate over the last minute in which there was something to measure.
type meter struct {
	counts [meterSlots]uint32
	slot   int64     // the newest, in meterStep since 1970
	since  time.Time // of the first count
}

const (
	meterSlots = 12
	meterStep  = 5 * time.Second
)

func (m *meter) add(now time.Time) {
	slot := now.UnixNano() / int64(meterStep)
	if slot-m.slot >= meterSlots {
		*m = meter{slot: slot, since: now}
	}
	for m.slot < slot {
		m.slot++
		m.counts[m.slot%meterSlots] = 0
	}
	m.counts[slot%meterSlots]++
}

// rate returns the counts a second until the given time, that of the last count; 0 without any.
func (m *meter) rate(until time.Time) float64 {
	total := uint32(0)
	for _, n := range m.counts {
		total += n
	}
	if total == 0 {
		return 0
	}
	from := time.Unix(0, (m.slot-meterSlots+1)*int64(meterStep))
	if from.Before(m.since) {
		from = m.since
	}
	return float64(total) / max(until.Sub(from).Seconds(), 1)
}
