package eventbridge

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/api/awswire"
	"github.com/seed567880c8/turnout/api/eventbridge/internal/paging"
	"github.com/seed567880c8/turnout/api/eventbridge/internal/shape"
)

// putTargets serves PutTargets.
// https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutTargets.html
func (a *api) putTargets(ctx context.Context, r *awswire.Request, in *shape.Value) (answer, error) {
	rule, err := ruleNamed(r.Scope, in.Str("EventBusName"), in.Str("Rule"))
	if err != nil {
		return nil, err
	}
	given := in.List("Targets")
	targets := make([]turnout.Target, len(given))
	ids := make([]string, len(given))
	for i, t := range given {
		if targets[i], err = targetOf(t); err != nil {
			return nil, err
		}
		ids[i] = targets[i].ID
	}
	errs, err := a.broker.PutTargets(ctx, rule, targets)
	if err != nil {
		return nil, err
	}
	return failedEntries(ids, errs), nil
}

// removeTargets serves RemoveTargets. Force concerns rules that a service manages.
// https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_RemoveTargets.html
func (a *api) removeTargets(ctx context.Context, r *awswire.Request, in *shape.Value) (answer, error) {
	rule, err := ruleNamed(r.Scope, in.Str("EventBusName"), in.Str("Rule"))
	if err != nil {
		return nil, err
	}
	given := in.List("Ids")
	ids := make([]string, len(given))
	for i, id := range given {
		ids[i] = id.Text
	}
	errs, err := a.broker.RemoveTargets(ctx, rule, ids)
	if err != nil {
		return nil, managed(err, rule, in)
	}
	return failedEntries(ids, errs), nil
}

// failedEntries is the answer to PutTargets and RemoveTargets.
func failedEntries(ids []string, errs []error) answer {
	return func(e *awswire.Encoder) {
		failed := 0
		l := awswire.List{JSON: "FailedEntries"}
		e.BeginList(l)
		for i, err := range errs {
			if err == nil {
				continue
			}
			failed++
			code, message := entryError(err)
			e.BeginItem(l)
			e.String("TargetId", ids[i])
			e.String("ErrorCode", code)
			e.String("ErrorMessage", message)
			e.EndItem(l)
		}
		e.EndList()
		e.Int("FailedEntryCount", int64(failed))
	}
}

// entryError returns the code and message by which an entry of an answer reports err.
func entryError(err error) (code, message string) {
	e, ok := errors.AsType[*turnout.Error](err)
	if !ok {
		e = turnout.Errorf(turnout.CodeInternal, "")
	}
	w := errorOf(e, awswire.ProtocolJSON)
	return w.Shape, w.Message
}

// targetOf returns the target that a request describes, or the error for which AWS refuses it.
func targetOf(in *shape.Value) (turnout.Target, error) {
	t := turnout.Target{
		ID:             in.Str("Id"),
		ARN:            in.Str("Arn"),
		RoleARN:        in.Str("RoleArn"),
		Input:          in.StrPtr("Input"),
		InputPath:      in.StrPtr("InputPath"),
		MessageGroupID: in.Field("SqsParameters").Str("MessageGroupId"),
		DeadLetterARN:  in.Field("DeadLetterConfig").Str("Arn"),
		Other:          otherParameters(in),
	}
	if tr := in.Field("InputTransformer"); tr != nil {
		t.InputTransformer = &turnout.InputTransformer{Template: tr.Str("InputTemplate")}
		if m := tr.Field("InputPathsMap"); m != nil {
			t.InputTransformer.Paths = make(map[string]string, len(m.Keys))
			for i, key := range m.Keys {
				t.InputTransformer.Paths[key] = m.Items[i].Text
			}
		}
	}
	if p := in.Field("RetryPolicy"); p != nil {
		t.Retry = &turnout.RetryPolicy{}
		if n := p.Field("MaximumRetryAttempts"); n != nil {
			t.Retry.MaximumRetryAttempts = new(int(n.Number))
		}
		if n := p.Field("MaximumEventAgeInSeconds"); n != nil {
			t.Retry.MaximumEventAge = new(time.Duration(n.Number) * time.Second)
		}
	}
	return t, checkTarget(&t)
}

// checkTarget checks what neither the service model nor the broker does.
func checkTarget(t *turnout.Target) error {
	if _, ok := turnout.ParseARN(t.ARN); !ok {
		return turnout.Errorf(turnout.CodeValidation, "Parameter %s is not valid. Reason: Provided Arn is not in correct format.", t.ARN)
	}
	ordered, ok := receiver(t.ARN)
	if !ok {
		// Not an entry of FailedEntries, which many callers never read: their events would go nowhere.
		return turnout.Errorf(turnout.CodeValidation,
			"Parameter %s is not valid. Reason: Turnout delivers to SQS queues, SNS topics, event buses, API destinations and Lambda functions only.", t.ARN)
	}
	if ordered && t.MessageGroupID == "" {
		return turnout.Errorf(turnout.CodeValidation, "Parameter(s) SqsParameters must be specified for target: %s.", t.ID)
	}
	return nil
}

// receiver reports whether Turnout delivers to what an ARN names, and whether
// that is a FIFO queue or topic, to which nothing goes without a message group.
// AWS does not deliver to FIFO topics; here SqsParameters are for both.
func receiver(arn string) (ordered, ok bool) {
	if queue, ok := turnout.ParseQueueARN(arn); ok {
		return strings.HasSuffix(queue.Name, ".fifo"), true
	}
	if topic, ok := turnout.ParseTopicARN(arn); ok {
		return strings.HasSuffix(topic.Name, ".fifo"), true
	}
	if _, ok := turnout.ParseBusARN(arn); ok {
		return false, true
	}
	if _, _, ok := turnout.ParseAPIDestinationARN(arn); ok {
		return false, true
	}
	_, ok = turnout.ParseFunctionARN(arn)
	return false, ok
}

// ownParameters are the members of a target that turnout.Target has fields for.
var ownParameters = []string{
	"Id", "Arn", "RoleArn", "Input", "InputPath", "InputTransformer", "SqsParameters", "DeadLetterConfig", "RetryPolicy",
}

// otherParameters returns the further members of a target as a JSON object, nil if there are none.
func otherParameters(in *shape.Value) []byte {
	dst := []byte{'{'}
	for name, part := range in.Parts {
		if !slices.Contains(ownParameters, name) {
			dst = part.AppendJSON(shape.AppendKey(dst, name))
		}
	}
	if len(dst) == 1 {
		return nil
	}
	return append(dst, '}')
}

// listTargetsByRule serves ListTargetsByRule: the targets in the order of their ids.
// https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_ListTargetsByRule.html
func (a *api) listTargetsByRule(ctx context.Context, r *awswire.Request, in *shape.Value) (answer, error) {
	rule, err := ruleNamed(r.Scope, in.Str("EventBusName"), in.Str("Rule"))
	if err != nil {
		return nil, err
	}
	targets, err := a.broker.Targets(ctx, rule)
	if err != nil {
		return nil, err
	}
	targets = slices.SortedFunc(slices.Values(targets), func(a, b turnout.Target) int { return strings.Compare(a.ID, b.ID) })
	targets, token, err := paging.Page(targets, func(t *turnout.Target) string { return t.ID }, in)
	if err != nil {
		return nil, err
	}
	return func(e *awswire.Encoder) {
		l := awswire.List{JSON: "Targets"}
		e.BeginList(l)
		for i := range targets {
			e.BeginItem(l)
			encodeTarget(e, &targets[i])
			e.EndItem(l)
		}
		e.EndList()
		e.Optional("NextToken", token)
	}, nil
}

func encodeTarget(e *awswire.Encoder, t *turnout.Target) {
	e.String("Id", t.ID)
	e.String("Arn", t.ARN)
	e.Optional("RoleArn", t.RoleARN)
	if t.Input != nil {
		e.String("Input", *t.Input)
	}
	if t.InputPath != nil {
		e.String("InputPath", *t.InputPath)
	}
	if tr := t.InputTransformer; tr != nil {
		e.Begin("InputTransformer")
		encodePaths(e, tr.Paths)
		e.String("InputTemplate", tr.Template)
		e.End("InputTransformer")
	}
	if t.MessageGroupID != "" {
		e.Begin("SqsParameters")
		e.String("MessageGroupId", t.MessageGroupID)
		e.End("SqsParameters")
	}
	if t.DeadLetterARN != "" {
		e.Begin("DeadLetterConfig")
		e.String("Arn", t.DeadLetterARN)
		e.End("DeadLetterConfig")
	}
	encodeRetry(e, t.Retry)
	if len(t.Other) == 0 {
		return
	}
	// Other was written by otherParameters.
	other := awswire.NewJSONReader(t.Other)
	other.Object()
	for {
		key, ok := other.Key()
		if !ok {
			return
		}
		e.Raw(string(key), other.Raw())
	}
}

func encodePaths(e *awswire.Encoder, paths map[string]string) {
	if paths == nil {
		return
	}
	m := awswire.Map{JSON: "InputPathsMap"}
	e.BeginMap(m)
	for _, key := range slices.Sorted(maps.Keys(paths)) {
		e.Entry(m, key, paths[key])
	}
	e.EndMap()
}

func encodeRetry(e *awswire.Encoder, p *turnout.RetryPolicy) {
	if p == nil {
		return
	}
	e.Begin("RetryPolicy")
	if p.MaximumRetryAttempts != nil {
		e.Int("MaximumRetryAttempts", int64(*p.MaximumRetryAttempts))
	}
	if p.MaximumEventAge != nil {
		e.Int("MaximumEventAgeInSeconds", int64(*p.MaximumEventAge/time.Second))
	}
	e.End("RetryPolicy")
}
