package sns

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"unicode/utf8"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/api/awswire"
)

// AWS's limits on tags.
// https://docs.aws.amazon.com/sns/latest/dg/sns-tags.html
const (
	tagsMax     = 50
	tagKeyMax   = 128 // characters
	tagValueMax = 256 // characters
)

// tag is one tag as a request gives it.
type tag struct{ key, value string }

// readTags reads and checks the tags of a request.
func readTags(f *awswire.Form) (tags []tag, err error) {
	for i, at := range f.Names("Tags.member") {
		var t tag
		var hasKey, hasValue bool
		t.key, hasKey = f.Get(at + ".Key")
		t.value, hasValue = f.Get(at + ".Value")
		member := "tags." + strconv.Itoa(i+1) + ".member."
		switch {
		case !hasKey:
			return nil, constraint("null", member+"key", "Member must not be null")
		case !hasValue:
			return nil, constraint("null", member+"value", "Member must not be null")
		case t.key == "":
			return nil, constraint("''", member+"key", "Member must have length greater than or equal to 1")
		case utf8.RuneCountInString(t.key) > tagKeyMax:
			return nil, constraint("'"+t.key+"'", member+"key", "Member must have length less than or equal to %d", tagKeyMax)
		case utf8.RuneCountInString(t.value) > tagValueMax:
			return nil, constraint("'"+t.value+"'", member+"value", "Member must have length less than or equal to %d", tagValueMax)
		}
		for _, earlier := range tags {
			if earlier.key == t.key {
				return nil, invalid("Duplicated keys are not allowed.")
			}
		}
		tags = append(tags, t)
	}
	return tags, nil
}

// addTags adds tags to the settings of a topic.
func addTags(s *turnout.TopicSettings, tags []tag) error {
	if len(tags) > 0 && s.Tags == nil {
		s.Tags = map[string]string{}
	}
	for _, t := range tags {
		s.Tags[t.key] = t.value
	}
	if len(s.Tags) > tagsMax {
		return &awswire.WireError{
			Shape: "TagLimitExceeded", Status: http.StatusBadRequest,
			Message: "Could not complete request: tag quota of per resource exceeded",
		}
	}
	return nil
}

// resourceError words the error of a topic that does not exist as the operations on tags do.
func resourceError(err error) error {
	if e, ok := errors.AsType[*turnout.Error](err); ok && e.Code == turnout.CodeNotFound {
		return &awswire.WireError{Shape: "ResourceNotFound", Status: http.StatusNotFound, Message: "Resource does not exist"}
	}
	return err
}

func (a *API) tagResource(ctx context.Context, r *awswire.Request) (awswire.Result, error) {
	topic, err := topicParam(r, "ResourceArn")
	if err != nil {
		return nil, err
	}
	tags, err := readTags(r.Form)
	if err != nil {
		return nil, err
	}
	err = a.engine.UpdateTopic(ctx, topic, func(s *turnout.TopicSettings) error { return addTags(s, tags) })
	return resultFunc(empty), resourceError(err)
}

func (a *API) untagResource(ctx context.Context, r *awswire.Request) (awswire.Result, error) {
	topic, err := topicParam(r, "ResourceArn")
	if err != nil {
		return nil, err
	}
	keys, _ := r.Params().Strings("", "TagKeys.member")
	err = a.engine.UpdateTopic(ctx, topic, func(s *turnout.TopicSettings) error {
		for _, key := range keys {
			delete(s.Tags, key)
		}
		return nil
	})
	return resultFunc(empty), resourceError(err)
}

func (a *API) listTagsForResource(ctx context.Context, r *awswire.Request) (awswire.Result, error) {
	topic, err := topicParam(r, "ResourceArn")
	if err != nil {
		return nil, err
	}
	info, err := a.engine.Topic(ctx, topic)
	if err != nil {
		return nil, resourceError(err)
	}
	return resultFunc(func(e *awswire.Encoder) {
		e.BeginMembers("Tags")
		for _, key := range sortedKeys(info.Tags) {
			e.BeginMember()
			e.String("Key", key)
			e.String("Value", info.Tags[key])
			e.EndMember()
		}
		e.EndMembers("Tags")
	}), nil
}
