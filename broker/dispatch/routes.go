package dispatch

import (
	"encoding/binary"
	"fmt"
	"sync"
	"time"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/internal/partition"
	"github.com/seed567880c8/turnout/internal/store"
)

// routes are what waiting deliveries refer to, see route.
//
// A route is not counted by references, which would be a write for each
// delivery; it says on which day it was used last, and goes when that is longer
// ago than a delivery, or what is recorded of its attempts, can be kept. Memory:
// one for each target that was used in the last weeks.
//
// Only the loop changes them; mu lets runners look one up by its number.
type routes struct {
	byText map[string]*route // by what appendTo writes; the loop's
	next   uint64            // the loop's
	text   []byte            // scratch of the loop

	mu   sync.RWMutex
	byID map[uint64]*route
}

const routeKeptDays = 17 // more than deliveryAgeMax and the longest retention of attempts

func dayOf(t time.Time) uint32 { return uint32(t.Unix() / (24 * 60 * 60)) }

func appendRouteKey(dst []byte, id uint64) []byte {
	return binary.BigEndian.AppendUint64(append(dst, prefixDispatch, kindRoute), id)
}

func (r *routes) load(s store.Reader) error {
	r.byText, r.byID, r.next = make(map[string]*route), make(map[uint64]*route), 1
	pairs, failed := s.Scan([]byte{prefixDispatch, kindRoute}, []byte{prefixDispatch, kindRoute + 1})
	for key, value := range pairs {
		if len(key) != 10 || len(value) < 4 {
			return fmt.Errorf("%w: route key %x", errRecord, key)
		}
		one, err := parseRoute(value[4:])
		if err != nil {
			return err
		}
		one.id, one.day = binary.BigEndian.Uint64(key[2:]), binary.BigEndian.Uint32(value)
		r.byText[string(value[4:])], r.byID[one.id] = one, one
		r.next = one.id + 1
	}
	return failed()
}

// of returns the route of a delivery, stored, on the loop.
func (r *routes) of(tx *partition.Tx, x *Delivery) *route {
	want := route{
		endpoint: x.Endpoint, ruleARN: x.RuleARN, targetARN: x.TargetARN, targetID: x.TargetID,
		parameters: x.Parameters, deadLetters: x.DeadLetters,
		retriesMax: max(x.RetriesMax, 0), ageMax: ageMaxOf(x.AgeMax), fifo: x.GroupID != "",
	}
	r.text = want.appendTo(r.text[:0])
	one := r.byText[string(r.text)]
	if one == nil {
		var err error
		if one, err = parseRoute(r.text); err != nil {
			panic(fmt.Sprintf("dispatch: a route does not read back: %v", err))
		}
		one.id = r.next
		r.next++
		r.byText[string(r.text)] = one
		r.mu.Lock()
		r.byID[one.id] = one
		r.mu.Unlock()
	}
	if today := dayOf(tx.Now); one.day != today {
		one.day = today
		tx.Batch.Set(appendRouteKey(nil, one.id), append(binary.BigEndian.AppendUint32(nil, today), r.text...))
	}
	return one
}

// ageMaxOf is what holds when x is asked for.
func ageMaxOf(x time.Duration) time.Duration {
	if x <= 0 {
		return turnoutAgeMax
	}
	return min(x, deliveryAgeMax).Truncate(time.Millisecond)
}

// get returns a route by its number, nil if it is unknown. It may be called
// from any goroutine.
func (r *routes) get(id uint64) *route {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.byID[id]
}

// sweep removes the routes that nothing can refer to any more, on the loop.
func (r *routes) sweep(tx *partition.Tx) {
	today := dayOf(tx.Now)
	for text, one := range r.byText {
		if one.day+routeKeptDays >= today {
			continue
		}
		delete(r.byText, text)
		r.mu.Lock()
		delete(r.byID, one.id)
		r.mu.Unlock()
		tx.Batch.Delete(appendRouteKey(nil, one.id))
	}
}

// account is the first part of the scope of internal queues, which no API can name.
const account = "~dispatch"

// laneFIFO marks the lane of the deliveries in groups.
const laneFIFO = "fifo"

// laneOf returns the internal queue for deliveries to an endpoint: one for each
// maximum age, so that each is ordered by deadline and what has become too old
// is at its front; and one for all deliveries in groups, whose order counts more.
func laneOf(endpoint string, ageMax time.Duration, fifo bool) turnout.QueueName {
	kind := laneFIFO
	if !fifo {
		kind = ageMax.String()
	}
	return turnout.QueueName{Scope: turnout.Scope{Account: account, Region: kind}, Name: endpoint}
}
