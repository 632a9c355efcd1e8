package broker_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/broker"
)

func TestTargetsGetWhatTheirInputSays(t *testing.T) {
	t.Parallel()
	n := start(t, broker.Config{})
	n.queue("constant", "whole", "part", "template", "dlq")
	constant, whole, part, template := toQueue("constant"), toQueue("whole"), toQueue("part"), toQueue("template")
	constant.Input, whole.InputPath, part.InputPath = new(`{"fixed": true}`), new("$"), new("$.detail.name")
	template.InputTransformer = &turnout.InputTransformer{
		Paths:    map[string]string{"n": "$.detail.n"},
		Template: `{"n":<n>,"rule":"<aws.events.rule-name>","arn":<aws.events.rule-arn>,"at":<aws.events.event.ingestion-time>}`,
	}
	for _, target := range []*turnout.Target{&constant, &whole, &part, &template} {
		target.DeadLetterARN = queueNamed("dlq").ARN()
	}
	n.rule(ruleNamed("default", "r"), `{"source":["test"]}`, constant, whole, part, template)
	before := time.Now().UTC().Truncate(time.Second)
	sent := n.publish(entry("default", `{"n":[1],"name":"x"}`))
	body := func(queue string) string {
		got := n.take(queue)
		require.Len(t, got, 1, queue)
		return string(got[0].Body)
	}
	require.JSONEq(t, `{"fixed":true}`, body("constant"))
	require.Equal(t, sent, ids(t, n.take("whole")))
	require.Equal(t, `"x"`, body("part"))
	require.Regexp(t, `^{"n":\[1\],"rule":"r","arn":"arn:aws:events:us-east-1:000000000000:rule/r","at":"(.*)"}$`, n.peek("template"))
	_, at, _ := cutAround(body("template"), `"at":"`, `"}`)
	accepted, err := time.Parse(time.RFC3339, at)
	require.NoError(t, err)
	require.WithinRange(t, accepted, before, time.Now())
	require.Equal(t, 1, n.bodies(), "only the event as it is refers to the stored body")

	sent = n.publish(entry("default", `{"n":1}`))
	dead := n.take("dlq")
	require.Len(t, dead, 1)
	require.Equal(t, sent, ids(t, dead), "the dead letter is the event, not the input")
	require.Equal(t, "INVALID_PARAMETER", attributes(dead[0])["ERROR_CODE"])
	require.Equal(t, "target t2: input path selects nothing in the event: $.detail.name", attributes(dead[0])["ERROR_MESSAGE"])
}

func TestATemplateThatMakesNoJSONIsADeadLetter(t *testing.T) {
	t.Parallel()
	n := start(t, broker.Config{})
	n.queue("q", "dlq")
	target := toQueue("q")
	target.DeadLetterARN = queueNamed("dlq").ARN()
	target.InputTransformer = &turnout.InputTransformer{Paths: map[string]string{"o": "$.detail"}, Template: `{"text":"is <o>"}`}
	n.rule(ruleNamed("default", "r"), `{"source":["test"]}`, target)
	n.publish(entry("default", `{"a":"b"}`))
	require.Empty(t, n.take("q"))
	dead := n.take("dlq")
	require.Len(t, dead, 1)
	require.Equal(t, "INVALID_JSON", attributes(dead[0])["ERROR_CODE"])
}

func TestPutTargetsChecksInputsAsAWSDoes(t *testing.T) {
	t.Parallel()
	n := start(t, broker.Config{})
	r := ruleNamed("default", "r")
	n.rule(r, `{"source":["x"]}`)
	queue := queueNamed("q").ARN()
	put := func(target turnout.Target) error {
		target.ID = "id"
		errs, err := n.PutTargets(t.Context(), r, []turnout.Target{target})
		if err == nil {
			err = errs[0]
		}
		return err
	}
	refused(t, turnout.CodeValidation, "InputTemplate for target id contains invalid placeholder notdefinedkey.",
		put(turnout.Target{ARN: queue, InputTransformer: &turnout.InputTransformer{Template: `{"a":<notdefinedkey>}`}}))
	refused(t, turnout.CodeValidation, "Only one of Input, InputPath, or InputTransformer must be provided for target id.",
		put(turnout.Target{ARN: queue, Input: new("{}"), InputPath: new("$")}))
	refused(t, turnout.CodeUnsupportedOperation,
		"Turnout delivers events to event buses as they are: target id must not have Input, InputPath or InputTransformer.",
		put(turnout.Target{ARN: busNamed("b").ARN(), InputPath: new("$.detail")}))
	for _, group := range []string{"$.", "$[", "has space", "ü"} {
		require.Equal(t, turnout.CodeValidation, codeOf(t, put(turnout.Target{ARN: queueNamed("q.fifo").ARN(), MessageGroupID: group})), group)
	}
	targets, err := n.Targets(t.Context(), r)
	require.NoError(t, err)
	require.Empty(t, targets, "what is refused changes nothing")
}
