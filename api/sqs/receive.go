package sqs

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/api/awswire"
)

// receiveRequest is a ReceiveMessage as it was asked for.
type receiveRequest struct {
	address    []byte
	max        int
	wait       *int // seconds
	visibility *int // seconds
	attemptID  string
	show       selection
}

// systemAttributes is a set of the attributes that SQS itself gives a message.
type systemAttributes uint16

const (
	showSenderID systemAttributes = 1 << iota
	showFirstReceived
	showReceiveCount
	showSentAt
	showSequenceNumber
	showDeduplicationID
	showGroupID
	showTraceHeader
	showDeadLetterSource
	showAllSystem systemAttributes = 1<<iota - 1
)

// systemAttribute returns the set that a name asks for; a name that SQS does not know asks for nothing.
func systemAttribute(name string) systemAttributes {
	switch name {
	case "All":
		return showAllSystem
	case "SenderId":
		return showSenderID
	case "ApproximateFirstReceiveTimestamp":
		return showFirstReceived
	case "ApproximateReceiveCount":
		return showReceiveCount
	case "SentTimestamp":
		return showSentAt
	case "SequenceNumber":
		return showSequenceNumber
	case "MessageDeduplicationId":
		return showDeduplicationID
	case "MessageGroupId":
		return showGroupID
	case traceHeaderName:
		return showTraceHeader
	case "DeadLetterQueueSourceArn":
		return showDeadLetterSource
	default:
		return 0
	}
}

// selection says which attributes of a message a receiver wants to see.
type selection struct {
	system   systemAttributes
	all      bool     // every user attribute
	names    []string // user attributes by name
	prefixes []string // user attributes by the beginning of their name
}

// addName adds one of MessageAttributeNames: a name, a prefix as in "bar.*", or everything.
func (s *selection) addName(name string) {
	switch {
	case name == "All" || name == "*" || name == ".*":
		s.all = true
	case strings.HasSuffix(name, ".*"):
		s.prefixes = append(s.prefixes, strings.TrimSuffix(name, ".*"))
	default:
		s.names = append(s.names, name)
	}
}

func (s *selection) none() bool { return !s.all && len(s.names) == 0 && len(s.prefixes) == 0 }

func (s *selection) wants(name string) bool {
	return s.all || slices.Contains(s.names, name) ||
		slices.ContainsFunc(s.prefixes, func(prefix string) bool { return strings.HasPrefix(name, prefix) })
}

// user returns the user attributes of m that are wanted, sorted by name.
func (s *selection) user(m *turnout.ReceivedMessage) []turnout.MessageAttribute {
	if s.none() || len(m.Attributes) == 0 {
		return nil
	}
	wanted := m.Attributes
	if !s.all {
		wanted = make([]turnout.MessageAttribute, 0, len(m.Attributes))
		for i := range m.Attributes {
			if s.wants(m.Attributes[i].Name) {
				wanted = append(wanted, m.Attributes[i])
			}
		}
	}
	if !slices.IsSortedFunc(wanted, func(a, b turnout.MessageAttribute) int { return strings.Compare(a.Name, b.Name) }) {
		wanted = slices.Clone(wanted)
		sortAttributes(wanted)
	}
	return wanted
}

func (q *receiveRequest) readJSON(d *awswire.JSONReader) error {
	if d.Object() {
		for {
			key, ok := d.Key()
			if !ok {
				break
			}
			q.readMember(d, key)
		}
	}
	return d.End()
}

func (q *receiveRequest) readMember(d *awswire.JSONReader, key []byte) {
	switch string(key) {
	case "QueueUrl":
		q.address, _ = d.String()
	case "MaxNumberOfMessages":
		if n, ok := d.Int(); ok {
			q.max = n
		}
	case "WaitTimeSeconds":
		q.wait = optionalInt(d)
	case "VisibilityTimeout":
		q.visibility = optionalInt(d)
	case "ReceiveRequestAttemptId":
		q.attemptID, _ = readString(d)
	case "AttributeNames", "MessageSystemAttributeNames":
		// The older and the newer name of one thing; AWS shows what either asks for.
		readNames(d, func(name []byte) { q.show.system |= systemAttribute(string(name)) })
	case "MessageAttributeNames":
		readNames(d, func(name []byte) { q.show.addName(string(name)) })
	default:
		d.Skip()
	}
}

func optionalInt(d *awswire.JSONReader) *int {
	n, ok := d.Int()
	if !ok {
		return nil
	}
	return &n
}

func readNames(d *awswire.JSONReader, add func(name []byte)) {
	if !d.Array() {
		return
	}
	for d.Elem() {
		if name, ok := d.String(); ok {
			add(name)
		}
	}
}

func (q *receiveRequest) readForm(r *awswire.Request) error {
	p := r.Params()
	address, _ := p.String("QueueUrl")
	q.address = []byte(address)
	if n, ok := p.Int("MaxNumberOfMessages"); ok {
		q.max = n
	}
	if n, ok := p.Int("WaitTimeSeconds"); ok {
		q.wait = &n
	}
	if n, ok := p.Int("VisibilityTimeout"); ok {
		q.visibility = &n
	}
	q.attemptID, _ = p.String("ReceiveRequestAttemptId")
	// In this protocol the older name wins alone when it is given.
	system, given := p.Strings("", "AttributeName")
	if !given {
		system, _ = p.Strings("", "MessageSystemAttributeName")
	}
	for _, name := range system {
		q.show.system |= systemAttribute(name)
	}
	user, _ := p.Strings("", "MessageAttributeName")
	for _, name := range user {
		q.show.addName(name)
	}
	return p.Err()
}

// check returns what the request asks of the engine.
func (q *receiveRequest) check(name turnout.QueueName) (turnout.ReceiveOptions, error) {
	o := turnout.ReceiveOptions{Max: q.max, AttemptID: q.attemptID}
	if q.max < 1 || q.max > turnout.BatchEntriesMax {
		return o, invalidParameter("MaxNumberOfMessages", q.max, "Must be between 1 and 10, if provided.")
	}
	var ok bool
	if o.Wait, ok = withinSeconds(q.wait, turnout.ReceiveWaitMax); !ok {
		return o, invalidParameter("WaitTimeSeconds", *q.wait, "Must be >= 0 and <= 20, if provided.")
	}
	if o.Visibility, ok = withinSeconds(q.visibility, turnout.VisibilityTimeoutMax); !ok {
		return o, invalidParameter("VisibilityTimeout", *q.visibility, "Must be >= 0 and <= 43200, if provided.")
	}
	if q.attemptID != "" {
		if !isIDText(q.attemptID) {
			return o, badIDText("ReceiveRequestAttemptId", q.attemptID)
		}
		if !strings.HasSuffix(name.Name, fifoSuffix) {
			return o, invalidParameter("ReceiveRequestAttemptId", q.attemptID, "The request include parameter that is not valid for this queue type.")
		}
	}
	return o, nil
}

func withinSeconds(n *int, highest time.Duration) (*time.Duration, bool) {
	if n == nil {
		return nil, true
	}
	d := time.Duration(*n) * time.Second
	return &d, d >= 0 && d <= highest
}

func (a *API) receiveMessage(ctx context.Context, r *awswire.Request) (awswire.Result, error) {
	q := receiveRequest{max: 1}
	var err error
	if r.Form != nil {
		err = q.readForm(r)
	} else {
		err = q.readJSON(r.JSON())
	}
	if err != nil {
		return nil, err
	}
	name, err := queueOf(r, q.address)
	if err != nil {
		return nil, err
	}
	options, err := q.check(name)
	if err != nil {
		return nil, err
	}
	messages, err := a.engine.Receive(ctx, name, options)
	if err != nil {
		return nil, err
	}
	return &received{messages: messages, show: q.show}, nil
}

// received is the answer to ReceiveMessage.
type received struct {
	messages []turnout.ReceivedMessage
	show     selection
}

// Names of the parts of a received message in each protocol.
//
//nolint:gochecknoglobals // constants
var (
	messageList          = awswire.List{JSON: "Messages", XML: "Message", QueryJSON: "messages"}
	messageAttributesMap = awswire.Map{JSON: "MessageAttributes", XML: "MessageAttribute", Key: "Name", Value: "Value"}
)

// EncodeTo writes the messages; AWS leaves an empty list out.
func (g *received) EncodeTo(e *awswire.Encoder) {
	if len(g.messages) == 0 {
		e.Optional(messageList.QueryJSON, "")
		return
	}
	e.BeginList(messageList)
	for i := range g.messages {
		e.BeginItem(messageList)
		encodeMessage(e, &g.messages[i], &g.show)
		e.EndItem(messageList)
	}
	e.EndList()
}

func encodeMessage(e *awswire.Encoder, m *turnout.ReceivedMessage, show *selection) {
	e.String("MessageId", m.MessageID)
	e.String("ReceiptHandle", m.ReceiptHandle)
	body := digestOf(m.Body)
	body.encode(e, "MD5OfBody")
	e.Text("Body", m.Body)
	if system := show.system & presentSystem(m); system != 0 {
		e.BeginMap(attributesMap)
		encodeSystem(e, m, system)
		e.EndMap()
	} else {
		e.Optional(attributesMap.JSON, "")
	}
	user := show.user(m)
	attributes := digestAttributes(user)
	attributes.encode(e, "MD5OfMessageAttributes")
	if len(user) == 0 {
		e.Optional(messageAttributesMap.JSON, "")
		return
	}
	e.BeginMap(messageAttributesMap)
	for i := range user {
		encodeUserAttribute(e, &user[i])
	}
	e.EndMap()
}

func encodeUserAttribute(e *awswire.Encoder, a *turnout.MessageAttribute) {
	e.BeginEntry(messageAttributesMap, a.Name)
	if strings.HasPrefix(a.Type, typeBinary) {
		e.Bytes("BinaryValue", a.Value)
	} else {
		e.Text("StringValue", a.Value)
	}
	e.String("DataType", a.Type)
	e.EndEntry(messageAttributesMap)
}

// presentSystem returns the system attributes that m has.
func presentSystem(m *turnout.ReceivedMessage) systemAttributes {
	s := showSenderID | showFirstReceived | showReceiveCount | showSentAt
	for _, optional := range []struct {
		value string
		bit   systemAttributes
	}{
		{m.SequenceNumber, showSequenceNumber},
		{m.DeduplicationID, showDeduplicationID},
		{m.GroupID, showGroupID},
		{m.TraceHeader, showTraceHeader},
		{m.DeadLetterSourceARN, showDeadLetterSource},
	} {
		if optional.value != "" {
			s |= optional.bit
		}
	}
	return s
}

// encodeSystem writes the system attributes in show, all of which m has.
func encodeSystem(e *awswire.Encoder, m *turnout.ReceivedMessage, show systemAttributes) {
	if show&showSenderID != 0 {
		e.Entry(attributesMap, "SenderId", m.SenderID)
	}
	if show&showFirstReceived != 0 {
		at := int64(0)
		if !m.FirstReceivedAt.IsZero() { // a peeked message may never have been received
			at = m.FirstReceivedAt.UnixMilli()
		}
		e.EntryInt(attributesMap, "ApproximateFirstReceiveTimestamp", at)
	}
	if show&showReceiveCount != 0 {
		e.EntryInt(attributesMap, "ApproximateReceiveCount", int64(m.ReceiveCount))
	}
	if show&showSentAt != 0 {
		e.EntryInt(attributesMap, "SentTimestamp", m.SentAt.UnixMilli())
	}
	if show&showSequenceNumber != 0 {
		e.Entry(attributesMap, "SequenceNumber", m.SequenceNumber)
	}
	if show&showDeduplicationID != 0 {
		e.Entry(attributesMap, "MessageDeduplicationId", m.DeduplicationID)
	}
	if show&showGroupID != 0 {
		e.Entry(attributesMap, "MessageGroupId", m.GroupID)
	}
	if show&showTraceHeader != 0 {
		e.Entry(attributesMap, traceHeaderName, m.TraceHeader)
	}
	if show&showDeadLetterSource != 0 {
		e.Entry(attributesMap, "DeadLetterQueueSourceArn", m.DeadLetterSourceARN)
	}
}
