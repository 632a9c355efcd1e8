package demo

// expectation says which deliveries the input must lead to: for each queue and
// rule, by event number, whether the event arrives there by that rule and is deleted.
type expectation struct {
	byQueue map[string]map[string][]bool
	total   int            // deliveries in all
	queue   map[string]int // deliveries a queue
	rule    map[string]int // matches a rule
	event   []int          // deliveries an event
}

// expect computes what must happen, with the rules' Go predicates alone.
func expect(events []*event, qs []*queue, rs []*rule) *expectation {
	x := &expectation{byQueue: map[string]map[string][]bool{}, queue: map[string]int{}, rule: map[string]int{}, event: make([]int, len(events))}
	byName := make(map[string]*queue, len(qs))
	for _, q := range qs {
		byName[q.name] = q
		x.byQueue[q.name] = map[string][]bool{}
	}
	for _, r := range rs {
		q := byName[r.queue]
		for _, e := range events {
			if !r.matches(e) {
				continue
			}
			x.rule[r.name]++
			if q.refuse != nil && q.refuse(e) {
				x.add(q.deadLetter, r.name, e.n, len(events))
			} else {
				x.add(q.name, r.name, e.n, len(events))
			}
		}
	}
	return x
}

func (x *expectation) add(queue, rule string, n, events int) {
	if x.byQueue[queue][rule] == nil {
		x.byQueue[queue][rule] = make([]bool, events)
	}
	x.byQueue[queue][rule][n] = true
	x.queue[queue]++
	x.event[n]++
	x.total++
}

// has reports whether event n must arrive on queue by rule.
func (x *expectation) has(queue, rule string, n int) bool {
	wanted := x.byQueue[queue][rule]
	return n < len(wanted) && wanted[n]
}
