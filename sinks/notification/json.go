package notification

import (
	"encoding/base64"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/seed567880c8/turnout"
)

// Receiver is what a message's form owes to the subscription that it goes to.
type Receiver struct {
	SubscriptionARN string
	CertificateURL  string // SigningCertURL
	BaseURL         string // the beginning of links back, such as http://localhost:4566
}

const timeForm = "2006-01-02T15:04:05.000Z"

// The beginning of every notification has the same length up to the sequence
// number, so that the number can be filled in when it is known.
const (
	head       = "{\n  \"Type\" : \"Notification\",\n  \"MessageId\" : \""
	beforeSeq  = "\",\n  \"SequenceNumber\" : \""
	idBytes    = 36
	sequenceAt = len(head) + idBytes + len(beforeSeq)
	seqDigits  = 20
)

// SequenceNumber returns the 20 digits that SNS shows for the n-th message of a FIFO topic.
func SequenceNumber(n uint64) string {
	return string(appendSequence(make([]byte, 0, seqDigits), n))
}

func appendSequence(dst []byte, n uint64) []byte {
	const first = 10_000_000_000_000_000_000
	return strconv.AppendUint(dst, first+n, 10)
}

// SetSequence puts another sequence number into what AppendNotification made
// of a message that had one.
func SetSequence(notification []byte, n uint64) {
	appendSequence(notification[:sequenceAt], n)
}

// AppendNotification appends the JSON that a queue or an HTTP endpoint gets of
// a notification, with AWS's members in AWS's order and layout.
// https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html
func AppendNotification(dst []byte, m *Message, b *Body, to *Receiver) []byte {
	dst = append(dst, head...)
	dst = append(dst, m.ID...)
	if m.Sequence > 0 {
		dst = append(dst, beforeSeq...)
		dst = appendSequence(dst, m.Sequence)
	}
	dst = append(dst, '"')
	dst = member(dst, "TopicArn", m.TopicARN)
	if m.Subject != nil {
		dst = member(dst, "Subject", *m.Subject)
	}
	dst = member(dst, "Message", b.Text)
	dst = appendTime(dst, m.At)
	if len(b.Signature) > 0 {
		dst = appendSignature(dst, m, b, to)
	}
	dst = append(dst, ",\n  \"UnsubscribeURL\" : \""...)
	dst = appendUnsubscribeURL(dst, to)
	dst = append(dst, '"')
	if len(m.Attributes) > 0 {
		dst = append(dst, ",\n  \"MessageAttributes\" : {"...)
		for i := range m.Attributes {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(dst, "\n    "...)
			dst = appendQuoted(dst, m.Attributes[i].Name)
			dst = append(dst, " : "...)
			dst = appendAttribute(dst, &m.Attributes[i])
		}
		dst = append(dst, "\n  }"...)
	}
	return append(dst, "\n}"...)
}

// AppendConfirmation appends the JSON of a subscription's or an
// unsubscription's confirmation, which only HTTP endpoints get.
func AppendConfirmation(dst []byte, m *Message, to *Receiver) []byte {
	b := &m.Bodies[0]
	dst = append(dst, "{\n  \"Type\" : \""...)
	dst = append(dst, m.Kind.String()...)
	dst = append(dst, '"')
	dst = member(dst, "MessageId", m.ID)
	dst = member(dst, "Token", m.Token)
	dst = member(dst, "TopicArn", m.TopicARN)
	dst = member(dst, "Message", b.Text)
	dst = member(dst, "SubscribeURL", SubscribeURL(m.BaseURL, m.TopicARN, m.Token))
	dst = appendTime(dst, m.At)
	if len(b.Signature) > 0 {
		dst = appendSignature(dst, m, b, to)
	}
	return append(dst, "\n}"...)
}

// ConfirmationText returns the message of a confirmation, in AWS's words.
func ConfirmationText(k Kind, topicARN, subscriptionARN string) string {
	if k == UnsubscribeConfirmation {
		return "You have chosen to deactivate subscription " + subscriptionARN +
			".\nTo cancel this operation and restore the subscription, visit the SubscribeURL included in this message."
	}
	return "You have chosen to subscribe to the topic " + topicARN +
		".\nTo confirm the subscription, visit the SubscribeURL included in this message."
}

// SubscribeURL returns the link that confirms a subscription.
func SubscribeURL(baseURL, topicARN, token string) string {
	return baseURL + "/?Action=ConfirmSubscription&TopicArn=" + topicARN + "&Token=" + token
}

// AppendEvent appends the event that a function gets of a notification. AWS
// writes some members of it otherwise than in a notification, and shows
// signature version 1 always.
// https://docs.aws.amazon.com/lambda/latest/dg/with-sns.html
func AppendEvent(dst []byte, m *Message, b *Body, to *Receiver) []byte {
	dst = append(dst, `{"Records":[{"EventSource":"aws:sns","EventVersion":"1.0","EventSubscriptionArn":"`...)
	dst = append(dst, to.SubscriptionARN...)
	dst = append(dst, `","Sns":{"Type":"Notification","MessageId":"`...)
	dst = append(dst, m.ID...)
	if m.Sequence > 0 {
		dst = append(dst, `","SequenceNumber":"`...)
		dst = appendSequence(dst, m.Sequence)
	}
	dst = append(dst, `","TopicArn":"`...)
	dst = append(dst, m.TopicARN...)
	dst = append(dst, `","Subject":`...)
	if m.Subject == nil {
		dst = append(dst, "null"...)
	} else {
		dst = appendQuoted(dst, *m.Subject)
	}
	dst = append(dst, `,"Message":`...)
	dst = appendQuoted(dst, b.Text)
	dst = append(dst, `,"Timestamp":"`...)
	dst = m.At.AppendFormat(dst, timeForm)
	if len(b.Signature) > 0 {
		dst = append(dst, `","SignatureVersion":"1","Signature":"`...)
		dst = base64.StdEncoding.AppendEncode(dst, b.Signature)
		dst = append(dst, `","SigningCertUrl":"`...)
		dst = append(dst, to.CertificateURL...)
	}
	dst = append(dst, `","UnsubscribeUrl":"`...)
	dst = appendUnsubscribeURL(dst, to)
	dst = append(dst, `","MessageAttributes":{`...)
	for i := range m.Attributes {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendQuoted(dst, m.Attributes[i].Name)
		dst = append(dst, ':')
		dst = appendAttribute(dst, &m.Attributes[i])
	}
	return append(dst, "}}}]}"...)
}

func member(dst []byte, name, value string) []byte {
	dst = append(dst, ",\n  \""...)
	dst = append(dst, name...)
	dst = append(dst, "\" : "...)
	return appendQuoted(dst, value)
}

func appendTime(dst []byte, at time.Time) []byte {
	dst = append(dst, ",\n  \"Timestamp\" : \""...)
	dst = at.AppendFormat(dst, timeForm)
	return append(dst, '"')
}

func appendSignature(dst []byte, m *Message, b *Body, to *Receiver) []byte {
	dst = append(dst, ",\n  \"SignatureVersion\" : \""...)
	dst = append(dst, '0'+m.SignatureVersion)
	dst = append(dst, "\",\n  \"Signature\" : \""...)
	dst = base64.StdEncoding.AppendEncode(dst, b.Signature)
	dst = append(dst, '"')
	return member(dst, "SigningCertURL", to.CertificateURL)
}

func appendUnsubscribeURL(dst []byte, to *Receiver) []byte {
	dst = append(dst, to.BaseURL...)
	dst = append(dst, "/?Action=Unsubscribe&SubscriptionArn="...)
	return append(dst, to.SubscriptionARN...)
}

func appendAttribute(dst []byte, a *turnout.MessageAttribute) []byte {
	dst = append(dst, `{"Type":`...)
	dst = appendQuoted(dst, a.Type)
	dst = append(dst, `,"Value":`...)
	if strings.HasPrefix(a.Type, "Binary") {
		dst = append(dst, '"')
		dst = base64.StdEncoding.AppendEncode(dst, a.Value)
		dst = append(dst, '"')
	} else {
		dst = appendQuoted(dst, string(a.Value))
	}
	return append(dst, '}')
}

// appendQuoted appends text as a JSON string. What is not UTF-8 becomes U+FFFD.
func appendQuoted(dst []byte, text string) []byte {
	const hexDigits = "0123456789abcdef"
	dst = append(dst, '"')
	from := 0
	for i := 0; i < len(text); {
		c := text[i]
		if c >= ' ' && c != '"' && c != '\\' && c < utf8.RuneSelf {
			i++
			continue
		}
		if c >= utf8.RuneSelf {
			r, size := utf8.DecodeRuneInString(text[i:])
			if r == utf8.RuneError && size == 1 {
				dst = append(append(dst, text[from:i]...), "\uFFFD"...)
				from = i + 1
			}
			i += size
			continue
		}
		dst = append(dst, text[from:i]...)
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\r':
			dst = append(dst, '\\', 'r')
		case '\t':
			dst = append(dst, '\\', 't')
		default:
			dst = append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		}
		i++
		from = i
	}
	return append(append(dst, text[from:]...), '"')
}
