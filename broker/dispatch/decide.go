package dispatch

import (
	"time"

	"github.com/seed567880c8/turnout/sinks"
)

// Backoff returns how long to wait after the given attempt, counted from 1, has
// failed: full jitter over one second, doubled with each attempt up to 15
// minutes. random is in [0, 1).
//
// With full jitter the mean wait is half the bound, so AWS's 185 retries take
// 22 hours on average, nearly all of AWS's default maximum age of 24 hours.
// AWS publishes neither bound.
func Backoff(attempt int, random float64) time.Duration {
	bound := backoffMax
	if attempt <= backoffDoublings {
		bound = time.Second << max(attempt-1, 0)
	}
	return time.Duration(random * float64(bound))
}

const (
	backoffMax       = 15 * time.Minute
	backoffDoublings = 10 // 1 s to 512 s
)

// class says what an attempt tells of its endpoint.
type class uint8

const (
	classGood    class = iota // it took the delivery
	classRefused              // it works, but will not have this delivery
	classTrouble              // it does not work, or asks for less
)

// classify reads an attempt's result. What is permanent for one delivery, such
// as HTTP 400, is an answer of an endpoint that works.
func classify(r *sinks.Result) class {
	switch {
	case r.Failure == nil:
		return classGood
	case r.Failure.Permanent && r.Status < 500 && r.Status != 429:
		return classRefused
	}
	return classTrouble
}

// AWS's values of EXHAUSTED_RETRY_CONDITION.
const (
	exhaustedAttempts = "MaximumRetryAttempts"
	exhaustedAge      = "MaximumEventAgeInSeconds"
)

// verdict is what becomes of a delivery.
type verdict struct {
	act       act
	after     time.Duration // with actReturn and actPostpone
	exhausted string        // with actBury: which retry condition ended it, "" for none
}

// act is what is done with a delivery.
type act uint8

const (
	actDone     act = iota // remove it
	actReturn              // attempt it again later
	actPostpone            // as if it had not been taken
	actBury                // to the dead-letter queue
)

// limits bound the attempts of one delivery.
type limits struct {
	retriesMax int
	deadline   time.Time
	backoff    func(attempt int, random float64) time.Duration // nil: Backoff
}

// decide says what becomes of a delivery after an attempt, counted from 1. A
// retry waits for the backoff or for as long as the endpoint asks, whichever is
// longer, but not beyond the deadline: there the delivery is exhausted.
func decide(l limits, attempt int, r *sinks.Result, now time.Time, random float64) verdict {
	switch {
	case r.Failure == nil:
		return verdict{act: actDone}
	case r.Failure.Permanent:
		return verdict{act: actBury}
	case attempt > l.retriesMax:
		return verdict{act: actBury, exhausted: exhaustedAttempts}
	case !now.Before(l.deadline):
		return verdict{act: actBury, exhausted: exhaustedAge}
	}
	backoff := l.backoff
	if backoff == nil {
		backoff = Backoff
	}
	after := max(backoff(attempt, random), r.RetryAfter, 0)
	return verdict{act: actReturn, after: min(after, l.deadline.Sub(now))}
}
