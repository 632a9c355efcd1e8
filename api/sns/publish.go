package sns

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/api/awswire"
)

// AWS's limits on what is published.
const (
	subjectMax      = 100 // characters
	idTextMax       = 128 // characters of a group or deduplication id
	entryIDMax      = 80  // characters
	traceHeaderMax  = 500 // bytes
	batchEntry      = "PublishBatchRequestEntries.member"
	noDefault       = "Message Structure - No default entry in JSON message body"
	structureJSON   = "json"
	defaultProtocol = "default"
)

// draft is a message as a request describes it.
type draft struct {
	id        string // of a batch entry
	size      int    // bytes that count towards the limit
	hasDedup  bool
	structure string
	text      string
	message   turnout.TopicMessage
}

// read reads the message below a prefix of the form, and checks it but for
// what depends on the topic. Its attributes name their place as AWS does: at
// member, with its dot, when the message is an entry of a batch.
func (d *draft) read(r *awswire.Request, prefix, member string) error {
	f := r.Form
	if subject, ok := f.Get(prefix + "Subject"); ok {
		if !isSubject(subject) {
			return invalid("Subject")
		}
		d.message.Subject = &subject
	}
	if d.text, _ = f.Get(prefix + "Message"); d.text == "" {
		return invalid("Empty message")
	}
	d.structure, _ = f.Get(prefix + "MessageStructure")
	d.message.GroupID, _ = f.Get(prefix + "MessageGroupId")
	d.message.DeduplicationID, d.hasDedup = f.Get(prefix + "MessageDeduplicationId")
	attributes, err := readAttributes(f, prefix, member)
	if err != nil {
		return err
	}
	d.message.Attributes = attributes
	d.size = len(d.text) + attributesSize(attributes)
	if len(r.TraceHeader) <= traceHeaderMax {
		d.message.TraceHeader = strings.ToValidUTF8(r.TraceHeader, "")
	}
	return nil
}

// isSubject reports whether a text may be a subject: one line of visible characters.
func isSubject(s string) bool {
	return s != "" && utf8.RuneCountInString(s) <= subjectMax && strings.IndexFunc(s, unicode.IsControl) < 0
}

// check checks a message against the kind of topic that it is for, and makes its bodies.
func (d *draft) check(fifo bool) error {
	m := &d.message
	switch {
	case fifo && m.GroupID == "":
		return invalid("The MessageGroupId parameter is required for FIFO topics")
	case !fifo && d.hasDedup:
		return invalid("MessageDeduplicationId Reason: The request includes MessageDeduplicationId parameter that is not valid for this topic type")
	case m.GroupID != "" && !isIDText(m.GroupID):
		return badIDText("MessageGroupId")
	case m.DeduplicationID != "" && !isIDText(m.DeduplicationID):
		return badIDText("MessageDeduplicationId")
	}
	switch d.structure {
	case "":
		m.Bodies = map[string]string{defaultProtocol: d.text}
		return nil
	case structureJSON:
		return d.readStructure()
	default:
		return invalid("MessageStructure")
	}
}

// readStructure reads a message that has a text for each protocol. Values that
// are not text are ignored, and of two equal keys the last one counts, as on AWS.
func (d *draft) readStructure() error {
	var members map[string]json.RawMessage
	if !json.Valid([]byte(d.text)) {
		return invalid("Message Structure - JSON message body failed to parse")
	}
	if err := json.Unmarshal([]byte(d.text), &members); err != nil {
		return invalid(noDefault) // JSON, but not an object
	}
	bodies := make(map[string]string, len(members))
	for protocol, raw := range members {
		var body string
		if raw[0] == '"' && json.Unmarshal(raw, &body) == nil {
			bodies[protocol] = body
		}
	}
	if _, ok := bodies[defaultProtocol]; !ok {
		return invalid(noDefault)
	}
	d.message.Bodies = bodies
	return nil
}

// isIDText reports whether s may be a group or deduplication id.
func isIDText(s string) bool {
	if s == "" || len(s) > idTextMax {
		return false
	}
	for _, c := range []byte(s) {
		if c <= ' ' || c > '~' {
			return false
		}
	}
	return true
}

func badIDText(parameter string) error {
	return invalid("%s Reason: %s can only include alphanumeric and punctuation characters. 1 to 128 in length.", parameter, parameter)
}

// published is the answer to Publish.
type published struct{ turnout.PublishedMessage }

// EncodeTo writes the answer.
func (p *published) EncodeTo(e *awswire.Encoder) {
	e.String("MessageId", p.MessageID)
	if p.SequenceNumber != "" {
		e.String("SequenceNumber", p.SequenceNumber)
	}
}

func (a *API) publish(ctx context.Context, r *awswire.Request) (awswire.Result, error) {
	var d draft
	if err := d.read(r, "", ""); err != nil {
		return nil, err
	}
	if phone, ok := r.Form.Get("PhoneNumber"); ok {
		return nil, refusePhone(phone)
	}
	if d.size > a.cfg.MessageBytesMax {
		return nil, invalid("Message too long")
	}
	topic, err := publishTopic(r)
	if err != nil {
		return nil, err
	}
	if err := d.check(isFIFO(topic.Name)); err != nil {
		return nil, err
	}
	answers, err := a.engine.PublishTopic(ctx, topic, []turnout.TopicMessage{d.message})
	if err != nil {
		return nil, err
	}
	if answers[0].Err != nil {
		return nil, answers[0].Err
	}
	return &published{answers[0]}, nil
}

// publishTopic returns the topic that TopicArn, or in its place TargetArn, names.
func publishTopic(r *awswire.Request) (turnout.TopicName, error) {
	topic, ok := r.Form.Get("TopicArn")
	arn, targeted := r.Form.Get("TargetArn")
	switch {
	case ok && (topic != "" || !targeted):
		return topicOf(r, "TopicArn", topic)
	case !targeted:
		return turnout.TopicName{}, missing("TopicArn or TargetArn")
	case strings.Contains(arn, ":endpoint/"):
		return turnout.TopicName{}, invalid("TargetArn Reason: No endpoint found for the target arn specified")
	}
	return topicOf(r, "TargetArn", arn)
}

// refusePhone refuses to send a text message.
func refusePhone(number string) error {
	if !isPhoneNumber(number) {
		return invalid("PhoneNumber Reason: %s is not valid to publish to", number)
	}
	return turnout.Errorf(turnout.CodeUnsupportedOperation, "Publishing to a phone number is not supported: this server sends no SMS.")
}

// isPhoneNumber reports whether s is a telephone number as E.164 writes it.
func isPhoneNumber(s string) bool {
	digits, ok := strings.CutPrefix(s, "+")
	if !ok || len(digits) < 2 || len(digits) > 15 || digits[0] == '0' {
		return false
	}
	return strings.Trim(digits, "0123456789") == ""
}

func (a *API) publishBatch(ctx context.Context, r *awswire.Request) (awswire.Result, error) {
	topic, err := topicParam(r, "TopicArn")
	if err != nil {
		return nil, err
	}
	entries, err := a.readBatch(r, topic)
	if err != nil {
		return nil, err
	}
	messages := make([]turnout.TopicMessage, len(entries))
	withID := 0
	for i := range entries {
		messages[i] = entries[i].message
		if messages[i].DeduplicationID != "" {
			withID++
		}
	}
	if isFIFO(topic.Name) && withID > 0 && withID < len(entries) {
		if err := a.requireContentDeduplication(ctx, topic); err != nil {
			return nil, err
		}
	}
	answers, err := a.engine.PublishTopic(ctx, topic, messages)
	if err != nil {
		return nil, err
	}
	if err := refusedAlike(answers); err != nil {
		return nil, err
	}
	return &publishedBatch{api: a, entries: entries, answers: answers, protocol: r.Protocol}, nil
}

// requireContentDeduplication refuses a batch of which some entries lack their
// deduplication id as a whole, as AWS does, unless the topic makes ids itself.
// When all lack it the engine finds out, without a second turn.
func (a *API) requireContentDeduplication(ctx context.Context, topic turnout.TopicName) error {
	info, err := a.engine.Topic(ctx, topic)
	if err == nil && !info.Attributes.ContentBasedDeduplication {
		err = invalid("The topic should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly")
	}
	return err
}

// readBatch reads the entries of a batch and checks what makes it fail as a
// whole, which on AWS is everything that a look at the request shows.
func (a *API) readBatch(r *awswire.Request, topic turnout.TopicName) ([]draft, error) {
	names := r.Form.Names(batchEntry)
	switch {
	case len(names) == 0:
		return nil, turnout.Errorf(turnout.CodeBatchEmpty, "The batch request doesn't contain any entries.")
	case len(names) > turnout.BatchEntriesMax:
		return nil, turnout.Errorf(turnout.CodeBatchTooManyEntries, "The batch request contains more entries than permissible.")
	}
	entries := make([]draft, len(names))
	for i, name := range names {
		id, ok := r.Form.Get(name + ".Id")
		if !ok {
			return nil, constraint("null", entryMember(i)+"id", "Member must not be null")
		}
		if err := checkEntryID(id); err != nil {
			return nil, err
		}
		for _, earlier := range entries[:i] {
			if earlier.id == id {
				return nil, turnout.Errorf(turnout.CodeBatchIDsNotDistinct, "Two or more batch entries in the request have the same Id.")
			}
		}
		entries[i].id = id
	}
	total := 0
	for i, name := range names {
		d := &entries[i]
		if err := d.read(r, name+".", entryMember(i)); err != nil {
			return nil, err
		}
		if err := d.check(isFIFO(topic.Name)); err != nil {
			return nil, err
		}
		total += d.size
	}
	if total > a.cfg.MessageBytesMax {
		return nil, turnout.Errorf(turnout.CodeBatchTooLong, "The length of all the messages put together is more than the limit.")
	}
	return entries, nil
}

// entryMember is how AWS's validation names the i-th entry of a batch, with a dot.
func entryMember(i int) string { return "publishBatchRequestEntries." + strconv.Itoa(i+1) + ".member." }

func checkEntryID(id string) error {
	if len(id) > entryIDMax {
		return turnout.Errorf(turnout.CodeBatchIDInvalid, "The Id of a batch entry in the batch request is too long: %s", id)
	}
	permissible := id != ""
	for _, c := range []byte(id) {
		permissible = permissible && (isAlphanumeric(c) || c == '-' || c == '_')
	}
	if !permissible {
		return turnout.Errorf(turnout.CodeBatchIDInvalid, "The Id of a batch entry in the batch request contains an impermissible character: %s", id)
	}
	return nil
}

// refusedAlike returns the error that refused every message, nil when they
// differ or one was published. AWS fails a batch as a whole then.
func refusedAlike(answers []turnout.PublishedMessage) error {
	for i := range answers {
		if answers[i].Err == nil || answers[i].Err.Error() != answers[0].Err.Error() {
			return nil
		}
	}
	return answers[0].Err
}

// publishedBatch is the answer to PublishBatch.
type publishedBatch struct {
	api      *API
	entries  []draft
	answers  []turnout.PublishedMessage
	protocol awswire.Protocol
}

// EncodeTo writes the answer, in which both lists are always there.
func (b *publishedBatch) EncodeTo(e *awswire.Encoder) {
	e.BeginMembers("Failed")
	for i := range b.answers {
		if b.answers[i].Err == nil {
			continue
		}
		refusal, ok := errors.AsType[*turnout.Error](b.answers[i].Err)
		if !ok {
			refusal = &turnout.Error{Code: turnout.CodeInternal}
		}
		w := b.api.wireError(refusal, b.protocol)
		e.BeginMember()
		e.String("Id", b.entries[i].id)
		e.String("Code", w.Shape)
		e.String("Message", w.Message)
		e.Bool("SenderFault", w.Status < http.StatusInternalServerError)
		e.EndMember()
	}
	e.EndMembers("Failed")
	e.BeginMembers("Successful")
	for i := range b.answers {
		if b.answers[i].Err != nil {
			continue
		}
		e.BeginMember()
		e.String("Id", b.entries[i].id)
		(&published{b.answers[i]}).EncodeTo(e)
		e.EndMember()
	}
	e.EndMembers("Successful")
}
