package sqs

import (
	"context"
	"maps"
	"slices"
	"unicode/utf8"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/api/awswire"
)

// AWS's limits on tags.
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-queue-tags.html
const (
	tagsMax     = 50
	tagKeyMax   = 128 // characters
	tagValueMax = 256 // characters
)

// tagsMap names the tags of a queue in each protocol.
//
//nolint:gochecknoglobals // constant
var tagsMap = awswire.Map{JSON: "Tags", XML: "Tag", Key: "Key", Value: "Value"}

// checkTags checks tags to be added to present ones.
func checkTags(added, present map[string]string) error {
	count := len(present)
	for _, key := range slices.Sorted(maps.Keys(added)) {
		value := added[key]
		if n := utf8.RuneCountInString(key); n < 1 || n > tagKeyMax {
			return invalidParameter("TagKey", key, "Tag keys must be between 1 and 128 characters in length.")
		}
		if utf8.RuneCountInString(value) > tagValueMax {
			return invalidParameter("TagValue", value, "Tag values must be between 0 and 256 characters in length.")
		}
		if _, ok := present[key]; !ok {
			count++
		}
	}
	if count > tagsMax {
		return turnout.Errorf(turnout.CodeInvalidParameter, "Too many tags added for queue. The maximum number of tags allowed is %d.", tagsMax)
	}
	return nil
}

func (a *API) tagQueue(ctx context.Context, r *awswire.Request) (awswire.Result, error) {
	p := r.Params()
	tags, _ := p.Map(tagsMap)
	name, err := queueParam(r, p)
	if err != nil {
		return nil, err
	}
	if len(tags) == 0 {
		return nil, missingParameter("Tags")
	}
	return nil, a.engine.UpdateQueue(ctx, name, func(s *turnout.QueueSettings) error {
		if err := checkTags(tags, s.Tags); err != nil {
			return err
		}
		if s.Tags == nil {
			s.Tags = map[string]string{}
		}
		maps.Copy(s.Tags, tags)
		return nil
	})
}

func (a *API) untagQueue(ctx context.Context, r *awswire.Request) (awswire.Result, error) {
	p := r.Params()
	keys, given := p.Strings("TagKeys", "TagKey")
	name, err := queueParam(r, p)
	if err != nil {
		return nil, err
	}
	if !given {
		return nil, missingParameter("TagKeys")
	}
	return nil, a.engine.UpdateQueue(ctx, name, func(s *turnout.QueueSettings) error {
		for _, key := range keys {
			delete(s.Tags, key)
		}
		return nil
	})
}

func (a *API) listQueueTags(ctx context.Context, r *awswire.Request) (awswire.Result, error) {
	name, err := queueParam(r, r.Params())
	if err != nil {
		return nil, err
	}
	info, err := a.engine.Queue(ctx, name)
	if err != nil {
		return nil, err
	}
	return resultFunc(func(e *awswire.Encoder) {
		if len(info.Tags) == 0 && e.Format() != awswire.QueryJSON {
			return
		}
		e.BeginMap(tagsMap)
		for _, key := range slices.Sorted(maps.Keys(info.Tags)) {
			e.Entry(tagsMap, key, info.Tags[key])
		}
		e.EndMap()
	}), nil
}
