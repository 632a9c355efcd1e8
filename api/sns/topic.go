package sns

import (
	"context"
	"errors"
	"net/http"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/api/awswire"
)

// readMap reads a map of strings from the form, in the order of its entries.
func readMap(f *awswire.Form, parameter string) (pairs [][2]string) {
	for _, at := range f.Names(parameter + ".entry") {
		key, ok := f.Get(at + ".key")
		value, _ := f.Get(at + ".value")
		if ok {
			pairs = append(pairs, [2]string{key, value})
		}
	}
	return pairs
}

// draftTopic is a topic as CreateTopic describes it.
type draftTopic struct {
	name           turnout.TopicName
	fifo           bool
	attributes     [][2]string
	tags           []tag
	dataProtection *string // nil: not given
}

func readTopic(r *awswire.Request) (d draftTopic, err error) {
	d.name.Scope = r.Scope
	d.name.Name, _ = r.Form.Get("Name")
	d.attributes = readMap(r.Form, "Attributes")
	for _, pair := range d.attributes {
		if pair[0] != "FifoTopic" {
			continue
		}
		if d.fifo, err = flag(pair[0], pair[1]); err != nil {
			return d, attributeError(creating, err)
		}
	}
	if err := checkTopicName(d.name.Name, d.fifo); err != nil {
		return d, err
	}
	if policy, ok := r.Form.Get("DataProtectionPolicy"); ok {
		d.dataProtection = &policy
	}
	d.tags, err = readTags(r.Form)
	return d, err
}

// set puts the attributes that were given into those of a topic.
func (d *draftTopic) set(to *turnout.TopicAttributes) error {
	for _, pair := range d.attributes {
		if err := setTopicAttribute(to, d.name, pair[0], pair[1], creating); err != nil {
			return err
		}
	}
	if d.dataProtection != nil {
		return setDataProtectionPolicy(to, *d.dataProtection)
	}
	return nil
}

// same reports, as an error, how a topic that exists differs from what is
// asked for. What is not asked for may be anything.
func (d *draftTopic) same(has turnout.TopicSettings) error {
	for _, tag := range d.tags {
		if value, ok := has.Tags[tag.key]; !ok || value != tag.value {
			return invalid("Tags Reason: Topic already exists with different tags")
		}
	}
	asked := has.Attributes
	if err := d.set(&asked); err != nil {
		return err
	}
	if !sameTopicAttributes(d.name, asked, has.Attributes) {
		return refused("Topic already exists with different attributes")
	}
	return nil
}

func (a *API) createTopic(ctx context.Context, r *awswire.Request) (awswire.Result, error) {
	d, err := readTopic(r)
	if err != nil {
		return nil, err
	}
	var settings turnout.TopicSettings
	settings.Attributes.FIFO = d.fifo
	if err := addTags(&settings, d.tags); err != nil {
		return nil, err
	}
	if err := d.set(&settings.Attributes); err != nil {
		return nil, err
	}
	if err := a.engine.CreateTopic(ctx, d.name, settings, d.same); err != nil {
		return nil, createError(err)
	}
	return stringResult("TopicArn", d.name.ARN()), nil
}

// createError gives an error of CreateTopic its prefix, and the quota its name.
func createError(err error) error {
	if e, ok := errors.AsType[*turnout.Error](err); ok && e.Code == turnout.CodeLimitExceeded {
		return &awswire.WireError{Shape: "TopicLimitExceeded", Status: http.StatusForbidden, Message: e.Message}
	}
	return attributeError(creating, err)
}

func (a *API) deleteTopic(ctx context.Context, r *awswire.Request) (awswire.Result, error) {
	name, err := topicParam(r, "TopicArn")
	if err != nil {
		return nil, err
	}
	return nil, a.engine.DeleteTopic(ctx, name)
}

func (a *API) listTopics(ctx context.Context, r *awswire.Request) (awswire.Result, error) {
	all, err := a.engine.TopicNames(ctx, r.Scope)
	if err != nil {
		return nil, err
	}
	names, next, err := page(r, all, topicOrder(r.Scope))
	if err != nil {
		return nil, err
	}
	return resultFunc(func(e *awswire.Encoder) {
		e.BeginMembers("Topics")
		for _, name := range names {
			e.BeginMember()
			e.String("TopicArn", name.ARN())
			e.EndMember()
		}
		e.EndMembers("Topics")
		e.Optional("NextToken", next)
	}), nil
}

func (a *API) getTopicAttributes(ctx context.Context, r *awswire.Request) (awswire.Result, error) {
	name, err := topicParam(r, "TopicArn")
	if err != nil {
		return nil, err
	}
	info, err := a.engine.Topic(ctx, name)
	if err != nil {
		return nil, err
	}
	return attributeMap(showTopic(&info)), nil
}

// attributeMap is an answer of one map, Attributes, in the order of its keys.
func attributeMap(attributes map[string]string) awswire.Result {
	return resultFunc(func(e *awswire.Encoder) {
		e.BeginEntries("Attributes")
		for _, key := range sortedKeys(attributes) {
			e.StringEntry(key, attributes[key])
		}
		e.EndEntries("Attributes")
	})
}

func (a *API) setTopicAttributes(ctx context.Context, r *awswire.Request) (awswire.Result, error) {
	name, err := topicParam(r, "TopicArn")
	if err != nil {
		return nil, err
	}
	attribute, _ := r.Form.Get("AttributeName")
	value, _ := r.Form.Get("AttributeValue")
	err = a.engine.UpdateTopic(ctx, name, func(s *turnout.TopicSettings) error {
		if attribute == "FifoTopic" {
			return invalid("AttributeName")
		}
		return setTopicAttribute(&s.Attributes, name, attribute, value, setting)
	})
	return nil, attributeError(setting, err)
}
