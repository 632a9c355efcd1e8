package eventbridge

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/api/awswire"
	"github.com/seed567880c8/turnout/api/eventbridge/internal/shape"
)

// tagsMax is the number of tags that AWS lets a resource have.
// https://docs.aws.amazon.com/tag-editor/latest/userguide/best-practices-and-strats.html
const tagsMax = 50

// tagsOf returns present with the tags of a request added. It leaves present
// as it is, because readers may hold it.
func tagsOf(present map[string]string, added []*shape.Value) (map[string]string, error) {
	if len(added) == 0 {
		return present, nil
	}
	tags := maps.Clone(present)
	if tags == nil {
		tags = make(map[string]string, len(added))
	}
	for _, t := range added {
		tags[t.Str("Key")] = t.Str("Value")
	}
	if len(tags) > tagsMax {
		return nil, turnout.Errorf(turnout.CodeLimitExceeded, "The requested resource exceeds the maximum number allowed.")
	}
	return tags, nil
}

// tagged is a resource that can have tags: the bus, or the rule if isRule is set.
type tagged struct {
	bus    turnout.BusName
	rule   turnout.RuleName
	isRule bool
}

// taggedBy returns the resource that an ARN names, in any account of the request's region.
func taggedBy(scope turnout.Scope, arn string) (tagged, error) {
	if rule, ok := turnout.ParseRuleARN(arn); ok && isName(rule.Name) && isBusIn(rule.Bus, scope.Region) {
		return tagged{rule: rule, isRule: true}, nil
	}
	if bus, ok := turnout.ParseBusARN(arn); ok && isBusIn(bus, scope.Region) {
		return tagged{bus: bus}, nil
	}
	if _, ok := turnout.ParseARN(arn); !ok {
		return tagged{}, turnout.Errorf(turnout.CodeValidation, "Parameter ResourceARN is not valid. Reason: Provided Arn is not in correct format.")
	}
	return tagged{}, turnout.Errorf(turnout.CodeNotFound, "Resource %s does not exist: it is not an event bus or a rule in region %s.", arn, scope.Region)
}

// isBusIn reports whether a bus from an ARN can exist in a region; the model
// has no pattern for the ARNs that tags are for.
func isBusIn(bus turnout.BusName, region string) bool {
	return bus.Region == region && isAccount(bus.Account) && busName.Pattern.Match(bus.Name)
}

func isAccount(s string) bool {
	return len(s) == 12 && strings.Trim(s, "0123456789") == ""
}

func (a *api) changeTags(ctx context.Context, t tagged, change func(map[string]string) (map[string]string, error)) error {
	if t.isRule {
		return a.changeRule(ctx, t.rule, func(r *turnout.Rule) (err error) {
			r.Tags, err = change(r.Tags)
			return err
		})
	}
	_, err := a.broker.UpdateBus(ctx, t.bus, func(b *turnout.Bus) (err error) {
		b.Tags, err = change(b.Tags)
		return err
	})
	return err
}

// tagResource serves TagResource.
// https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_TagResource.html
func (a *api) tagResource(ctx context.Context, r *awswire.Request, in *shape.Value) (answer, error) {
	t, err := taggedBy(r.Scope, in.Str("ResourceARN"))
	if err != nil {
		return nil, err
	}
	return nil, a.changeTags(ctx, t, func(present map[string]string) (map[string]string, error) {
		return tagsOf(present, in.List("Tags"))
	})
}

// untagResource serves UntagResource; keys that the resource does not have are ignored.
// https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_UntagResource.html
func (a *api) untagResource(ctx context.Context, r *awswire.Request, in *shape.Value) (answer, error) {
	t, err := taggedBy(r.Scope, in.Str("ResourceARN"))
	if err != nil {
		return nil, err
	}
	return nil, a.changeTags(ctx, t, func(present map[string]string) (map[string]string, error) {
		left := maps.Clone(present)
		for _, key := range in.List("TagKeys") {
			delete(left, key.Text)
		}
		return left, nil
	})
}

// listTagsForResource serves ListTagsForResource: the tags in the order of their keys.
// https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_ListTagsForResource.html
func (a *api) listTagsForResource(ctx context.Context, r *awswire.Request, in *shape.Value) (answer, error) {
	t, err := taggedBy(r.Scope, in.Str("ResourceARN"))
	if err != nil {
		return nil, err
	}
	var tags map[string]string
	if t.isRule {
		var rule turnout.Rule
		rule, err = a.broker.Rule(ctx, t.rule)
		tags = rule.Tags
	} else {
		var bus turnout.Bus
		bus, err = a.broker.Bus(ctx, t.bus)
		tags = bus.Tags
	}
	if err != nil {
		return nil, err
	}
	return func(e *awswire.Encoder) {
		l := awswire.List{JSON: "Tags"}
		e.BeginList(l)
		for _, key := range slices.Sorted(maps.Keys(tags)) {
			e.BeginItem(l)
			e.String("Key", key)
			e.String("Value", tags[key])
			e.EndItem(l)
		}
		e.EndList()
	}, nil
}
