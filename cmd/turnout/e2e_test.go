package main

import (
	"context"
	"encoding/json"
	"encoding/xml"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// clientWithin bounds one run of a foreign client.
const clientWithin = 2 * time.Minute

// The built binary, run as a user would run it, against the AWS tools as they
// are installed on this machine. Each has an account of its own.
func TestBuiltBinaryWithRealClients(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("builds the program and runs foreign clients")
	}
	binary := filepath.Join(t.TempDir(), "turnout")
	out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput()
	require.NoError(t, err, "%s", out)
	server, err := startChild(os.Environ(), t.TempDir(), binary, "serve", "--data", "data", "--listen", "127.0.0.1:0", "--log-level", "warn")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.end(syscall.SIGTERM), "the server stops cleanly") })

	for _, protocol := range []string{"json", "query"} {
		t.Run("boto3 in the "+protocol+" protocol", func(t *testing.T) {
			t.Parallel()
			python := need(t, "python3", "-c", "import boto3")
			client(t, server, []string{"PYTHONDONTWRITEBYTECODE=1"}, python, "testdata/e2e/boto3_check.py", protocol)
		})
	}
	t.Run("JavaScript SDK", func(t *testing.T) {
		t.Parallel()
		node := need(t, "node", "-e", "require('@aws-sdk/client-sqs'); require('@aws-sdk/client-eventbridge')")
		client(t, server, nil, node, "testdata/e2e/sdk_check.cjs")
	})
	t.Run("aws command", func(t *testing.T) {
		t.Parallel()
		checkAWSCommand(t, server, need(t, "aws", "--version"))
	})
	t.Run("query protocol", func(t *testing.T) {
		t.Parallel()
		checkQueryProtocol(t, server.url)
	})
}

// need returns the path of a program, or skips the test if it is not there or
// cannot run what it is probed with.
func need(t *testing.T, name string, probe ...string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("%s is not installed", name)
	}
	ctx, cancel := context.WithTimeout(t.Context(), clientWithin)
	defer cancel()
	if out, err := exec.CommandContext(ctx, path, probe...).CombinedOutput(); err != nil {
		t.Skipf("%s %s fails: %s", name, strings.Join(probe, " "), out)
	}
	return path
}

// client runs a foreign client against the server and returns its output.
func client(t *testing.T, server *child, env []string, path string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), clientWithin)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Env = append(os.Environ(), "AWS_ENDPOINT_URL="+server.url, "AWS_DEFAULT_REGION=us-east-1", "AWS_REGION=us-east-1",
		"AWS_EC2_METADATA_DISABLED=true", "AWS_CONFIG_FILE=/dev/null", "AWS_SHARED_CREDENTIALS_FILE=/dev/null")
	cmd.Env = append(cmd.Env, env...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	require.NoError(t, err, "%s %s\n%s%s", path, strings.Join(args, " "), out, &stderr)
	return string(out)
}

// checkAWSCommand does what the README shows.
func checkAWSCommand(t *testing.T, server *child, path string) {
	t.Helper()
	global := []string{"--output", "json"}
	if version := client(t, server, nil, path, "--version"); strings.HasPrefix(version, "aws-cli/1.") {
		// It knows SQS endpoints of its own, which win over AWS_ENDPOINT_URL.
		global = append(global, "--endpoint-url", server.url)
	}
	aws := func(into any, args ...string) {
		t.Helper()
		out := client(t, server, []string{"AWS_ACCESS_KEY_ID=777788889999", "AWS_SECRET_ACCESS_KEY=x"}, path, append(global, args...)...)
		if into != nil {
			require.NoError(t, json.Unmarshal([]byte(out), into), "%s", out)
		}
	}
	var queue struct {
		QueueURL string `json:"QueueUrl"`
	}
	aws(&queue, "sqs", "create-queue", "--queue-name", "orders")
	require.Equal(t, server.url+"/777788889999/orders", queue.QueueURL)
	aws(nil, "events", "put-rule", "--name", "big-orders", "--event-pattern", `{"source":["shop"],"detail":{"total":[{"numeric":[">=",100]}]}}`)
	var targets struct{ FailedEntryCount int }
	aws(&targets, "events", "put-targets", "--rule", "big-orders", "--targets", "Id=orders,Arn=arn:aws:sqs:us-east-1:777788889999:orders")
	require.Zero(t, targets.FailedEntryCount)
	var put struct {
		FailedEntryCount int
		Entries          []struct {
			EventID string `json:"EventId"`
		}
	}
	aws(&put, "events", "put-events", "--entries",
		`[{"Source":"shop","DetailType":"OrderPlaced","Detail":"{\"id\":1,\"total\":99}"},{"Source":"shop","DetailType":"OrderPlaced","Detail":"{\"id\":2,\"total\":120}"}]`)
	require.Zero(t, put.FailedEntryCount)
	var got struct {
		Messages []struct{ Body, ReceiptHandle string }
	}
	aws(&got, "sqs", "receive-message", "--queue-url", queue.QueueURL, "--wait-time-seconds", "5", "--max-number-of-messages", "10")
	require.Len(t, got.Messages, 1, "one of the two events matches")
	var event struct{ ID string }
	require.NoError(t, json.Unmarshal([]byte(got.Messages[0].Body), &event))
	require.Equal(t, put.Entries[1].EventID, event.ID)
	aws(nil, "sqs", "delete-message", "--queue-url", queue.QueueURL, "--receipt-handle", got.Messages[0].ReceiptHandle)
	var attributes struct{ Attributes map[string]string }
	aws(&attributes, "sqs", "get-queue-attributes", "--queue-url", queue.QueueURL, "--attribute-names", "All")
	require.Equal(t, "0", attributes.Attributes["ApproximateNumberOfMessages"])
	require.Equal(t, "0", attributes.Attributes["ApproximateNumberOfMessagesNotVisible"])
}

// checkQueryProtocol speaks the older protocol, form in and XML out, that SDKs
// used before 2023.
func checkQueryProtocol(t *testing.T, endpoint string) {
	t.Helper()
	post := func(path string, wantStatus int, into any, form url.Values) {
		t.Helper()
		form.Set("Version", "2012-11-05")
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, endpoint+path, strings.NewReader(form.Encode()))
		require.NoError(t, err)
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
		req.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=123456789012/20260101/us-east-1/sqs/aws4_request, SignedHeaders=host, Signature=00")
		res, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		defer func() { _ = res.Body.Close() }()
		body, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		require.Equal(t, wantStatus, res.StatusCode, "%s", body)
		require.NoError(t, xml.Unmarshal(body, into), "%s", body)
	}
	var created struct {
		URL       string `xml:"CreateQueueResult>QueueUrl"`
		RequestID string `xml:"ResponseMetadata>RequestId"`
	}
	post("/", http.StatusOK, &created, url.Values{"Action": {"CreateQueue"}, "QueueName": {"old"}, "Attribute.1.Name": {"VisibilityTimeout"}, "Attribute.1.Value": {"7"}})
	require.Equal(t, endpoint+"/123456789012/old", created.URL)
	require.NotEmpty(t, created.RequestID)
	var sent struct {
		ID string `xml:"SendMessageResult>MessageId"`
	}
	post("/123456789012/old", http.StatusOK, &sent, url.Values{"Action": {"SendMessage"}, "MessageBody": {"<hi> & bye"}})
	var got struct {
		Messages []struct {
			Body          string
			MessageID     string `xml:"MessageId"`
			ReceiptHandle string
		} `xml:"ReceiveMessageResult>Message"`
	}
	post("/", http.StatusOK, &got, url.Values{"Action": {"ReceiveMessage"}, "QueueUrl": {created.URL}, "WaitTimeSeconds": {"5"}})
	require.Len(t, got.Messages, 1)
	require.Equal(t, "<hi> & bye", got.Messages[0].Body)
	require.Equal(t, sent.ID, got.Messages[0].MessageID)
	var none struct{}
	post("/", http.StatusOK, &none, url.Values{"Action": {"DeleteMessage"}, "QueueUrl": {created.URL}, "ReceiptHandle": {got.Messages[0].ReceiptHandle}})
	var failed struct {
		Code string `xml:"Error>Code"`
		Type string `xml:"Error>Type"`
	}
	post("/", http.StatusBadRequest, &failed, url.Values{"Action": {"GetQueueUrl"}, "QueueName": {"nothing"}})
	require.Equal(t, "AWS.SimpleQueueService.NonExistentQueue", failed.Code)
	require.Equal(t, "Sender", failed.Type)
}
