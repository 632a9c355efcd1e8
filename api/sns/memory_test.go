package sns_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/seed567880c8/turnout"
)

// memory is an engine for tests of the wire: it keeps what it is told, and
// delivers nothing.
type memory struct {
	mu            sync.Mutex
	topics        map[turnout.TopicName]*turnout.TopicInfo
	subscriptions map[turnout.SubscriptionName]*turnout.Subscription
	tokens        map[string]turnout.SubscriptionName
	published     []turnout.TopicMessage
	made          int // ids given
	refuse        map[string]error
}

func newMemory() *memory {
	return &memory{
		topics:        map[turnout.TopicName]*turnout.TopicInfo{},
		subscriptions: map[turnout.SubscriptionName]*turnout.Subscription{},
		tokens:        map[string]turnout.SubscriptionName{},
		refuse:        map[string]error{},
	}
}

const defaultDelivery = `{"http":{"defaultHealthyRetryPolicy":{"minDelayTarget":20,"maxDelayTarget":20,"numRetries":3,"numMaxDelayRetries":0,` +
	`"numNoDelayRetries":0,"numMinDelayRetries":0,"backoffFunction":"linear"},"disableSubscriptionOverrides":false,` +
	`"defaultRequestPolicy":{"headerContentType":"text/plain; charset=UTF-8"}}}`

func (m *memory) id() string {
	m.made++
	return fmt.Sprintf("00000000-0000-4000-8000-%012d", m.made)
}

func (m *memory) topic(name turnout.TopicName) (*turnout.TopicInfo, error) {
	if t := m.topics[name]; t != nil {
		return t, nil
	}
	return nil, turnout.Errorf(turnout.CodeNotFound, "Topic does not exist")
}

func (m *memory) CreateTopic(_ context.Context, name turnout.TopicName, s turnout.TopicSettings, same func(turnout.TopicSettings) error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if t := m.topics[name]; t != nil {
		return same(t.TopicSettings)
	}
	if err := m.refuse["CreateTopic"]; err != nil {
		return err
	}
	m.topics[name] = &turnout.TopicInfo{TopicName: name, TopicSettings: s, EffectiveDeliveryPolicy: defaultDelivery}
	return nil
}

func (m *memory) UpdateTopic(_ context.Context, name turnout.TopicName, change func(*turnout.TopicSettings) error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	t, err := m.topic(name)
	if err != nil {
		return err
	}
	s := t.TopicSettings
	s.Tags = maps.Clone(s.Tags)
	if err := change(&s); err != nil {
		return err
	}
	t.TopicSettings = s
	return nil
}

func (m *memory) DeleteTopic(_ context.Context, name turnout.TopicName) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.topics, name)
	return nil
}

func (m *memory) Topic(_ context.Context, name turnout.TopicName) (turnout.TopicInfo, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	t, err := m.topic(name)
	if err != nil {
		return turnout.TopicInfo{}, err
	}
	info := *t
	for _, s := range m.subscriptions {
		switch {
		case s.Topic != name:
		case s.Pending:
			info.Pending++
		default:
			info.Confirmed++
		}
	}
	return info, nil
}

func (m *memory) TopicNames(_ context.Context, scope turnout.Scope) (names []turnout.TopicName, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for name := range m.topics {
		if name.Scope == scope {
			names = append(names, name)
		}
	}
	slices.SortFunc(names, func(a, b turnout.TopicName) int { return strings.Compare(a.Name, b.Name) })
	return names, nil
}

func (m *memory) PublishTopic(_ context.Context, name turnout.TopicName, ms []turnout.TopicMessage) ([]turnout.PublishedMessage, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	t, err := m.topic(name)
	if err != nil {
		return nil, err
	}
	answers := make([]turnout.PublishedMessage, len(ms))
	for i := range ms {
		switch {
		case m.refuse[ms[i].Bodies["default"]] != nil:
			answers[i].Err = m.refuse[ms[i].Bodies["default"]]
			continue
		case t.Attributes.FIFO && ms[i].DeduplicationID == "" && !t.Attributes.ContentBasedDeduplication:
			answers[i].Err = turnout.Errorf(turnout.CodeInvalidParameter,
				"The topic should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly")
			continue
		}
		m.published = append(m.published, ms[i])
		answers[i].MessageID = m.id()
		if t.Attributes.FIFO {
			answers[i].SequenceNumber = fmt.Sprintf("%020d", m.made)
		}
	}
	return answers, nil
}

func (m *memory) Subscribe(_ context.Context, s turnout.Subscription, same func(turnout.Subscription) error) (turnout.Subscription, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, err := m.topic(s.Topic); err != nil {
		return s, err
	}
	if err := checkFilter(s.Attributes.FilterPolicy); err != nil {
		return s, err
	}
	for _, has := range m.subscriptions {
		if has.Topic == s.Topic && has.Endpoint == s.Endpoint && has.Protocol == s.Protocol {
			return *has, same(*has)
		}
	}
	s.ID = m.id()
	s.Pending = strings.HasPrefix(s.Protocol, "http")
	s.ConfirmedWithCredentials = !s.Pending
	if s.Pending {
		s.EffectiveDeliveryPolicy = `{"healthyRetryPolicy":{}}`
		m.tokens[strings.Repeat(strconv.Itoa(m.made%10), 32)] = s.SubscriptionName
	}
	m.subscriptions[s.SubscriptionName] = &s
	return s, nil
}

// checkFilter refuses one policy as the engine would.
func checkFilter(policy string) error {
	if policy == `{"k":[["v"]]}` {
		return turnout.Errorf(turnout.CodeInvalidParameter, "FilterPolicy: Match value must be String, number, true, false, or null")
	}
	return nil
}

func (m *memory) ConfirmSubscription(_ context.Context, _ turnout.TopicName, token string, authenticate bool) (turnout.Subscription, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.subscriptions[m.tokens[token]]
	if s == nil {
		return turnout.Subscription{}, turnout.Errorf(turnout.CodeInvalidParameter, "Invalid parameter: Token")
	}
	s.Pending, s.AuthenticateOnUnsubscribe = false, authenticate
	return *s, nil
}

func (m *memory) Unsubscribe(_ context.Context, name turnout.SubscriptionName) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.subscriptions, name)
	return nil
}

func (m *memory) subscription(name turnout.SubscriptionName) (*turnout.Subscription, error) {
	if s := m.subscriptions[name]; s != nil {
		return s, nil
	}
	return nil, turnout.Errorf(turnout.CodeNotFound, "Subscription does not exist")
}

func (m *memory) UpdateSubscription(_ context.Context, name turnout.SubscriptionName, change func(*turnout.SubscriptionAttributes) error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	s, err := m.subscription(name)
	if err != nil {
		return err
	}
	attributes := s.Attributes
	if err := change(&attributes); err != nil {
		return err
	}
	if err := checkFilter(attributes.FilterPolicy); err != nil {
		return err
	}
	s.Attributes = attributes
	return nil
}

func (m *memory) Subscription(_ context.Context, name turnout.SubscriptionName) (turnout.Subscription, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s, err := m.subscription(name)
	if err != nil {
		return turnout.Subscription{}, err
	}
	return *s, nil
}

func (m *memory) Subscriptions(_ context.Context, scope turnout.Scope) (all []turnout.Subscription, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range m.subscriptions {
		if s.Topic.Scope == scope {
			all = append(all, *s)
		}
	}
	return all, nil // in any order
}

func (m *memory) SubscriptionsByTopic(_ context.Context, topic turnout.TopicName) (all []turnout.Subscription, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, err := m.topic(topic); err != nil {
		return nil, err
	}
	for _, s := range m.subscriptions {
		if s.Topic == topic {
			all = append(all, *s)
		}
	}
	return all, nil
}
