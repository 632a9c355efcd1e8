package queues

// A message group id on a standard queue names a tenant and asks for fairness:
// while one tenant holds up a queue, the messages of the others come first.
// The thresholds are those AWS documents:
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-fair-queues.html
const (
	noisyInFlightMin = 30            // a tenant with fewer messages in flight is never noisy by number
	noisyShare       = 10            // percent of the messages in flight, or of the time spent on them
	quietAfterMillis = 5 * 60 * 1000 // without a send a noisy tenant is quiet again
	busyHalfMillis   = 60 * 1000     // half-life of the time that processing took
	tenantsMax       = 10_000        // tenants tracked a queue; further ones share none of the accounting
)

// tenant is the account that a standard queue keeps of one message group id.
type tenant struct {
	id       string
	held     int // messages in memory: loaded, in flight or returned
	inFlight int
	busy     float64 // ms of processing, decayed
	sentAt   int64   // Unix ms of the newest send
	noisy    bool
}

// fairness classifies the tenants of one standard queue.
type fairness struct {
	tenants  map[string]*tenant
	inFlight int     // messages in flight, of tenants or not
	busy     float64 // ms of processing of all messages, decayed
	decayed  int64   // Unix ms at which busy was decayed last
	noisyLen int
}

func (f *fairness) isNoisy(t *tenant) bool { return t != nil && t.noisy }

// hold counts one more message in memory of the tenant with the given id and
// returns the tenant, nil for no id or too many tenants. release takes it
// back; a tenant without any message, whose processing is forgotten, is dropped.
func (f *fairness) hold(id string) *tenant {
	if id == "" {
		return nil
	}
	t := f.tenants[id]
	if t == nil {
		if len(f.tenants) >= tenantsMax {
			return nil
		}
		if f.tenants == nil {
			f.tenants = make(map[string]*tenant)
		}
		t = &tenant{id: id}
		f.tenants[id] = t
	}
	t.held++
	return t
}

// sent notes that the tenant with the given id sent a message.
func (f *fairness) sent(id string, now int64) {
	if t := f.tenants[id]; t != nil {
		t.sentAt = now
	}
}

func (f *fairness) release(t *tenant) {
	if t == nil {
		return
	}
	t.held--
	if t.held == 0 {
		f.setNoisy(t, false) // its backlog is empty
		if t.busy < 1 {
			delete(f.tenants, t.id)
		}
	}
}

// received counts a message that went in flight.
func (f *fairness) received(t *tenant, now int64) {
	f.inFlight++
	if t != nil {
		t.inFlight++
		f.classify(t, now)
	}
}

// ended counts a message that left flight after held ms.
func (f *fairness) ended(t *tenant, now, heldMillis int64) {
	f.inFlight--
	f.decay(now)
	f.busy += float64(heldMillis)
	if t != nil {
		t.inFlight--
		t.busy += float64(heldMillis)
		f.classify(t, now)
	}
}

// classify sets whether t is noisy: it holds more than a tenth of the messages
// in flight and at least thirty, or more than a tenth of the processing time
// while others have a share of it.
func (f *fairness) classify(t *tenant, now int64) {
	byNumber := t.inFlight >= noisyInFlightMin && t.inFlight*100 > f.inFlight*noisyShare
	byTime := t.inFlight >= noisyInFlightMin && t.busy*100 > f.busy*noisyShare
	recent := now-t.sentAt < quietAfterMillis
	f.setNoisy(t, recent && t.held > t.inFlight && (byNumber || byTime))
}

func (f *fairness) setNoisy(t *tenant, noisy bool) {
	if t.noisy == noisy {
		return
	}
	t.noisy = noisy
	if noisy {
		f.noisyLen++
	} else {
		f.noisyLen--
	}
}

// decay halves the processing times as time passes, a whole half-life at once.
func (f *fairness) decay(now int64) {
	for ; now-f.decayed >= busyHalfMillis; f.decayed += busyHalfMillis {
		if f.busy < 1 {
			f.decayed, f.busy = now, 0
			return
		}
		f.busy /= 2
		for _, t := range f.tenants {
			t.busy /= 2
			if t.held == 0 && t.busy < 1 {
				delete(f.tenants, t.id)
			}
		}
	}
}
