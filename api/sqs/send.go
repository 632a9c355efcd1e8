package sqs

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/api/awswire"
)

const sendEntry = "SendMessageBatchRequestEntry"

// check checks a message in itself and returns it as the engine takes it.
func (m *draft) check(r *awswire.Request) (turnout.OutgoingMessage, error) {
	var out turnout.OutgoingMessage
	switch {
	case !isXMLText(m.body):
		return out, turnout.Errorf(turnout.CodeInvalidMessageContents, errMessageCharacter)
	case m.delay < 0 || m.delay > delaySecondsMax:
		return out, invalidParameter("DelaySeconds", m.delay, "DelaySeconds must be >= 0 and <= 900.")
	case m.groupGiven && !isIDText(m.groupID):
		return out, badIDText("MessageGroupId", m.groupID)
	case m.dedupGiven && !isIDText(m.dedupID):
		return out, badIDText("MessageDeduplicationId", m.dedupID)
	}
	if err := m.attributes.sort(); err != nil {
		return out, err
	}
	if m.system.err != nil {
		return out, m.system.err
	}
	out = turnout.OutgoingMessage{
		Body:            m.body,
		Attributes:      m.attributes.kept,
		GroupID:         m.groupID,
		DeduplicationID: m.dedupID,
		SenderID:        r.Account,
	}
	if m.delay > 0 {
		out.Delay = new(time.Duration(m.delay) * time.Second)
	}
	if len(m.system.kept) > 0 {
		out.TraceHeader = string(m.system.kept[0].Value)
	} else if len(r.TraceHeader) <= traceHeaderMax && isXMLText([]byte(r.TraceHeader)) {
		out.TraceHeader = strings.ToValidUTF8(r.TraceHeader, "")
	}
	return out, nil
}

func badIDText(parameter, value string) error {
	return invalidParameter(parameter, value, parameter+" can only include alphanumeric and punctuation characters. 1 to 128 in length.")
}

// receipt is what a sender learns about a message that was sent.
type receipt struct {
	id                       string // of a batch entry
	message                  turnout.SentMessage
	body, attributes, system digest
}

func (m *draft) receipt(sent turnout.SentMessage) receipt {
	return receipt{
		id: m.id, message: sent,
		body: digestOf(m.body), attributes: digestAttributes(m.attributes.kept), system: digestAttributes(m.system.kept),
	}
}

// EncodeTo writes the answer to SendMessage.
func (s *receipt) EncodeTo(e *awswire.Encoder) {
	s.body.encode(e, "MD5OfMessageBody")
	s.attributes.encode(e, "MD5OfMessageAttributes")
	s.system.encode(e, "MD5OfMessageSystemAttributes")
	e.String("MessageId", s.message.MessageID)
	e.Optional("SequenceNumber", s.message.SequenceNumber)
}

func (a *API) sendMessage(ctx context.Context, r *awswire.Request) (awswire.Result, error) {
	var m draft
	address, err := readSendMessage(r, &m)
	if err != nil {
		return nil, err
	}
	name, err := queueOf(r, address)
	if err != nil {
		return nil, err
	}
	if len(m.body) == 0 {
		return nil, missingParameter("MessageBody")
	}
	out, err := m.check(r)
	if err != nil {
		return nil, err
	}
	sent, err := a.engine.Send(ctx, name, []turnout.OutgoingMessage{out})
	if err != nil {
		return nil, err
	}
	if sent[0].Err != nil {
		return nil, sent[0].Err
	}
	return new(m.receipt(sent[0])), nil
}

func readSendMessage(r *awswire.Request, m *draft) (address []byte, err error) {
	if r.Form != nil {
		address, _ = r.Form.Bytes("QueueUrl")
		return address, m.readForm(r.Form, "")
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
			} else if !m.readJSON(d, key) {
				d.Skip()
			}
		}
	}
	return address, d.End()
}

// sendBatch is a SendMessageBatch on its way.
type sendBatch struct {
	address []byte
	entries [turnout.BatchEntriesMax]draft
	count   int // of entries in the request; may exceed the length of entries
}

func (b *sendBatch) read(r *awswire.Request) error {
	if r.Form != nil {
		return b.readForm(r.Form)
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
				b.address, _ = d.String()
			case "Entries":
				b.count = readEntries(d, func(i int, key []byte) {
					if !b.entries[i].readJSON(d, key) {
						d.Skip()
					}
				})
			default:
				d.Skip()
			}
		}
	}
	return d.End()
}

func (b *sendBatch) readForm(f *awswire.Form) error {
	b.address, _ = f.Bytes("QueueUrl")
	names := f.Names(sendEntry)
	b.count = len(names)
	for i, name := range names[:min(len(names), len(b.entries))] {
		if err := b.entries[i].readForm(f, name+"."); err != nil {
			return err
		}
	}
	return nil
}

// sizeBytes is what SQS counts of a message: body, and attribute names, types and values.
func (m *draft) sizeBytes() int {
	n := len(m.body)
	for i := range m.attributes.kept {
		a := &m.attributes.kept[i]
		n += len(a.Name) + len(a.Type) + len(a.Value)
	}
	return n
}

// check checks what makes the whole batch fail.
func (b *sendBatch) check() error {
	var ids [turnout.BatchEntriesMax]entryID
	total := 0
	entries := b.entries[:min(b.count, len(b.entries))]
	for i := range entries {
		ids[i] = entryID{entries[i].id, entries[i].idGiven}
		total += entries[i].sizeBytes()
	}
	if err := checkBatch(sendEntry, b.count, ids[:len(entries)]); err != nil {
		return err
	}
	if total > turnout.MessageSizeMaxBytes {
		return turnout.Errorf(turnout.CodeBatchTooLong, "Batch requests cannot be longer than %d bytes. You have sent %d bytes.", turnout.MessageSizeMaxBytes, total)
	}
	return nil
}

// sendBatchResult is the answer to SendMessageBatch.
type sendBatchResult struct {
	sent   []receipt
	failed []failure
}

// sentList names the accepted entries of a batch in each protocol.
//
//nolint:gochecknoglobals // constant
var sentList = awswire.List{JSON: "Successful", XML: "SendMessageBatchResultEntry", QueryJSON: "Successful"}

// EncodeTo writes the answer; AWS leaves empty lists out.
func (b *sendBatchResult) EncodeTo(e *awswire.Encoder) {
	if len(b.sent) > 0 {
		e.BeginList(sentList)
		for i := range b.sent {
			s := &b.sent[i]
			e.BeginItem(sentList)
			e.String("Id", s.id)
			e.String("MessageId", s.message.MessageID)
			s.body.encode(e, "MD5OfMessageBody")
			s.attributes.encode(e, "MD5OfMessageAttributes")
			s.system.encode(e, "MD5OfMessageSystemAttributes")
			e.Optional("SequenceNumber", s.message.SequenceNumber)
			e.EndItem(sentList)
		}
		e.EndList()
	}
	encodeFailures(e, b.failed)
}

func (a *API) sendMessageBatch(ctx context.Context, r *awswire.Request) (awswire.Result, error) {
	var b sendBatch
	if err := b.read(r); err != nil {
		return nil, err
	}
	name, err := queueOf(r, b.address)
	if err != nil {
		return nil, err
	}
	if err := b.check(); err != nil {
		return nil, err
	}
	entries := b.entries[:b.count]
	fifo := strings.HasSuffix(name.Name, fifoSuffix)
	if fifo {
		if err := a.checkFIFOBatch(ctx, name, entries); err != nil {
			return nil, err
		}
	}
	result := &sendBatchResult{}
	messages := make([]turnout.OutgoingMessage, 0, len(entries))
	var accepted [turnout.BatchEntriesMax]int // index of each message's entry
	for i := range entries {
		message, err := entries[i].checkEntry(r, i)
		if err != nil {
			result.failed = append(result.failed, a.fail(entries[i].id, r.Protocol, err))
			continue
		}
		accepted[len(messages)] = i
		messages = append(messages, message)
	}
	if len(messages) == 0 {
		_, err := a.engine.Queue(ctx, name) // a queue that does not exist is the worse fault
		return result, err
	}
	sent, err := a.engine.Send(ctx, name, messages)
	if err != nil {
		return nil, err
	}
	if fifo && len(sent) == len(entries) {
		if err := refusedAlike(sent); err != nil {
			return nil, err
		}
	}
	result.sent = make([]receipt, 0, len(sent))
	for i := range sent {
		m := &entries[accepted[i]]
		if sent[i].Err != nil {
			result.failed = append(result.failed, a.fail(m.id, r.Protocol, entryError(sent[i].Err)))
			continue
		}
		result.sent = append(result.sent, m.receipt(sent[i]))
	}
	return result, nil
}

// checkEntry is check for a batch entry, whose missing body AWS names with its place.
func (m *draft) checkEntry(r *awswire.Request, i int) (turnout.OutgoingMessage, error) {
	if len(m.body) == 0 {
		return turnout.OutgoingMessage{}, missingParameter(sendEntry + "." + strconv.Itoa(i+1) + ".MessageBody")
	}
	return m.check(r)
}

// entryError words the engine's refusal of a message as AWS does for a batch entry.
func entryError(err error) error {
	e, ok := err.(*turnout.Error) //nolint:errorlint // only the engine's own error is reworded, not one that wraps it
	if !ok || e.Code != turnout.CodeInvalidParameter {
		return err
	}
	rest, ok := strings.CutPrefix(e.Message, "One or more parameters are invalid.")
	if !ok {
		return err
	}
	return turnout.Errorf(e.Code, "One or more parameters cannot be validated.%s", rest)
}

// checkFIFOBatch refuses a batch for a FIFO queue as a whole when an entry
// lacks its message group or its deduplication id, as AWS does. When no entry
// has an id the engine finds out; asking it first would cost every batch of a
// queue with content-based deduplication a second turn.
func (a *API) checkFIFOBatch(ctx context.Context, name turnout.QueueName, entries []draft) error {
	noGroup, noID := false, 0
	for i := range entries {
		noGroup = noGroup || !entries[i].groupGiven
		if !entries[i].dedupGiven {
			noID++
		}
	}
	if !noGroup && (noID == 0 || noID == len(entries)) {
		return nil
	}
	info, err := a.engine.Queue(ctx, name)
	switch {
	case err != nil:
		return err
	case noGroup:
		return turnout.Errorf(turnout.CodeInvalidParameter, "The request must contain the parameter MessageGroupId.")
	case !info.Attributes.ContentBasedDeduplication:
		return turnout.Errorf(turnout.CodeInvalidParameter,
			"The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly")
	}
	return nil
}

// refusedAlike returns the error that refused every message, nil when they
// differ or one was sent. AWS fails a batch for a FIFO queue as a whole then.
func refusedAlike(sent []turnout.SentMessage) error {
	for i := range sent {
		if sent[i].Err == nil || sent[i].Err.Error() != sent[0].Err.Error() {
			return nil
		}
	}
	return sent[0].Err
}
