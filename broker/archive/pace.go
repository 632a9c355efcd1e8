package archive

import "time"

// pacer says when which events may be replayed. It is a pure function of the
// time that it is asked at. It begins anew with each start of the server: what
// was missed while the server was down is not caught up with.
type pacer struct {
	perSecond int     // events; 0 is no bound
	lapse     float64 // the replay's speed; 0 is no bound

	began time.Time // of the first event since the start, by the server's clock
	first int64     // when that was published, Unix ms
	done  int64     // events since the start
}

const (
	// paceBatch is how much of a second is replayed at once, so that a fast
	// rate does not make a batch for each event.
	paceBatch = 20
	// paceStep is the shortest wait.
	paceStep = 5 * time.Millisecond
)

// allow returns how many of n events at hand may be replayed now, at least one
// if wait is zero, and else how long until it should be asked again. at returns when
// event i was published, in Unix ms; it does not fall.
func (p *pacer) allow(now time.Time, n int, at func(i int) int64) (count int, wait time.Duration) {
	if n == 0 {
		return 0, 0
	}
	if p.began.IsZero() {
		p.began, p.first = now, at(0)
	}
	elapsed := now.Sub(p.began)
	count = n
	if p.perSecond > 0 {
		count, wait = p.byRate(elapsed, n)
	}
	if p.lapse > 0 {
		due := 0
		for due < count && p.dueAt(at(due)) <= elapsed {
			due++
		}
		if due == 0 {
			wait = max(wait, p.dueAt(at(0))-elapsed, paceStep)
		}
		count = due
	}
	if count > 0 {
		return count, 0
	}
	return 0, max(wait, paceStep)
}

// byRate allows the first event at once, and each other one its share of time later.
func (p *pacer) byRate(elapsed time.Duration, n int) (count int, wait time.Duration) {
	allowed := 1 + int64(elapsed.Seconds()*float64(p.perSecond)) - p.done
	wanted := min(int64(n), int64(max(1, p.perSecond/paceBatch)))
	if allowed < wanted && p.done > 0 {
		missing := time.Duration(float64(p.done+wanted-1) / float64(p.perSecond) * float64(time.Second))
		return 0, missing - elapsed + 1
	}
	return int(min(int64(n), allowed)), 0
}

// dueAt returns when an event that was published at a time is due, counted from the start.
func (p *pacer) dueAt(at int64) time.Duration {
	return time.Duration(float64(at-p.first) / p.lapse * float64(time.Millisecond))
}

// replayed counts events that were replayed.
func (p *pacer) replayed(n int) { p.done += int64(n) }

// busy is how many waiting operations make the loop busy; fewer are what a few
// clients leave waiting at any time.
const busy = 16

// yield returns how long a replay pauses after work that took so long while so
// many operations of others wait: the more of them, the smaller its share of
// the loop, down to a ninth.
func yield(waiting int, took time.Duration) time.Duration {
	return took * time.Duration(min(waiting/busy, 8))
}
