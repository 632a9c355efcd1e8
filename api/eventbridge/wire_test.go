package eventbridge_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"

	"github.com/seed567880c8/turnout/api/eventbridge"
	"github.com/seed567880c8/turnout/broker"
)

// call posts one awsJson request as account speaks and returns the status and body of the answer.
func call(t *testing.T, h http.Handler, account, target, body string) (int, string) {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/x-amz-json-1.1")
	r.Header.Set("X-Amz-Target", target)
	r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential="+account+"/20250101/us-east-1/events/aws4_request, SignedHeaders=host, Signature=0")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	require.NotEmpty(t, w.Header().Get("X-Amzn-Requestid"))
	return w.Code, w.Body.String()
}

// TestWire runs the dialogues of testdata/wire, each with a server of its own
// in virtual time. A command is an operation of EventBridge; its input is the
// request, or empty for {}. account= speaks for another account, and repeat=N
// sends the request N times with 1, 2, … for %d and shows the last answer.
// $NAME$ in a request is the ARN of the connection of that name.
// Nothing runs schedules, except in the file schedules, and endpoints are https.
//
//	queues NAME …          creates queues
//	sleep DURATION         lets time pass
//	receive queue=NAME     shows the messages of a queue, oldest first, and deletes them
func TestWire(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/wire/*")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				cfg := eventbridge.Config{EntriesBytesMax: 2000, Schedules: filepath.Base(file) == "schedules"}
				w := &wire{handler: serve(t, cfg, broker.Config{TargetsMax: 10})}
				datadriven.RunTest(t, file, w.run)
			})
		})
	}
}

type wire struct {
	handler http.Handler
}

var eventID = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}(-[0-9a-f]{6})?`)

func (w *wire) run(t *testing.T, d *datadriven.TestData) string {
	account, times := "000000000000", 1
	d.MaybeScanArgs(t, "account", &account)
	d.MaybeScanArgs(t, "repeat", &times)
	switch d.Cmd {
	case "queues":
		for _, arg := range d.CmdArgs {
			body := fmt.Sprintf(`{"QueueName":%q}`, arg.Key)
			if strings.HasSuffix(arg.Key, ".fifo") {
				body = fmt.Sprintf(`{"QueueName":%q,"Attributes":{"FifoQueue":"true"}}`, arg.Key)
			}
			status, answer := call(t, w.handler, account, "AmazonSQS.CreateQueue", body)
			require.Equal(t, http.StatusOK, status, answer)
		}
		return ""
	case "sleep":
		pause, err := time.ParseDuration(d.CmdArgs[0].Key)
		require.NoError(t, err)
		time.Sleep(pause)
		return ""
	case "receive":
		return w.receive(t, d)
	}
	body := d.Input
	if body == "" {
		body = "{}"
	}
	body = connectionMark.ReplaceAllStringFunc(body, func(name string) string {
		_, answer := call(t, w.handler, account, "AWSEvents.DescribeConnection", fmt.Sprintf(`{"Name":%q}`, name[1:len(name)-1]))
		var c struct{ ConnectionArn string }
		require.NoError(t, json.Unmarshal([]byte(answer), &c))
		require.NotEmpty(t, c.ConnectionArn, answer)
		return c.ConnectionArn
	})
	status, answer := 0, ""
	for i := range times {
		status, answer = call(t, w.handler, account, "AWSEvents."+d.Cmd, strings.ReplaceAll(body, "%d", fmt.Sprint(i+1)))
	}
	if status == http.StatusOK {
		requireMembers(t, d.Cmd, answer)
	}
	return fmt.Sprintf("%d %s\n", status, eventID.ReplaceAllString(answer, "<uuid>"))
}

var connectionMark = regexp.MustCompile(`\$[a-z]+\$`)

// receive shows the messages of a queue: the body, and what of group, trace
// header and attributes it has.
func (w *wire) receive(t *testing.T, d *datadriven.TestData) string {
	var queue string
	d.ScanArgs(t, "queue", &queue)
	var b strings.Builder
	for {
		_, answer := call(t, w.handler, "000000000000", "AmazonSQS.ReceiveMessage",
			fmt.Sprintf(`{"QueueUrl":%q,"MaxNumberOfMessages":10,"MessageSystemAttributeNames":["All"],"MessageAttributeNames":["All"]}`, queue))
		var got struct {
			Messages []struct {
				Body              string
				ReceiptHandle     string
				Attributes        map[string]string
				MessageAttributes map[string]struct{ StringValue string }
			}
		}
		require.NoError(t, json.Unmarshal([]byte(answer), &got), answer)
		if len(got.Messages) == 0 {
			break
		}
		for _, m := range got.Messages {
			b.WriteString(m.Body)
			for _, name := range []string{"MessageGroupId", "AWSTraceHeader"} {
				if v := m.Attributes[name]; v != "" {
					fmt.Fprintf(&b, " %s=%s", name, v)
				}
			}
			for _, name := range []string{"RULE_ARN", "TARGET_ARN", "ERROR_CODE", "ERROR_MESSAGE"} {
				if v, ok := m.MessageAttributes[name]; ok {
					fmt.Fprintf(&b, " %s=%s", name, v.StringValue)
				}
			}
			b.WriteByte('\n')
			call(t, w.handler, "000000000000", "AmazonSQS.DeleteMessage", fmt.Sprintf(`{"QueueUrl":%q,"ReceiptHandle":%q}`, queue, m.ReceiptHandle))
		}
	}
	if b.Len() == 0 {
		return "no messages\n"
	}
	return eventID.ReplaceAllString(b.String(), "<uuid>")
}
