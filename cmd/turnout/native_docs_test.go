package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	turnoutv1 "github.com/seed567880c8/turnout/proto/turnout/v1"
)

const nativePage = "../../docs/NATIVE.md"

// examples returns what docs/NATIVE.md has between ``` fences of a language.
func examples(t *testing.T, language string) []string {
	t.Helper()
	page, err := os.ReadFile(nativePage)
	require.NoError(t, err)
	var all []string
	for _, m := range regexp.MustCompile("(?ms)^```"+language+"\n(.*?)^```$").FindAllStringSubmatch(string(page), -1) {
		all = append(all, m[1])
	}
	require.NotEmpty(t, all)
	return all
}

// The commands of docs/NATIVE.md work on a development server as they are.
func TestNativeExamples(t *testing.T) {
	t.Parallel()

	for _, tool := range []string{"bash", "curl"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip("there is no " + tool)
		}
	}
	turnout, err := exec.LookPath("turnout")
	require.NoError(t, err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := l.Addr().String()
	require.NoError(t, l.Close())
	c, err := startChild(os.Environ(), t.TempDir(), turnout, "dev", "--listen", "127.0.0.1:0", "--grpc-listen", address)
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.end(syscall.SIGKILL) })

	script := strings.ReplaceAll(strings.Join(examples(t, "sh"), "\n"), "http://localhost:4566", c.url)
	run := exec.CommandContext(t.Context(), "bash", "-euo", "pipefail", "-c", script)
	run.Env = append(os.Environ(), "TURNOUT_GRPC_ENDPOINT="+address, "AWS_ENDPOINT_URL="+c.url, "AWS_REGION=us-east-1", "AWS_ACCESS_KEY_ID=000000000000")
	out, err := run.CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Contains(t, string(out), `"eventId":"`)
	require.Contains(t, string(out), "3 events would be replayed")
	require.Regexp(t, `(?m)^state +completed$`, string(out))

	require.NoError(t, publishAsDocumented(t.Context(), address))
	require.NoError(t, c.end(syscall.SIGTERM))
}

// TestNativeGoExample holds the example in Go to what the test above runs.
func TestNativeGoExample(t *testing.T) {
	t.Parallel()

	code, err := os.ReadFile("native_docs_test.go")
	require.NoError(t, err)
	indented := strings.ReplaceAll("\n"+strings.TrimSpace(examples(t, "go")[0]), "\n", "\n\t")
	indented = strings.ReplaceAll(indented, `"127.0.0.1:4567"`, "address")
	require.Contains(t, string(code), indented)
}

func publishAsDocumented(ctx context.Context, address string) error {
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer conn.Close()
	stream, err := turnoutv1.NewEventServiceClient(conn).PublishStream(ctx)
	if err != nil {
		return err
	}
	if err := stream.Send(&turnoutv1.PublishStreamRequest{Events: []*turnoutv1.Event{
		{Source: "shop", DetailType: "OrderPlaced", Detail: `{"id": 4}`},
	}}); err != nil {
		return err
	}
	ack, err := stream.Recv() // its events are durable
	if err != nil {
		return err
	}
	fmt.Println(ack.GetResults()[0].GetEventId())
	return stream.CloseSend()
}
