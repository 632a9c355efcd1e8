package sqs

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/api/awswire"
)

// attributesMap names the attributes of a queue, or the system attributes of a message, in each protocol.
//
//nolint:gochecknoglobals // constant
var attributesMap = awswire.Map{JSON: "Attributes", XML: "Attribute", Key: "Name", Value: "Value"}

// attribute is one attribute of a queue that a caller may set.
type attribute struct {
	// set parses value into a. It returns an error without changing a.
	set func(a *turnout.QueueAttributes, value string) error
	// get returns the value as AWS shows it; shown is false when the queue does not have the attribute.
	get func(a *turnout.QueueAttributes) (value string, shown bool)
	// fifoOnly refuses the attribute for a standard queue, with the text returned.
	fifoOnly func(name string) error
}

// seconds is an attribute that counts seconds, lowest to highest.
func seconds(field func(*turnout.QueueAttributes) *time.Duration, lowest, highest time.Duration) attribute {
	return attribute{
		set: func(a *turnout.QueueAttributes, value string) error {
			n, ok := parseInt(value, int(lowest/time.Second), int(highest/time.Second))
			if !ok {
				return errBadValue
			}
			*field(a) = time.Duration(n) * time.Second
			return nil
		},
		get: func(a *turnout.QueueAttributes) (string, bool) {
			return strconv.FormatInt(int64(*field(a)/time.Second), 10), true
		},
	}
}

// fifoScope is an attribute of a FIFO queue that is counted for the queue or for each message group.
func fifoScope(field func(*turnout.QueueAttributes) *turnout.FIFOScope, queue, group string) attribute {
	return attribute{
		set: func(a *turnout.QueueAttributes, value string) error {
			switch value {
			case queue:
				*field(a) = turnout.PerQueue
			case group:
				*field(a) = turnout.PerMessageGroup
			default:
				return errBadValue
			}
			return nil
		},
		get: func(a *turnout.QueueAttributes) (string, bool) {
			if *field(a) == turnout.PerMessageGroup {
				return group, a.FIFO
			}
			return queue, a.FIFO
		},
		fifoOnly: func(name string) error {
			return turnout.Errorf(turnout.CodeInvalidAttributeName, "You can specify the %s only when FifoQueue is set to true.", name)
		},
	}
}

// errBadValue asks the caller to word the error: AWS's text says no more than the attribute's name.
var errBadValue = turnout.Errorf(turnout.CodeInvalidAttributeValue, "Invalid value.")

// settable holds the attributes that a caller may set, but for FifoQueue,
// which is settled when a queue is created.
var settable = map[string]attribute{
	"VisibilityTimeout": seconds(func(a *turnout.QueueAttributes) *time.Duration { return &a.VisibilityTimeout }, 0, turnout.VisibilityTimeoutMax),
	"DelaySeconds":      seconds(func(a *turnout.QueueAttributes) *time.Duration { return &a.Delay }, 0, turnout.DelayMax),
	"MessageRetentionPeriod": seconds(func(a *turnout.QueueAttributes) *time.Duration { return &a.Retention },
		turnout.RetentionMin, turnout.RetentionMax),
	"ReceiveMessageWaitTimeSeconds": seconds(func(a *turnout.QueueAttributes) *time.Duration { return &a.ReceiveWait }, 0, turnout.ReceiveWaitMax),
	"MaximumMessageSize":            {set: setMessageSize, get: func(a *turnout.QueueAttributes) (string, bool) { return strconv.Itoa(a.MessageSizeMaxBytes), true }},
	"Policy":                        {set: setPolicy, get: func(a *turnout.QueueAttributes) (string, bool) { return a.Policy, a.Policy != "" }},
	"RedrivePolicy":                 {set: setRedrive, get: getRedrive},
	"RedriveAllowPolicy":            {set: setRedriveAllow, get: getRedriveAllow},
	"KmsMasterKeyId":                {set: setKMSKey, get: func(a *turnout.QueueAttributes) (string, bool) { return a.KMSKeyID, a.KMSKeyID != "" }},
	"KmsDataKeyReusePeriodSeconds":  kmsReuse(),
	"SqsManagedSseEnabled":          {set: setManagedSSE, get: func(a *turnout.QueueAttributes) (string, bool) { return strconv.FormatBool(a.SQSManagedSSE), true }},
	"ContentBasedDeduplication": {
		set: setContentBased,
		get: func(a *turnout.QueueAttributes) (string, bool) {
			return strconv.FormatBool(a.ContentBasedDeduplication), a.FIFO
		},
		fifoOnly: errUnknownAttribute,
	},
	"DeduplicationScope": fifoScope(func(a *turnout.QueueAttributes) *turnout.FIFOScope { return &a.DeduplicationScope },
		"queue", "messageGroup"),
	"FifoThroughputLimit": fifoScope(func(a *turnout.QueueAttributes) *turnout.FIFOScope { return &a.ThroughputLimit },
		"perQueue", "perMessageGroupId"),
}

// computed holds the attributes that a caller can only read.
var computed = map[string]func(i *turnout.QueueInfo) string{
	"QueueArn":                              func(i *turnout.QueueInfo) string { return i.ARN() },
	"CreatedTimestamp":                      func(i *turnout.QueueInfo) string { return strconv.FormatInt(i.CreatedAt.Unix(), 10) },
	"LastModifiedTimestamp":                 func(i *turnout.QueueInfo) string { return strconv.FormatInt(i.ModifiedAt.Unix(), 10) },
	"ApproximateNumberOfMessages":           func(i *turnout.QueueInfo) string { return strconv.FormatInt(i.Depth.Visible, 10) },
	"ApproximateNumberOfMessagesNotVisible": func(i *turnout.QueueInfo) string { return strconv.FormatInt(i.Depth.InFlight, 10) },
	"ApproximateNumberOfMessagesDelayed":    func(i *turnout.QueueInfo) string { return strconv.FormatInt(i.Depth.Delayed, 10) },
}

const fifoQueue = "FifoQueue"

func errUnknownAttribute(name string) error {
	return turnout.Errorf(turnout.CodeInvalidAttributeName, "Unknown Attribute %s.", name)
}

func errAttributeValue(name, reason string) error {
	text := "Invalid value for the parameter " + name + "."
	if reason != "" {
		text += " Reason: " + reason
	}
	return turnout.Errorf(turnout.CodeInvalidAttributeValue, "%s", text)
}

// parseInt parses a number of digits alone, lowest to highest.
func parseInt(s string, lowest, highest int) (int, bool) {
	n, err := strconv.Atoi(s)
	return n, err == nil && strings.Trim(s, "0123456789") == "" && n >= lowest && n <= highest
}

// parseBool takes true and false in any case, as AWS does.
func parseBool(s string) (v, ok bool) {
	switch strings.ToLower(s) {
	case "true":
		return true, true
	case "false":
		return false, true
	default:
		return false, false
	}
}

func setMessageSize(a *turnout.QueueAttributes, value string) error {
	n, ok := parseInt(value, 1024, turnout.MessageSizeMaxBytes)
	if !ok {
		return errBadValue
	}
	a.MessageSizeMaxBytes = n
	return nil
}

func setPolicy(a *turnout.QueueAttributes, value string) error {
	if value != "" && (!json.Valid([]byte(value)) || bytes.TrimSpace([]byte(value))[0] != '{') {
		return errBadValue
	}
	a.Policy = value
	return nil
}

func setContentBased(a *turnout.QueueAttributes, value string) error {
	v, ok := parseBool(value)
	if !ok {
		return errBadValue
	}
	a.ContentBasedDeduplication = v
	return nil
}

// setKMSKey sets the key that AWS would encrypt with; a queue has one kind of encryption at a time.
func setKMSKey(a *turnout.QueueAttributes, value string) error {
	a.KMSKeyID = value
	if value != "" {
		a.SQSManagedSSE = false
	}
	return nil
}

func setManagedSSE(a *turnout.QueueAttributes, value string) error {
	v, ok := parseBool(value)
	if !ok {
		return errBadValue
	}
	a.SQSManagedSSE = v
	if v {
		a.KMSKeyID = ""
	}
	return nil
}

// kmsReuse is shown only while there is a key.
func kmsReuse() attribute {
	at := seconds(func(a *turnout.QueueAttributes) *time.Duration { return &a.KMSDataKeyReuse }, time.Minute, 24*time.Hour)
	get := at.get
	at.get = func(a *turnout.QueueAttributes) (string, bool) {
		value, _ := get(a)
		return value, a.KMSKeyID != ""
	}
	return at
}

// fifoOf returns the kind of a queue to be created from its attributes.
func fifoOf(given map[string]string, suffixed bool) (bool, error) {
	value, ok := given[fifoQueue]
	if !ok {
		return false, nil
	}
	fifo, ok := parseBool(value)
	switch {
	case !ok:
		return false, errAttributeValue(fifoQueue, "")
	case !fifo && !suffixed:
		return false, errUnknownAttribute(fifoQueue)
	}
	return fifo, nil
}

// applyAttributes sets the given attributes in a, whose FIFO is settled. On an error a is of no use.
func applyAttributes(a *turnout.QueueAttributes, given map[string]string) error {
	managed, _ := parseBool(given["SqsManagedSseEnabled"])
	if managed && given["KmsMasterKeyId"] != "" {
		return turnout.Errorf(turnout.CodeInvalidAttributeName,
			"You can use one type of server-side encryption (SSE) at one time. You can either enable KMS SSE or SQS SSE.")
	}
	for _, name := range slices.Sorted(maps.Keys(given)) {
		value := given[name]
		at, ok := settable[name]
		switch {
		case name == fifoQueue:
			if err := checkFIFO(a, value); err != nil {
				return err
			}
			continue
		case !ok:
			return errUnknownAttribute(name)
		case at.fifoOnly != nil && !a.FIFO:
			return at.fifoOnly(name)
		}
		if err := at.set(a, value); err != nil {
			if errors.Is(err, errBadValue) {
				err = errAttributeValue(name, "")
			}
			return err
		}
	}
	if a.ThroughputLimit == turnout.PerMessageGroup && a.DeduplicationScope != turnout.PerMessageGroup {
		return errAttributeValue("FifoThroughputLimit",
			"The perMessageGroupId value is allowed only when the value for DeduplicationScope is messageGroup.")
	}
	return nil
}

// checkFIFO refuses to change the kind of a queue.
func checkFIFO(a *turnout.QueueAttributes, value string) error {
	if !a.FIFO {
		return errUnknownAttribute(fifoQueue)
	}
	if v, ok := parseBool(value); !ok || !v {
		return errAttributeValue(fifoQueue, "Modifying queue type is not supported.")
	}
	return nil
}

// sameAttributes compares the given attributes, and no others, with those of a
// queue that exists: CreateQueue is idempotent when they agree.
func sameAttributes(existing turnout.QueueAttributes, given map[string]string) error {
	for _, name := range slices.Sorted(maps.Keys(given)) {
		if name == fifoQueue {
			continue // the name's suffix says the same, and it is the same name
		}
		at := settable[name]
		asked := existing
		if err := at.set(&asked, given[name]); err != nil {
			return err
		}
		have, haveShown := at.get(&existing)
		want, wantShown := at.get(&asked)
		if haveShown == wantShown && (have == want || name == "Policy" && sameJSON(have, want)) {
			continue
		}
		return turnout.Errorf(turnout.CodeQueueExists, "A queue already exists with the same name and a different value for attribute %s", name)
	}
	return nil
}

func sameJSON(a, b string) bool {
	var x, y bytes.Buffer
	return json.Compact(&x, []byte(a)) == nil && json.Compact(&y, []byte(b)) == nil && bytes.Equal(x.Bytes(), y.Bytes())
}

func (a *API) setQueueAttributes(ctx context.Context, r *awswire.Request) (awswire.Result, error) {
	p := r.Params()
	given, _ := p.Map(attributesMap)
	name, err := queueParam(r, p)
	if err != nil {
		return nil, err
	}
	if len(given) == 0 {
		return nil, missingParameter("Attributes")
	}
	return nil, a.engine.UpdateQueue(ctx, name, func(s *turnout.QueueSettings) error {
		return applyAttributes(&s.Attributes, given)
	})
}

func (a *API) getQueueAttributes(ctx context.Context, r *awswire.Request) (awswire.Result, error) {
	p := r.Params()
	asked, _ := p.Strings("AttributeNames", "AttributeName")
	name, err := queueParam(r, p)
	if err != nil {
		return nil, err
	}
	info, err := a.engine.Queue(ctx, name)
	if err != nil {
		return nil, err
	}
	shown, err := selectAttributes(&info, asked)
	if err != nil {
		return nil, err
	}
	return resultFunc(func(e *awswire.Encoder) {
		if len(shown) == 0 && e.Format() != awswire.QueryJSON {
			return
		}
		e.BeginMap(attributesMap)
		for _, name := range slices.Sorted(maps.Keys(shown)) {
			e.Entry(attributesMap, name, shown[name])
		}
		e.EndMap()
	}), nil
}

// selectAttributes returns the attributes asked for that the queue has.
func selectAttributes(info *turnout.QueueInfo, asked []string) (map[string]string, error) {
	all := slices.Contains(asked, "All")
	if all {
		asked = append(slices.Collect(maps.Keys(settable)), fifoQueue)
		asked = slices.AppendSeq(asked, maps.Keys(computed))
	}
	shown := map[string]string{}
	for _, name := range asked {
		if f, ok := computed[name]; ok {
			shown[name] = f(info)
		} else if at, ok := settable[name]; ok {
			if value, ok := at.get(&info.Attributes); ok {
				shown[name] = value
			}
		} else if name != fifoQueue {
			return nil, errUnknownAttribute(name)
		} else if info.Attributes.FIFO {
			shown[name] = "true"
		}
	}
	return shown, nil
}
