package sqs

import (
	"context"
	"strings"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/api/awswire"
)

// What AWS calls an entry of the two batches that take receipt handles.
const (
	deleteEntry     = "DeleteMessageBatchRequestEntry"
	visibilityEntry = "ChangeMessageVisibilityBatchRequestEntry"
)

// handleRequest is what is asked for one message in flight.
type handleRequest struct {
	id         entryID // of a batch entry
	handle     string
	visibility *int // seconds
}

func (h *handleRequest) readJSON(d *awswire.JSONReader, key []byte) {
	switch string(key) {
	case "Id":
		h.id.id, h.id.given = readString(d)
	case "ReceiptHandle":
		h.handle, _ = readString(d)
	case "VisibilityTimeout":
		h.visibility = optionalInt(d)
	default:
		d.Skip()
	}
}

func (h *handleRequest) readForm(f *awswire.Form, prefix string) error {
	h.id.id, h.id.given = f.Get(prefix + "Id")
	h.handle, _ = f.Get(prefix + "ReceiptHandle")
	text, ok := f.Get(prefix + "VisibilityTimeout")
	if !ok || text == "" {
		return nil
	}
	n, err := awswire.ParseFormInt(text)
	h.visibility = &n
	return err
}

// change returns the visibility change that is asked for. The two operations word a bad timeout differently.
func (h *handleRequest) change(reason string) (turnout.VisibilityChange, error) {
	c := turnout.VisibilityChange{ReceiptHandle: h.handle}
	if h.visibility == nil {
		return c, missingParameter("VisibilityTimeout")
	}
	timeout, ok := withinSeconds(h.visibility, turnout.VisibilityTimeoutMax)
	if !ok {
		return c, invalidParameter("VisibilityTimeout", *h.visibility, reason)
	}
	c.Timeout = *timeout
	return c, nil
}

func (h *handleRequest) checkHandle() error {
	if strings.TrimSpace(h.handle) == "" {
		return missingParameter("ReceiptHandle")
	}
	return nil
}

// readHandle reads a request for one message.
func readHandle(r *awswire.Request) (name turnout.QueueName, h handleRequest, err error) {
	address, err := h.read(r)
	if err == nil {
		name, err = queueOf(r, address)
	}
	if err == nil {
		err = h.checkHandle()
	}
	return name, h, err
}

// read reads a request that is not a batch, and returns its QueueUrl.
func (h *handleRequest) read(r *awswire.Request) (address []byte, err error) {
	if r.Form != nil {
		address, _ = r.Form.Bytes("QueueUrl")
		return address, h.readForm(r.Form, "")
	}
	d := r.JSON()
	if d.Object() {
		for {
			key, ok := d.Key()
			if !ok {
				break
			}
			if string(key) == "QueueUrl" {
				address, _ = d.String()
			} else {
				h.readJSON(d, key)
			}
		}
	}
	return address, d.End()
}

func (a *API) deleteMessage(ctx context.Context, r *awswire.Request) (awswire.Result, error) {
	name, h, err := readHandle(r)
	if err != nil {
		return nil, err
	}
	errs, err := a.engine.Delete(ctx, name, []string{h.handle})
	if err == nil {
		err = errs[0]
	}
	return nil, err
}

func (a *API) changeMessageVisibility(ctx context.Context, r *awswire.Request) (awswire.Result, error) {
	name, h, err := readHandle(r)
	if err != nil {
		return nil, err
	}
	change, err := h.change("Must be between 0 and 43200.")
	if err != nil {
		return nil, err
	}
	errs, err := a.engine.ChangeVisibility(ctx, name, []turnout.VisibilityChange{change})
	if err == nil {
		err = errs[0]
	}
	return nil, err
}

// handleBatch is a batch of requests for messages in flight.
type handleBatch struct {
	name    turnout.QueueName
	entries [turnout.BatchEntriesMax]handleRequest
	count   int
}

// readHandleBatch reads and checks a batch whose entries AWS calls entry.
func readHandleBatch(r *awswire.Request, entry string) (*handleBatch, error) {
	b := &handleBatch{}
	address, err := b.read(r, entry)
	if err != nil {
		return nil, err
	}
	if b.name, err = queueOf(r, address); err != nil {
		return nil, err
	}
	var ids [turnout.BatchEntriesMax]entryID
	for i := range b.entries {
		ids[i] = b.entries[i].id
	}
	return b, checkBatch(entry, b.count, ids[:min(b.count, len(ids))])
}

func (b *handleBatch) read(r *awswire.Request, entry string) (address []byte, err error) {
	if r.Form != nil {
		address, _ = r.Form.Bytes("QueueUrl")
		names := r.Form.Names(entry)
		b.count = len(names)
		for i, name := range names[:min(len(names), len(b.entries))] {
			if err := b.entries[i].readForm(r.Form, name+"."); err != nil {
				return nil, err
			}
		}
		return address, nil
	}
	d := r.JSON()
	if d.Object() {
		for {
			key, ok := d.Key()
			if !ok {
				break
			}
			switch string(key) {
			case "QueueUrl":
				address, _ = d.String()
			case "Entries":
				b.count = readEntries(d, func(i int, key []byte) { b.entries[i].readJSON(d, key) })
			default:
				d.Skip()
			}
		}
	}
	return address, d.End()
}

// handleBatchResult is the answer to a batch of requests for messages in flight.
type handleBatchResult struct {
	list   awswire.List
	done   []string // ids of the entries
	failed []failure
}

// EncodeTo writes the answer; AWS leaves empty lists out.
func (b *handleBatchResult) EncodeTo(e *awswire.Encoder) {
	if len(b.done) > 0 {
		e.BeginList(b.list)
		for _, id := range b.done {
			e.BeginItem(b.list)
			e.String("Id", id)
			e.EndItem(b.list)
		}
		e.EndList()
	}
	encodeFailures(e, b.failed)
}

// settle sorts the entries that were sent to the engine into done and failed.
func (b *handleBatch) settle(a *API, p awswire.Protocol, result *handleBatchResult, asked []int, errs []error) {
	for i, err := range errs {
		id := b.entries[asked[i]].id.id
		if err != nil {
			result.failed = append(result.failed, a.fail(id, p, err))
		} else {
			result.done = append(result.done, id)
		}
	}
}

func (a *API) deleteMessageBatch(ctx context.Context, r *awswire.Request) (awswire.Result, error) {
	b, err := readHandleBatch(r, deleteEntry)
	if err != nil {
		return nil, err
	}
	result := &handleBatchResult{list: awswire.List{JSON: "Successful", XML: "DeleteMessageBatchResultEntry", QueryJSON: "Successful"}}
	handles := make([]string, 0, b.count)
	asked := make([]int, 0, b.count)
	for i := range b.entries[:b.count] {
		if err := b.entries[i].checkHandle(); err != nil {
			result.failed = append(result.failed, a.fail(b.entries[i].id.id, r.Protocol, err))
			continue
		}
		handles, asked = append(handles, b.entries[i].handle), append(asked, i)
	}
	errs, err := a.engine.Delete(ctx, b.name, handles)
	if err != nil {
		return nil, err
	}
	b.settle(a, r.Protocol, result, asked, errs)
	return result, nil
}

func (a *API) changeMessageVisibilityBatch(ctx context.Context, r *awswire.Request) (awswire.Result, error) {
	b, err := readHandleBatch(r, visibilityEntry)
	if err != nil {
		return nil, err
	}
	result := &handleBatchResult{list: awswire.List{JSON: "Successful", XML: "ChangeMessageVisibilityBatchResultEntry", QueryJSON: "Successful"}}
	changes := make([]turnout.VisibilityChange, 0, b.count)
	asked := make([]int, 0, b.count)
	for i := range b.entries[:b.count] {
		h := &b.entries[i]
		change, err := h.change("VisibilityTimeout must be an integer between 0 and 43200.")
		if missing := h.checkHandle(); missing != nil {
			err = missing
		}
		if err != nil {
			result.failed = append(result.failed, a.fail(h.id.id, r.Protocol, err))
			continue
		}
		changes, asked = append(changes, change), append(asked, i)
	}
	errs, err := a.engine.ChangeVisibility(ctx, b.name, changes)
	if err != nil {
		return nil, err
	}
	b.settle(a, r.Protocol, result, asked, errs)
	return result, nil
}
