package topics

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/broker/dispatch"
	"github.com/seed567880c8/turnout/internal/partition"
	"github.com/seed567880c8/turnout/sinks"
	"github.com/seed567880c8/turnout/sinks/notification"
)

// staleMax is how often something is prepared anew because what it was prepared
// from has changed.
const staleMax = 8

// errStale means that what was prepared no longer holds.
var errStale = errors.New("topics: prepared from what is no longer current")

// lookUp returns a subscription in whatever state, nil if there is none of the name.
func (t *Topics) lookUp(name turnout.SubscriptionName) *subscription {
	if s, ok := t.byID.Load(name.ID); ok {
		if s := s.(*subscription); s.Topic == name.Topic {
			return s
		}
	}
	return nil
}

// visible reports whether a subscription is one that lists show.
func (s *subscription) visible() bool { return s.state != removed && !s.topic.view.Load().gone }

// Subscribe adds a subscription to s.Topic, whose id and times it sets, and
// returns it. If there is one for the protocol and endpoint already it calls
// same with it, and returns it unless same fails. Over http and https a new
// subscription is pending; it, and one that still is, is sent a
// SubscriptionConfirmation.
//
// It is CodeNotFound without the topic, CodeInvalidParameter with AWS's text for
// a policy that cannot be parsed, CodeLimitExceeded beyond Config.SubscriptionsMax.
func (t *Topics) Subscribe(_ context.Context, s turnout.Subscription, same func(existing turnout.Subscription) error) (turnout.Subscription, error) {
	st := live
	if s.Protocol == "http" || s.Protocol == "https" {
		st = pending
	}
	s.Pending, s.ConfirmedWithCredentials = st == pending, st == live
	for range staleMax {
		id, err := t.newUUID()
		if err != nil {
			return s, err
		}
		s.ID = turnout.UUID(id)
		got, err := t.subscribeOnce(s, st, same)
		if !errors.Is(err, errStale) {
			return got, err
		}
	}
	return s, turnout.Errorf(turnout.CodeConflict, "The topic's subscriptions change too fast; retry.")
}

func (t *Topics) subscribeOnce(s turnout.Subscription, st state, same func(turnout.Subscription) error) (turnout.Subscription, error) {
	added, err := t.compile(s, st)
	if err != nil {
		return s, asError(err, inAttributes)
	}
	p, existing, err := t.subscribed(s)
	if err != nil {
		return s, err
	}
	result := added
	if existing != nil {
		if err := same(t.describe(existing)); err != nil {
			return s, err
		}
		if result = existing; existing.state == live {
			return t.describe(existing), nil
		}
	}
	confirmation, err := t.confirmationOf(result, p)
	if err != nil {
		return s, err
	}
	err = t.loop.Do(func(tx *partition.Tx) error {
		if t.find(s.Topic) != p || p.all[identity(s.Protocol, s.Endpoint)] != existing {
			return errStale
		}
		if existing == nil {
			if err := t.checkAdmission(p, added); err != nil {
				return err
			}
		}
		if confirmation != nil {
			if err := t.sendConfirmation(tx, result, confirmation); err != nil {
				return err
			}
		}
		if existing == nil {
			result = t.admit(tx, p, added)
		}
		return nil
	})
	if err != nil {
		return s, err
	}
	return t.describe(result), nil
}

// confirmationOf returns what a subscription that is pending is sent, nil for another.
func (t *Topics) confirmationOf(s *subscription, p *topic) ([]byte, error) {
	if s.state != pending {
		return nil, nil
	}
	return t.confirmation(s, p.view.Load(), notification.SubscriptionConfirmation)
}

// subscribed returns the topic of s, and the subscription that it has already
// for the same endpoint, nil if there is none.
func (t *Topics) subscribed(s turnout.Subscription) (p *topic, existing *subscription, err error) {
	err = t.loop.Do(func(*partition.Tx) error {
		if p = t.find(s.Topic); p == nil {
			return errTopicNotFound()
		}
		existing = p.all[identity(s.Protocol, s.Endpoint)]
		return nil
	})
	return p, existing, err
}

// checkAdmission reports why a topic cannot have a new subscription.
func (t *Topics) checkAdmission(p *topic, s *subscription) error {
	if len(p.all) >= t.cfg.SubscriptionsMax {
		return turnout.Errorf(turnout.CodeLimitExceeded, "Subscription limit exceeded: a topic can have at most %d subscriptions.", t.cfg.SubscriptionsMax)
	}
	if err := checkReplay(p, s); err != nil {
		return asError(err, inAttributes)
	}
	return nil
}

// admit gives a new subscription its place, and returns it as it is then.
func (t *Topics) admit(tx *partition.Tx, p *topic, s *subscription) *subscription {
	added := *s
	added.topic, added.CreatedAt = p, tx.Now
	if added.state == pending {
		added.until = tx.Now.Add(t.cfg.TokenLife)
	}
	next := p.view.Load().next()
	p.all[identity(added.Protocol, added.Endpoint)] = &added
	t.put(tx, &added)
	if added.state == live {
		next.confirmed++
		if !t.startReplay(tx, p, &added) {
			next.add(&added)
		}
	} else {
		next.pending++
	}
	p.publish(next)
	t.stats.subscriptions.Add(1)
	return &added
}

// put stores a subscription and shows it.
func (t *Topics) put(tx *partition.Tx, s *subscription) {
	tx.Batch.Set(subscriptionKey(kindSubscription, s.topic.id, s.ID), s.encode())
	t.byID.Store(s.ID, s)
	t.fade(s)
}

// fade sees to it that a subscription which has only so long is forgotten then.
func (t *Topics) fade(s *subscription) {
	if s.until.IsZero() {
		delete(t.fading, s.ID)
		return
	}
	t.fading[s.ID] = s
	t.dueAt(s.until)
}

// forget removes what is left of a subscription that has had its time.
func (t *Topics) forget(tx *partition.Tx, id string, s *subscription) {
	delete(t.fading, id)
	t.byID.Delete(id)
	tx.Batch.Delete(subscriptionKey(kindSubscription, s.topic.id, id))
	if s.state != pending {
		return
	}
	p := s.topic
	delete(p.all, identity(s.Protocol, s.Endpoint))
	next := p.view.Load().next()
	next.pending--
	p.publish(next)
	t.stats.subscriptions.Add(-1)
}

// describe returns a subscription as it is shown.
func (t *Topics) describe(s *subscription) turnout.Subscription {
	sub := s.Subscription
	if s.overHTTP() {
		p := s.policy(s.topic.view.Load())
		sub.EffectiveDeliveryPolicy = p.Document()
	}
	if status, ok := s.topic.replayStatus(s.ID); ok {
		sub.ReplayStatus = status
	}
	return sub
}

// Unsubscribe removes a subscription; one that does not exist is no error. An
// http or https endpoint gets an UnsubscribeConfirmation, with which the
// subscription can be restored for Config.TokenLife.
func (t *Topics) Unsubscribe(_ context.Context, name turnout.SubscriptionName) error {
	for range staleMax {
		s := t.lookUp(name)
		if s == nil || s.state == removed {
			return t.settled()
		}
		var farewell []byte
		if s.overHTTP() && s.state == live && s.visible() {
			var err error
			if farewell, err = t.confirmation(s, s.topic.view.Load(), notification.UnsubscribeConfirmation); err != nil {
				return err
			}
		}
		err := t.loop.Do(func(tx *partition.Tx) error {
			if t.lookUp(name) != s {
				return errStale
			}
			if farewell != nil {
				if err := t.sendConfirmation(tx, s, farewell); err != nil {
					return err
				}
			}
			t.remove(tx, s)
			return nil
		})
		if !errors.Is(err, errStale) {
			return err
		}
	}
	return turnout.Errorf(turnout.CodeConflict, "The subscription changes too fast; retry.")
}

// remove ends a subscription. What goes through the dispatch engine is kept for
// a while, because deliveries of it may be waiting.
func (t *Topics) remove(tx *partition.Tx, s *subscription) {
	p := s.topic
	if p.view.Load().gone { // a ghost's
		t.byID.Delete(s.ID)
		tx.Batch.Delete(subscriptionKey(kindSubscription, p.id, s.ID))
		return
	}
	delete(p.all, identity(s.Protocol, s.Endpoint))
	next := p.view.Load().next()
	next.deleted++
	if s.state == pending {
		next.pending--
	} else {
		next.confirmed--
		next.drop(s)
	}
	t.stopReplay(tx, p, s)
	p.publish(next)
	t.storeTopic(tx, p)
	t.stats.subscriptions.Add(-1)
	if s.external() {
		gone := *s
		gone.state, gone.until = removed, tx.Now.Add(t.cfg.TokenLife)
		t.put(tx, &gone)
		return
	}
	delete(t.fading, s.ID)
	t.byID.Delete(s.ID)
	tx.Batch.Delete(subscriptionKey(kindSubscription, p.id, s.ID))
}

// UpdateSubscription changes the attributes of a subscription: change gets a
// copy of them and may refuse by an error, which is returned; it may be called
// more than once. It is CodeNotFound without the subscription,
// CodeInvalidParameter with AWS's text for a policy that cannot be parsed.
func (t *Topics) UpdateSubscription(_ context.Context, name turnout.SubscriptionName, change func(*turnout.SubscriptionAttributes) error) error {
	for range staleMax {
		old := t.lookUp(name)
		if old == nil || !old.visible() {
			return t.absent(errSubscriptionNotFound())
		}
		sub := old.Subscription
		if err := change(&sub.Attributes); err != nil {
			return t.absent(err)
		}
		s, err := t.compile(sub, old.state)
		if err != nil {
			return err
		}
		s.topic, s.until = old.topic, old.until
		if s.filter != nil && old.filter != nil && sub.Attributes.FilterPolicy == old.Attributes.FilterPolicy &&
			sub.Attributes.FilterPolicyScope == old.Attributes.FilterPolicyScope {
			s.filter = old.filter // so that it need not be compiled again with the others
		}
		err = t.loop.Do(func(tx *partition.Tx) error {
			if t.lookUp(name) != old || !old.visible() {
				return errStale
			}
			return t.replace(tx, old, s)
		})
		if !errors.Is(err, errStale) {
			return err
		}
	}
	return turnout.Errorf(turnout.CodeConflict, "The subscription changes too fast; retry.")
}

// replace puts a version of a subscription into the place of the one before.
func (t *Topics) replace(tx *partition.Tx, old, s *subscription) error {
	p := s.topic
	if s.Attributes.ReplayPolicy != old.Attributes.ReplayPolicy {
		if err := checkReplay(p, s); err != nil {
			return err
		}
	}
	p.all[identity(s.Protocol, s.Endpoint)] = s
	t.put(tx, s)
	next := p.view.Load().next()
	next.swap(old, s)
	if s.Attributes.ReplayPolicy != old.Attributes.ReplayPolicy && s.state == live && t.changeReplay(tx, p, s) {
		next.drop(s)
	}
	p.publish(next)
	return nil
}

// Subscription returns a subscription. One whose topic was deleted is returned
// for Config.TokenLife from then. It is CodeNotFound without one.
func (t *Topics) Subscription(_ context.Context, name turnout.SubscriptionName) (turnout.Subscription, error) {
	s := t.lookUp(name)
	if s == nil || s.state == removed {
		return turnout.Subscription{}, t.absent(errSubscriptionNotFound())
	}
	return t.describe(s), t.settled()
}

// Subscriptions returns the subscriptions to the topics of an account and
// region, sorted by ARN.
func (t *Topics) Subscriptions(_ context.Context, scope turnout.Scope) ([]turnout.Subscription, error) {
	return t.list(func(s *subscription) bool { return s.Topic.Scope == scope })
}

// SubscriptionsByTopic returns the subscriptions to a topic, sorted by ARN. It
// is CodeNotFound without the topic.
func (t *Topics) SubscriptionsByTopic(_ context.Context, name turnout.TopicName) ([]turnout.Subscription, error) {
	if t.find(name) == nil {
		return nil, t.absent(errTopicNotFound())
	}
	return t.list(func(s *subscription) bool { return s.Topic == name })
}

func (t *Topics) list(want func(*subscription) bool) ([]turnout.Subscription, error) {
	var found []*subscription
	t.byID.Range(func(_, value any) bool {
		if s := value.(*subscription); want(s) && s.visible() {
			found = append(found, s)
		}
		return true
	})
	slices.SortFunc(found, func(a, b *subscription) int { return cmp.Compare(a.arn, b.arn) })
	all := make([]turnout.Subscription, len(found))
	for i, s := range found {
		all[i] = t.describe(s)
	}
	return all, t.settled()
}

// Endpoint returns how to deliver to a subscription, for the dispatch engine.
// What cannot be reached any more has a sink that says so, so that dead letters
// are notifications then too. It is CodeNotFound for what is no subscription's ARN.
func (t *Topics) Endpoint(subscriptionARN string) (dispatch.Endpoint, error) {
	name, ok := turnout.ParseSubscriptionARN(subscriptionARN)
	if !ok {
		return dispatch.Endpoint{}, errSubscriptionNotFound()
	}
	s := t.lookUp(name)
	if s == nil || !s.external() {
		return t.nowhere(subscriptionARN, "The subscription does not exist."), nil
	}
	p := s.policy(s.topic.view.Load())
	end := dispatch.Endpoint{
		PerSecondMax: p.PerSecondMax,
		Timeout:      t.cfg.AttemptTimeout,
		Backoff:      func(attempt int, _ float64) time.Duration { return p.Retry.Delay(attempt) },
	}
	if s.overHTTP() {
		sink := &notification.HTTP{
			Client: t.cfg.Client, Receiver: t.receiver(s.arn), Protocol: s.Protocol, URL: s.Endpoint,
			ContentType: contentType(&p), Raw: s.Attributes.RawMessageDelivery,
		}
		end.Sink, end.DeadLetter = sink, sink.DeadLetter
		return end, nil
	}
	function, err := t.function(s.Endpoint)
	if e, ok := errors.AsType[*turnout.Error](err); ok && e.Code == turnout.CodeNotFound {
		return t.nowhere(subscriptionARN, e.Message), nil
	}
	if err != nil {
		return dispatch.Endpoint{}, err
	}
	sink := &notification.Function{Function: function, ARN: s.Endpoint, Receiver: t.receiver(s.arn)}
	end.Sink, end.DeadLetter, end.Timeout = sink, sink.DeadLetter, 0
	return end, nil
}

func (t *Topics) nowhere(subscriptionARN, reason string) dispatch.Endpoint {
	sink := &notification.Nowhere{Receiver: t.receiver(subscriptionARN), Reason: reason}
	return dispatch.Endpoint{Sink: sink, DeadLetter: sink.DeadLetter}
}

func (t *Topics) function(arn string) (sinks.Sink, error) {
	if t.cfg.Function == nil {
		return nil, turnout.Errorf(turnout.CodeNotFound, "No endpoint is configured for function %s.", arn)
	}
	return t.cfg.Function(arn)
}
