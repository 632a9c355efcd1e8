package deliverypolicy

import (
	"math"
	"time"
)

// Backoff is how delays grow in the backoff phase, in AWS's words.
type Backoff string

// The backoff functions.
const (
	Linear      Backoff = "linear"
	Arithmetic  Backoff = "arithmetic"
	Geometric   Backoff = "geometric"
	Exponential Backoff = "exponential"
)

// Retry says when a failed delivery is tried again: NoDelay times at once,
// then MinDelayRetries times after MinDelay, then with a delay that grows from
// MinDelay to MaxDelay, at last MaxDelayRetries times after MaxDelay. Retries
// is the sum of the four phases.
// https://docs.aws.amazon.com/sns/latest/dg/sns-message-delivery-retries.html
type Retry struct {
	MinDelay, MaxDelay time.Duration // whole seconds, up to an hour
	Retries            int
	NoDelay            int
	MinDelayRetries    int
	MaxDelayRetries    int
	Backoff            Backoff
}

// DefaultRetry returns what AWS uses for HTTP endpoints without a policy:
// three retries, 20 s apart.
func DefaultRetry() Retry {
	return Retry{MinDelay: 20 * time.Second, MaxDelay: 20 * time.Second, Retries: 3, Backoff: Linear}
}

// ManagedRetry returns what AWS uses for its own endpoints, such as functions:
// 100,015 retries over 23 days.
func ManagedRetry() Retry {
	return Retry{
		MinDelay: time.Second, MaxDelay: 20 * time.Second, Retries: 100_015,
		NoDelay: 3, MinDelayRetries: 2, MaxDelayRetries: 100_000, Backoff: Exponential,
	}
}

// Delay returns how long to wait before the n-th retry, counted from 1.
func (r Retry) Delay(n int) time.Duration {
	n -= r.NoDelay
	if n <= 0 {
		return 0
	}
	n -= r.MinDelayRetries
	if n <= 0 {
		return r.MinDelay
	}
	growing := r.Retries - r.NoDelay - r.MinDelayRetries - r.MaxDelayRetries
	if n >= growing {
		return r.MaxDelay
	}
	// 1 ≤ n < growing: the first of this phase waits MinDelay, the last MaxDelay.
	return r.MinDelay + time.Duration(r.share(float64(n-1), float64(growing-1))*float64(r.MaxDelay-r.MinDelay)).Round(time.Millisecond)
}

// share returns how far step i of n is from the least delay to the greatest,
// from 0 to 1. AWS names the functions and draws them, without formulas: linear
// delays grow by the same amount each time, arithmetic ones by an amount that
// grows evenly, geometric ones by the same factor, exponential ones by twice as
// much as the time before.
func (r Retry) share(i, n float64) float64 {
	switch r.Backoff {
	case Arithmetic:
		return i * (i + 1) / (n * (n + 1))
	case Geometric:
		low, high := r.MinDelay.Seconds(), r.MaxDelay.Seconds()
		if low <= 0 || high <= low {
			return i / n
		}
		return (low*math.Pow(high/low, i/n) - low) / (high - low)
	case Exponential:
		return math.Expm1(i*math.Ln2) / math.Expm1(n*math.Ln2)
	default:
		return i / n
	}
}

// total returns the time from the first attempt to the last retry.
func (r Retry) total() time.Duration {
	var sum time.Duration
	for n := range r.Retries {
		sum += r.Delay(n + 1)
	}
	return sum
}
