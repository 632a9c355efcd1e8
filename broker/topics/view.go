package topics

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/broker/topics/deliverypolicy"
	"github.com/seed567880c8/turnout/rules/filterpolicy"
)

// topic is one topic: its current View for everyone, the rest for the loop.
type topic struct {
	id        uint32
	name      turnout.TopicName
	createdAt time.Time
	view      atomic.Pointer[View]

	// statuses are the ReplayStatus of subscriptions that have one, by id. Only
	// the loop writes them.
	statuses sync.Map

	all  map[string]*subscription // live and pending ones, by identity
	fifo *fifo                    // nil for a standard topic
}

// state is what stage of its life a subscription is in.
type state string

const (
	live    state = "live"
	pending state = "pending" // not confirmed yet
	removed state = "removed" // unsubscribed; it can be restored, and what was sent to it is still delivered
)

// subscription is a subscription as of one time, with what was parsed of it. It
// is immutable: a change makes another.
type subscription struct {
	turnout.Subscription
	state state
	until time.Time // when it is forgotten; zero for a live one

	topic       *topic
	arn         string
	queue       turnout.QueueName // of an sqs subscription
	deadLetters []turnout.QueueName
	filter      *filterpolicy.Policy // nil: every message
	delivery    deliverypolicy.Subscription
	replay      *replayPolicy
}

// View is a topic at one version: its settings, and who gets its messages. It
// is immutable, and may be used by any number of goroutines.
type View struct {
	topic    *topic
	arn      string
	settings turnout.TopicSettings
	delivery deliverypolicy.Topic
	gone     bool // the topic is deleted

	archiveSince int64 // Unix ms: when it got its archive policy; 0 without one

	confirmed, pending, deleted int

	// receivers are the live subscriptions but those that a replay serves. Views
	// share the array: a later one may hold more of it, never anything else.
	receivers []*subscription

	once  sync.Once
	plan  atomic.Pointer[plan]
	older *plan // of an earlier View, whose set may still be right
}

// plan is how to find out who gets a message.
type plan struct {
	open     []*subscription // get every message
	filtered []*subscription
	policies []*filterpolicy.Policy // of filtered
	set      *filterpolicy.Set      // of policies
}

// next returns a copy of the View to change and publish.
func (v *View) next() *View {
	n := &View{
		topic: v.topic, arn: v.arn, settings: v.settings, delivery: v.delivery,
		confirmed: v.confirmed, pending: v.pending, deleted: v.deleted, archiveSince: v.archiveSince,
		receivers: v.receivers, older: v.plan.Load(),
	}
	if n.older == nil {
		n.older = v.older
	}
	return n
}

// add lets a subscription receive.
func (v *View) add(s *subscription) { v.receivers = append(v.receivers, s) }

// drop ends that.
func (v *View) drop(s *subscription) {
	if i := slices.Index(v.receivers, s); i >= 0 {
		v.receivers = slices.Delete(slices.Clone(v.receivers), i, i+1)
	}
}

// swap puts a version of a subscription into the place of the one before.
func (v *View) swap(old, s *subscription) {
	if i := slices.Index(v.receivers, old); i >= 0 {
		v.receivers = slices.Clone(v.receivers)
		v.receivers[i] = s
	}
}

// publish makes a View the topic's, on the loop.
func (p *topic) publish(v *View) { p.view.Store(v) }

// close makes it known that the topic is deleted.
func (p *topic) close() {
	v := p.view.Load().next()
	v.gone, v.receivers, v.older = true, nil, nil
	p.publish(v)
}

// planned returns the View's plan. The first caller makes it, outside the loop.
// The compiled set of an earlier View is used again unless the filter policies
// have changed since.
func (v *View) planned() *plan {
	v.once.Do(func() {
		p := &plan{}
		for _, s := range v.receivers {
			if s.filter == nil {
				p.open = append(p.open, s)
				continue
			}
			p.filtered = append(p.filtered, s)
			p.policies = append(p.policies, s.filter)
		}
		if v.older != nil && slices.Equal(v.older.policies, p.policies) {
			p.set = v.older.set
		} else if len(p.policies) > 0 {
			p.set = filterpolicy.NewSet(p.policies)
		}
		v.plan.Store(p)
	})
	return v.plan.Load()
}

// match appends to dst who gets a message. found is scratch memory, returned
// for the next call.
func (v *View) match(dst []*subscription, found []int, m *turnout.TopicMessage) (_ []*subscription, _ []int) {
	p := v.planned()
	dst = append(dst, p.open...)
	switch {
	case p.set == nil:
	case len(m.Bodies) == 1:
		found = p.set.Match(found[:0], m.Attributes, []byte(m.Bodies[defaultBody]))
		for _, i := range found {
			dst = append(dst, p.filtered[i])
		}
	default: // each protocol may have a text of its own
		for _, s := range p.filtered {
			if s.accepts(m.Attributes, bodyFor(m.Bodies, s.Protocol)) {
				dst = append(dst, s)
			}
		}
	}
	return dst, found
}

// accepts reports whether the subscription's filter policy lets a message through.
func (s *subscription) accepts(attributes []turnout.MessageAttribute, body string) bool {
	switch {
	case s.filter == nil:
		return true
	case s.filter.Scope() == turnout.FilterBody:
		return s.filter.MatchBody([]byte(body))
	default:
		return s.filter.Match(attributes)
	}
}

// defaultBody is the key of the body for every protocol without one of its own.
const defaultBody = "default"

func bodyFor(bodies map[string]string, protocol string) string {
	if text, ok := bodies[protocol]; ok {
		return text
	}
	return bodies[defaultBody]
}

// external reports whether messages for the subscription go through the dispatch engine.
func (s *subscription) external() bool { return s.Protocol != "sqs" }

// overHTTP reports whether the endpoint is a URL, which must confirm.
func (s *subscription) overHTTP() bool { return s.Protocol == "http" || s.Protocol == "https" }

// policy returns how messages are delivered to an external subscription.
func (s *subscription) policy(v *View) deliverypolicy.Policy {
	if !s.overHTTP() {
		return deliverypolicy.Policy{Retry: deliverypolicy.ManagedRetry()}
	}
	return deliverypolicy.Effective(v.delivery, s.delivery)
}

// compile parses what a subscription says. The errors are AWS's, without what
// depends on the operation.
func (t *Topics) compile(sub turnout.Subscription, st state) (*subscription, error) {
	sub.EffectiveDeliveryPolicy, sub.ReplayStatus = "", ""
	s := &subscription{Subscription: sub, state: st, arn: sub.ARN()}
	a := &s.Attributes
	if sub.Protocol == "sqs" {
		var ok bool
		if s.queue, ok = turnout.ParseQueueARN(sub.Endpoint); !ok {
			return nil, invalid("SQS endpoint ARN")
		}
		if isFIFO(s.queue.Name) && !isFIFO(sub.Topic.Name) {
			return nil, invalid("Invalid parameter: Endpoint Reason: FIFO SQS Queues can not be subscribed to standard SNS topics")
		}
	}
	if a.FilterPolicy != "" {
		var err error
		if s.filter, err = (filterpolicy.Limits{StrictAWS: t.cfg.StrictAWS}).Parse([]byte(a.FilterPolicy), a.FilterPolicyScope); err != nil {
			if e, ok := errors.AsType[*filterpolicy.Error](err); ok && e.Bare {
				return nil, invalid("%s", e.Message)
			}
			return nil, invalid("FilterPolicy: %s", err.Error())
		}
	}
	var err error
	if s.delivery, err = deliverypolicy.ParseSubscription(a.DeliveryPolicy); err != nil {
		return nil, invalid("DeliveryPolicy: %s", err.Error())
	}
	if s.deadLetters, err = parseRedrive(a.RedrivePolicy, sub.Topic); err != nil {
		return nil, err
	}
	if s.replay, err = parseReplay(a.ReplayPolicy); err != nil {
		return nil, err
	}
	return s, nil
}

// parseRedrive returns the queues that a RedrivePolicy names.
func parseRedrive(policy string, topic turnout.TopicName) ([]turnout.QueueName, error) {
	if policy == "" {
		return nil, nil
	}
	var p struct {
		Target string `json:"deadLetterTargetArn"`
	}
	if err := json.Unmarshal([]byte(policy), &p); err != nil {
		return nil, invalid("RedrivePolicy: failed to parse JSON. %s", err.Error())
	}
	queue, ok := turnout.ParseQueueARN(p.Target)
	switch {
	case !ok:
		return nil, invalid("RedrivePolicy: deadLetterTargetArn is an invalid arn")
	case isFIFO(topic.Name) && !isFIFO(queue.Name):
		return nil, invalid("RedrivePolicy: must use a FIFO queue as DLQ for a FIFO Subscription to a FIFO Topic.")
	}
	return []turnout.QueueName{queue}, nil
}

// invalid returns AWS's error for a parameter.
func invalid(format string, args ...any) *turnout.Error {
	return turnout.Errorf(turnout.CodeInvalidParameter, "Invalid parameter: "+format, args...)
}

// inAttributes words an error about an attribute as AWS does when the attribute
// came with others, in CreateTopic and Subscribe.
func inAttributes(err *turnout.Error) *turnout.Error {
	for _, name := range []string{"FilterPolicy: ", "DeliveryPolicy: ", "RedrivePolicy: ", "ReplayPolicy: ", "ArchivePolicy: "} {
		if rest, ok := strings.CutPrefix(err.Message, "Invalid parameter: "+name); ok {
			return invalid("Attributes Reason: %s%s", name, rest)
		}
	}
	return err
}

func errTopicNotFound() error {
	return turnout.Errorf(turnout.CodeNotFound, "Topic does not exist")
}

func errSubscriptionNotFound() error {
	return turnout.Errorf(turnout.CodeNotFound, "Subscription does not exist")
}
