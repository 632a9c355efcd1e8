package put

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/stretchr/testify/require"

	"github.com/seed567880c8/turnout/cmd/turnout/internal/awsclient"
)

// recorder is a server that keeps what it is sent and refuses details that say so.
type recorder struct {
	batches [][]types.PutEventsRequestEntry
	err     error
}

func (r *recorder) Publish(_ context.Context, entries []types.PutEventsRequestEntry) ([]awsclient.Result, error) {
	if r.err != nil {
		return nil, r.err
	}
	r.batches = append(r.batches, entries)
	results := make([]awsclient.Result, len(entries))
	for i, e := range entries {
		results[i].EventID = fmt.Sprintf("event-%d-%d", len(r.batches), i)
		if strings.Contains(aws.ToString(e.Detail), "refuse") {
			results[i] = awsclient.Result{Code: "MalformedDetail", Message: "Detail is malformed."}
		}
	}
	return results, nil
}

func (r *recorder) sizes() []int {
	var sizes []int
	for _, b := range r.batches {
		sizes = append(sizes, len(b))
	}
	return sizes
}

func TestLinesAreDetails(t *testing.T) {
	t.Parallel()
	var server recorder
	s, err := Run(t.Context(), &server, strings.NewReader("{\"a\":1}\n\n  {\"a\":2}  \n{\"a\":3}"), Defaults{Bus: "b", Source: "s", DetailType: "t", Details: true}, nil)
	require.NoError(t, err)
	require.Equal(t, 3, s.Published)
	require.Empty(t, s.EventID, "an id is shown for a single event only")
	require.Equal(t, []int{2, 1}, server.sizes(), "blank lines are skipped; a last line without its newline is sent too")
	first := server.batches[0][0]
	require.Equal(t, []string{"b", "s", "t", `{"a":1}`}, []string{*first.EventBusName, *first.Source, *first.DetailType, *first.Detail})
}

func TestLinesAreEntries(t *testing.T) {
	t.Parallel()
	var server recorder
	in := `{"Source":"x","DetailType":"y","Detail":"{\"a\":1}","Resources":["r"],"Time":"2015-02-02T14:19:00Z"}
{"DetailType":"y","Detail":{"a":2},"EventBusName":"own"}
`
	s, err := Run(t.Context(), &server, strings.NewReader(in), Defaults{Bus: "b", Source: "s"}, nil)
	require.NoError(t, err)
	require.Equal(t, 2, s.Published)
	entries := server.batches[0]
	require.Equal(t, "x", *entries[0].Source)
	require.Equal(t, `{"a":1}`, *entries[0].Detail, "a detail may be a string")
	require.Equal(t, 2015, entries[0].Time.Year())
	require.Equal(t, `{"a":2}`, *entries[1].Detail, "a detail may be an object")
	require.Equal(t, "s", *entries[1].Source)
	require.Equal(t, "own", *entries[1].EventBusName, "the line wins over the defaults")
}

func TestBatchesHoldTenEntriesAndOneMebibyte(t *testing.T) {
	t.Parallel()
	var server recorder
	var in strings.Builder
	for i := range 25 {
		fmt.Fprintf(&in, "{\"n\":%d}\n", i)
	}
	_, err := Run(t.Context(), &server, strings.NewReader(in.String()), Defaults{Details: true}, nil)
	require.NoError(t, err)
	require.Equal(t, []int{10, 10, 5}, server.sizes())

	server.batches = nil
	big := `"` + strings.Repeat("x", 500_000) + `"`
	s, err := Run(t.Context(), &server, strings.NewReader(strings.Repeat(`{"Detail":`+big+"}\n", 5)), Defaults{}, nil)
	require.NoError(t, err)
	require.Equal(t, 5, s.Published)
	for _, b := range server.batches {
		require.LessOrEqual(t, len(b), 2, "three would exceed the size of a request")
	}
}

func TestASlowStreamIsNotHeldBack(t *testing.T) {
	t.Parallel()
	in, out := io.Pipe()
	server := recorder{}
	heard := make(chan int)
	go func() {
		for range 3 {
			_, _ = out.Write([]byte("{}\n"))
			<-heard // the event is published before the next line is written
		}
		_ = out.Close()
	}()
	s, err := Run(t.Context(), &server, in, Defaults{Details: true}, func(s *Summary) { heard <- s.Published })
	require.NoError(t, err)
	require.Equal(t, 3, s.Published)
}

func TestFailuresAreCountedAndTheRestGoesOn(t *testing.T) {
	t.Parallel()
	var server recorder
	in := "not json\n" + `{"Detail":"refuse"}` + "\n" + `{"device":"lab-1"}` + "\n" + strings.Repeat("x", lineBytesMax+1) + "\n" + `{"Detail":"fine"}` + "\n" + `{} {}`
	s, err := Run(t.Context(), &server, strings.NewReader(in), Defaults{}, nil)
	require.NoError(t, err)
	require.Equal(t, 1, s.Published)
	require.Equal(t, 5, s.Failed)
	byLine := map[int]Failure{}
	for _, f := range s.Failures {
		byLine[f.Line] = f
	}
	require.Equal(t, codeInvalidLine, byLine[1].Code)
	require.Equal(t, "MalformedDetail", byLine[2].Code)
	require.Contains(t, byLine[3].Message, `unknown field "device"`)
	require.Contains(t, byLine[4].Message, "longer than")
	require.Contains(t, byLine[6].Message, "more than one")
}

func TestAFailedRequestEndsTheRun(t *testing.T) {
	t.Parallel()
	server := recorder{err: errors.New("no route")}
	_, err := Run(t.Context(), &server, strings.NewReader("{}\n{}\n"), Defaults{Details: true}, nil)
	require.ErrorContains(t, err, "publish lines 1 to 2: no route")
}

func TestFailuresListedAreBounded(t *testing.T) {
	t.Parallel()
	s, err := Run(t.Context(), &recorder{}, strings.NewReader(strings.Repeat("x\n", 500)), Defaults{}, nil)
	require.NoError(t, err)
	require.Equal(t, 500, s.Failed)
	require.Len(t, s.Failures, failuresKept)
}

// Whatever the input, every line that is not blank is counted exactly once.
func FuzzRun(f *testing.F) {
	for _, seed := range []string{"", "\n", "{}\n{}", `{"Detail":{"a":1}}`, `{"Detail":"{"}`, "{\"Time\":1}\n\x00", `{"Detail":"\ud800"}`} {
		f.Add(seed, true)
		f.Add(seed, false)
	}
	f.Fuzz(func(t *testing.T, in string, details bool) {
		want := 0
		for l := range strings.SplitSeq(in, "\n") {
			if strings.TrimSpace(l) != "" {
				want++
			}
		}
		s, err := Run(t.Context(), &recorder{}, strings.NewReader(in), Defaults{Details: details}, nil)
		require.NoError(t, err)
		require.Equal(t, want, s.Published+s.Failed)
	})
}
