package sqs

import (
	"context"
	"encoding/base64"
	"encoding/json"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/api/awswire"
)

// AWS's limits on message move tasks.
const (
	movePerSecondMax = 500
	moveListMax      = 10
)

// moveResults names the list of move tasks in each protocol.
//
//nolint:gochecknoglobals // constant
var moveResults = awswire.List{JSON: "Results", XML: "ListMessageMoveTasksResultEntry", QueryJSON: "Results"}

// taskHandle is what a TaskHandle holds, in base64.
type taskHandle struct {
	TaskID    string `json:"taskId"`
	SourceARN string `json:"sourceArn"`
}

func encodeTaskHandle(t *turnout.MoveTask) string {
	b := awswire.AppendJSONString([]byte(`{"taskId":`), t.ID)
	b = awswire.AppendJSONString(append(b, `,"sourceArn":`...), t.Source.ARN())
	return base64.StdEncoding.EncodeToString(append(b, '}'))
}

// decodeTaskHandle returns the task's source and id.
func decodeTaskHandle(s string) (source turnout.QueueName, id string, ok bool) {
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		return source, "", false
	}
	var h taskHandle
	if json.Unmarshal(b, &h) != nil || h.TaskID == "" {
		return source, "", false
	}
	source, ok = turnout.ParseQueueARN(h.SourceARN)
	return source, h.TaskID, ok
}

// queueARN reads a parameter that names a queue of the request's region by its ARN.
func queueARN(r *awswire.Request, p *awswire.Params, name string) (q turnout.QueueName, given bool, err error) {
	arn, _ := p.String(name)
	if err := p.Err(); err != nil || arn == "" {
		return q, false, err
	}
	q, ok := turnout.ParseQueueARN(arn)
	if !ok {
		return q, true, turnout.Errorf(turnout.CodeInvalidParameter,
			"You must use this format to specify the %s: arn:<partition>:<service>:<region>:<account-id>:<resource-id>", name)
	}
	if q.Region != r.Region {
		return q, true, turnout.Errorf(turnout.CodeNotFound, "The resource that you specified for the %s parameter doesn't exist.", name)
	}
	return q, true, nil
}

func sourceARN(r *awswire.Request, p *awswire.Params) (turnout.QueueName, error) {
	source, given, err := queueARN(r, p, "SourceArn")
	if err == nil && !given {
		err = missingParameter("SourceArn")
	}
	return source, err
}

func (a *API) startMessageMoveTask(ctx context.Context, r *awswire.Request) (awswire.Result, error) {
	p := r.Params()
	source, err := sourceARN(r, p)
	if err != nil {
		return nil, err
	}
	destination, toOne, err := queueARN(r, p, "DestinationArn")
	if err != nil {
		return nil, err
	}
	rate, limited := p.Int("MaxNumberOfMessagesPerSecond")
	if err := p.Err(); err != nil {
		return nil, err
	}
	if limited && (rate < 1 || rate > movePerSecondMax) {
		return nil, invalidParameter("MaxNumberOfMessagesPerSecond", rate, "You must specify a value between 1 and 500.")
	}
	spec := turnout.MoveTaskSpec{Source: source, PerSecondMax: rate}
	if toOne {
		spec.Destination = &destination
	}
	task, err := a.engine.StartMoveTask(ctx, spec)
	if err != nil {
		return nil, err
	}
	return resultFunc(func(e *awswire.Encoder) { e.String("TaskHandle", encodeTaskHandle(&task)) }), nil
}

func (a *API) cancelMessageMoveTask(ctx context.Context, r *awswire.Request) (awswire.Result, error) {
	p := r.Params()
	handle, _ := p.String("TaskHandle")
	if err := p.Err(); err != nil {
		return nil, err
	}
	if handle == "" {
		return nil, missingParameter("TaskHandle")
	}
	source, id, ok := decodeTaskHandle(handle)
	if !ok {
		return nil, turnout.Errorf(turnout.CodeInvalidParameter, "Value for parameter TaskHandle is invalid.")
	}
	moved, err := a.engine.CancelMoveTask(ctx, source, id)
	if err != nil {
		return nil, err
	}
	return resultFunc(func(e *awswire.Encoder) { e.Int("ApproximateNumberOfMessagesMoved", moved) }), nil
}

func (a *API) listMessageMoveTasks(ctx context.Context, r *awswire.Request) (awswire.Result, error) {
	p := r.Params()
	source, err := sourceARN(r, p)
	if err != nil {
		return nil, err
	}
	n, given := p.Int("MaxResults")
	if err := p.Err(); err != nil {
		return nil, err
	}
	if !given {
		n = 1
	}
	if n < 1 || n > moveListMax {
		return nil, invalidParameter("MaxResults", n, "You must specify a value between 1 and 10.")
	}
	tasks, err := a.engine.MoveTasks(ctx, source)
	if err != nil {
		return nil, err
	}
	tasks = tasks[:min(n, len(tasks))]
	return resultFunc(func(e *awswire.Encoder) {
		e.BeginList(moveResults)
		for i := range tasks {
			e.BeginItem(moveResults)
			encodeMoveTask(e, &tasks[i])
			e.EndItem(moveResults)
		}
		e.EndList()
	}), nil
}

// encodeMoveTask writes one task. Only a running one can be cancelled, so only it shows its handle.
func encodeMoveTask(e *awswire.Encoder, t *turnout.MoveTask) {
	if t.Status == turnout.MoveRunning {
		e.String("TaskHandle", encodeTaskHandle(t))
	}
	e.String("Status", string(t.Status))
	e.String("SourceArn", t.Source.ARN())
	if t.Destination != nil {
		e.String("DestinationArn", t.Destination.ARN())
	}
	if t.PerSecondMax > 0 {
		e.Int("MaxNumberOfMessagesPerSecond", int64(t.PerSecondMax))
	}
	e.Int("ApproximateNumberOfMessagesMoved", t.Moved)
	e.Int("ApproximateNumberOfMessagesToMove", t.ToMove)
	e.Optional("FailureReason", t.FailureReason)
	e.Int("StartedTimestamp", t.StartedAt.UnixMilli())
}
