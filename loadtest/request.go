package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
)

// service is one AWS API as its requests name it.
type service struct {
	name, target, contentType, agent string
}

func sqsAPI() service {
	return service{"sqs", "AmazonSQS", "application/x-amz-json-1.0", "api/sqs#1.52.11"}
}

func eventsAPI() service {
	return service{"events", "AWSEvents", "application/x-amz-json-1.1", "api/eventbridge#1.55.10"}
}

// template is a request of one operation to one host, but for its body.
type template struct{ head, tail []byte } // before and after the value of Content-Length

// template returns the headers that the AWS SDK for Go sends. The signature
// has the right form and is not valid.
func (s service) template(host, operation string) template {
	var head, tail bytes.Buffer
	fmt.Fprintf(&head, "POST / HTTP/1.1\r\nHost: %s\r\n", host)
	fmt.Fprintf(&head, "User-Agent: aws-sdk-go-v2/1.48.0 ua/2.1 os/linux lang/go#1.26.8 md/GOOS#linux md/GOARCH#amd64 %s m/E\r\n", s.agent)
	head.WriteString("Content-Length: ")
	tail.WriteString("\r\nAmz-Sdk-Invocation-Id: 7a3f0c5e-0f0e-4f5a-9d0b-6a1b7c2d3e4f\r\nAmz-Sdk-Request: attempt=1; max=3\r\n")
	fmt.Fprintf(&tail, "Authorization: AWS4-HMAC-SHA256 Credential=000000000000/20260101/us-east-1/%s/aws4_request, "+
		"SignedHeaders=amz-sdk-invocation-id;amz-sdk-request;content-length;content-type;host;x-amz-date;x-amz-target, Signature=%s\r\n",
		s.name, strings.Repeat("5f", 32))
	fmt.Fprintf(&tail, "Content-Type: %s\r\nX-Amz-Date: 20260101T000000Z\r\nX-Amz-Target: %s.%s\r\nAccept-Encoding: identity\r\n\r\n",
		s.contentType, s.target, operation)
	return template{head.Bytes(), tail.Bytes()}
}

// append appends the whole request with this body to dst.
func (t *template) append(dst, body []byte) []byte {
	dst = append(dst, t.head...)
	dst = strconv.AppendInt(dst, int64(len(body)), 10)
	dst = append(dst, t.tail...)
	return append(dst, body...)
}

// request returns a whole request.
func (s service) request(host, operation string, body []byte) []byte {
	t := s.template(host, operation)
	return t.append(nil, body)
}

// text returns n bytes that need no escaping in JSON, different for each seed.
func text(n int, seed uint64) string {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+/"
	r := rand.New(rand.NewPCG(seed, 1)) //nolint:gosec // filler, not a secret
	b := make([]byte, n)
	for i := range b {
		b[i] = letters[r.IntN(len(letters))]
	}
	return string(b)
}

// entries joins n JSON objects made by f.
func entries(n int, f func(i int) string) string {
	parts := make([]string, n)
	for i := range parts {
		parts[i] = f(i)
	}
	return "[" + strings.Join(parts, ",") + "]"
}

func sendBody(queueURL string, size int, seed uint64) []byte {
	return fmt.Appendf(nil, `{"MessageBody":%q,"QueueUrl":%q}`, text(size, seed), queueURL)
}

func sendBatchBody(queueURL string, n, size int, seed uint64) []byte {
	list := entries(n, func(i int) string {
		return fmt.Sprintf(`{"Id":"%d","MessageBody":%q}`, i, text(size, seed*100+uint64(i)))
	})
	return fmt.Appendf(nil, `{"Entries":%s,"QueueUrl":%q}`, list, queueURL)
}

func receiveBody(queueURL string, n, waitSeconds int) []byte {
	return fmt.Appendf(nil, `{"MaxNumberOfMessages":%d,"QueueUrl":%q,"WaitTimeSeconds":%d}`, n, queueURL, waitSeconds)
}

// putEventsBody publishes n events with details of about size bytes.
func putEventsBody(bus string, n, size int, seed uint64) []byte {
	list := entries(n, func(i int) string {
		detail := fmt.Sprintf(`{"kind":"load","seq":%d,"text":%q}`, i, text(max(size-40, 1), seed*100+uint64(i)))
		return fmt.Sprintf(`{"Detail":%s,"DetailType":"load","EventBusName":%q,"Source":"loadtest"}`, strconv.Quote(detail), bus)
	})
	return fmt.Appendf(nil, `{"Entries":%s}`, list)
}

// deleter builds the requests that delete what a receive returned, reusing memory.
type deleter struct {
	one, batch template
	queue      []byte // the queue's URL as JSON
	body, buf  []byte
}

func newDeleter(host, queueURL string) *deleter {
	return &deleter{
		one: sqsAPI().template(host, "DeleteMessage"), batch: sqsAPI().template(host, "DeleteMessageBatch"),
		queue: strconv.AppendQuote(nil, queueURL),
	}
}

// request returns the request that deletes the handles, one by itself, more as
// a batch. It is valid until the next call.
func (d *deleter) request(handles [][]byte) []byte {
	b := append(d.body[:0], `{"QueueUrl":`...)
	b = append(b, d.queue...)
	t := &d.one
	if len(handles) == 1 {
		b = append(b, `,"ReceiptHandle":"`...)
		b = append(b, handles[0]...)
		b = append(b, `"}`...)
	} else {
		t = &d.batch
		b = append(b, `,"Entries":[`...)
		for i, h := range handles {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(b, `{"Id":"`...)
			b = strconv.AppendInt(b, int64(i), 10)
			b = append(b, `","ReceiptHandle":"`...)
			b = append(b, h...)
			b = append(b, `"}`...)
		}
		b = append(b, `]}`...)
	}
	d.body = b
	d.buf = t.append(d.buf[:0], b)
	return d.buf
}

// handles returns the receipt handles of a ReceiveMessage answer.
func handles(dst [][]byte, body []byte) [][]byte {
	dst = dst[:0]
	for at := 0; ; {
		h, end := stringField(body, "ReceiptHandle", at)
		if h == nil {
			return dst
		}
		dst, at = append(dst, h), end
	}
}

// call sends one request of the control plane and decodes its answer into out, unless that is nil.
func (c *conn) call(host string, s service, operation string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	answer, err := c.do(s.request(host, operation, body))
	if err != nil {
		return fmt.Errorf("%s: %w", operation, err)
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(answer, out)
}
