package dispatch

import "time"

// concurrency adapts how many attempts at one endpoint run at once: one more
// after each round of successes that used all of it, half after trouble.
type concurrency struct {
	limit     int
	good      int       // successes of this round
	saturated bool      // all of the limit was in use this round
	cut       time.Time // of the last halving
}

const (
	concurrencyStart = 8
	concurrencyMax   = 64
)

func newConcurrency() concurrency { return concurrency{limit: concurrencyStart} }

// finished notes an attempt. Trouble that began before the last halving is the
// same trouble: the attempts of one round halve the limit once.
func (c *concurrency) finished(what class, began, now time.Time) {
	switch what {
	case classTrouble:
		if !began.Before(c.cut) {
			c.limit, c.cut = max(c.limit/2, 1), now
			c.good, c.saturated = 0, false
		}
	case classGood, classRefused:
		if c.good++; c.good >= c.limit {
			if c.saturated {
				c.limit = min(c.limit+1, concurrencyMax)
			}
			c.good, c.saturated = 0, false
		}
	}
}

// pace lets so many attempts a second begin. The zero value lets all.
type pace struct {
	rate   float64 // a second; 0 is no bound
	tokens float64
	at     time.Time // of tokens
}

// burst is how many may begin at once: a fiftieth of a second's, for a runner
// cannot wake for each attempt at a high rate. The tokens come that much slower,
// so that no second sees more than the rate.
func (p *pace) burst() float64 { return max(1, p.rate/50) }

func (p *pace) perSecond() float64 {
	if p.rate < 50 {
		return p.rate
	}
	return p.rate - p.burst()
}

// set changes the rate.
func (p *pace) set(now time.Time, rate float64) {
	if rate == p.rate {
		return
	}
	if p.rate == 0 {
		p.tokens, p.at = 1, now
	}
	p.fill(now)
	p.rate = rate
	p.tokens = min(p.tokens, p.burst())
}

func (p *pace) fill(now time.Time) {
	if now.After(p.at) {
		p.tokens = min(p.tokens+now.Sub(p.at).Seconds()*p.perSecond(), p.burst())
		p.at = now
	}
}

// take reports whether an attempt may begin now, and counts it.
func (p *pace) take(now time.Time) bool {
	if p.rate == 0 {
		return true
	}
	if p.fill(now); p.tokens < 1-tokenSlack {
		return false
	}
	p.tokens--
	return true
}

// tokenSlack keeps rounding from making an attempt wait for a whole millisecond more.
const tokenSlack = 1e-6

// wait returns how long it takes until the next attempt may begin.
func (p *pace) wait(now time.Time) time.Duration {
	if p.rate == 0 {
		return 0
	}
	p.fill(now)
	return secondsOf(max(0, 1-p.tokens) / p.perSecond())
}

// within returns how many may begin until so much time has passed.
func (p *pace) within(now time.Time, d time.Duration) int {
	p.fill(now)
	return int(p.tokens + d.Seconds()*p.perSecond())
}

func secondsOf(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// budget bounds retries to a share of first attempts, so that an endpoint in
// trouble is not buried under repetitions. A retry that succeeds was no burden
// and is given back. An endpoint with little traffic gets a few all the same.
type budget struct {
	tokens float64
	at     time.Time
}

const (
	budgetShare = 0.2 // retries for each first attempt
	budgetMax   = 100
	budgetFloor = 10 // retries that are there without first attempts …
	floorEvery  = time.Second
)

func newBudget(now time.Time) budget { return budget{tokens: budgetFloor, at: now} }

func (b *budget) fill(now time.Time) {
	if !now.After(b.at) {
		return
	}
	if b.tokens < budgetFloor { // … and come back one a second
		b.tokens = min(b.tokens+now.Sub(b.at).Seconds()/floorEvery.Seconds(), budgetFloor)
	}
	b.at = now
}

// available returns how many retries may be made now.
func (b *budget) available(now time.Time) int {
	b.fill(now)
	return int(b.tokens + tokenSlack)
}

// wait returns how long it takes until a retry may be made.
func (b *budget) wait(now time.Time) time.Duration {
	b.fill(now)
	return secondsOf(max(0, 1-b.tokens) * floorEvery.Seconds())
}

// first counts a first attempt, spend a retry, refund one that succeeded or was not made.
func (b *budget) first()  { b.tokens = max(b.tokens, min(b.tokens+budgetShare, budgetMax)) }
func (b *budget) spend()  { b.tokens = max(b.tokens-1, 0) }
func (b *budget) refund() { b.tokens = max(b.tokens, min(b.tokens+1, budgetMax)) }
