package awsclient_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/stretchr/testify/require"

	"github.com/seed567880c8/turnout/cmd/turnout/internal/awsclient"
)

// eventsServer answers PutEvents: a detail of {"fail":N} is shed N times, one
// of "bad" is always refused. It keeps the details of each request.
func eventsServer(t *testing.T) (c *awsclient.Clients, requests *[][]string) {
	t.Helper()
	requests = new([][]string)
	shed := map[string]int{}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var in struct{ Entries []struct{ Detail string } }
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		var details, answers []string
		for _, e := range in.Entries {
			details = append(details, e.Detail)
			var d struct{ Fail int }
			switch err := json.Unmarshal([]byte(e.Detail), &d); {
			case err != nil:
				answers = append(answers, `{"ErrorCode":"MalformedDetail","ErrorMessage":"Detail is malformed."}`)
			case shed[e.Detail] < d.Fail:
				shed[e.Detail]++
				answers = append(answers, `{"ErrorCode":"ThrottlingException","ErrorMessage":"slow down"}`)
			default:
				answers = append(answers, fmt.Sprintf(`{"EventId":"id of %s"}`, strings.ReplaceAll(e.Detail, `"`, "")))
			}
		}
		*requests = append(*requests, details)
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		_, _ = fmt.Fprintf(w, `{"FailedEntryCount":0,"Entries":[%s]}`, strings.Join(answers, ","))
	}))
	t.Cleanup(srv.Close)
	c, err := awsclient.New(awsclient.Config{Endpoint: srv.URL})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c, requests
}

func entries(details ...string) []types.PutEventsRequestEntry {
	list := make([]types.PutEventsRequestEntry, len(details))
	for i, d := range details {
		list[i] = types.PutEventsRequestEntry{Source: aws.String("s"), DetailType: aws.String("t"), Detail: aws.String(d)}
	}
	return list
}

func TestOnlyEntriesThatWereShedAreSentAgain(t *testing.T) {
	t.Parallel()
	c, requests := eventsServer(t)
	results, err := c.Publish(t.Context(), entries(`{}`, `{"fail":1}`, "bad", `{"fail":5}`))
	require.NoError(t, err)
	require.Equal(t, [][]string{{`{}`, `{"fail":1}`, "bad", `{"fail":5}`}, {`{"fail":1}`, `{"fail":5}`}, {`{"fail":5}`}}, *requests)
	require.Equal(t, []awsclient.Result{
		{EventID: "id of {}"},
		{EventID: "id of {fail:1}"},
		{Code: "MalformedDetail", Message: "Detail is malformed."},
		{Code: "ThrottlingException", Message: "slow down"},
	}, results, "the results are in the order of the entries")
}

func TestAClosedPortSaysWhatToDo(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(http.NotFoundHandler())
	srv.Close() // its port answers no more
	c, err := awsclient.New(awsclient.Config{Endpoint: srv.URL})
	require.NoError(t, err)
	_, err = c.Publish(t.Context(), entries("{}"))
	require.ErrorContains(t, err, "start one with 'turnout dev'")
}

func TestConfigTakesWhatEverySDKReads(t *testing.T) {
	t.Parallel()
	env := map[string]string{
		"AWS_ENDPOINT_URL": "http://e", "AWS_DEFAULT_REGION": "r", "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "s", "AWS_SESSION_TOKEN": "t",
	}
	getenv := func(name string) string { return env[name] }
	require.Equal(t, awsclient.Config{Endpoint: "http://e", Region: "r", AccessKeyID: "a", SecretAccessKey: "s", SessionToken: "t"},
		awsclient.Config{}.FromEnvironment(getenv))
	require.Equal(t, awsclient.Config{Endpoint: "http://x", Region: "y", AccessKeyID: "k"},
		awsclient.Config{Endpoint: "http://x", Region: "y", AccessKeyID: "k"}.FromEnvironment(getenv), "what is given wins")
	for _, endpoint := range []string{"nonsense", "ftp://x", "http://", ":"} {
		_, err := awsclient.New(awsclient.Config{Endpoint: endpoint})
		require.Error(t, err, endpoint)
	}
}

func TestEntrySizeIsCountedAsEventBridgeDoes(t *testing.T) {
	t.Parallel()
	e := entries(`{"a":1}`)[0]
	require.Equal(t, 9, awsclient.EntrySizeBytes(&e))
	e.Time = new(time.Time)
	e.Resources = []string{"abc", "ü"}
	require.Equal(t, 9+14+3+2, awsclient.EntrySizeBytes(&e), "14 bytes for a time, UTF-8 lengths for the rest")
}
