package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
)

// nothingCommand starts this program as the server that does nothing.
const nothingCommand = "do-nothing"

// nothingServer answers every request with a fixed valid answer once it has
// read the body: the most that any server on net/http can reach.
type nothingServer struct {
	answers map[string][]byte // by X-Amz-Target
}

// handleLength is the length of the made-up receipt handles: about Turnout's.
const handleLength = 120

func newNothingServer(payload int) *nothingServer {
	const id = "7a3f0c5e-0f0e-4f5a-9d0b-6a1b7c2d3e4f"
	const md5 = "d41d8cd98f00b204e9800998ecf8427e"
	message := func(i int) string {
		return fmt.Sprintf(`{"MessageId":%q,"ReceiptHandle":%q,"MD5OfBody":%q,"Body":%q}`, id, text(handleLength, uint64(i)), md5, text(payload, uint64(i)))
	}
	done := func(i int) string { return fmt.Sprintf(`{"Id":"%d"}`, i) }
	sent := func(i int) string {
		return fmt.Sprintf(`{"Id":"%d","MessageId":%q,"MD5OfMessageBody":%q}`, i, id, md5)
	}
	event := func(int) string { return fmt.Sprintf(`{"EventId":%q}`, id) }
	answer := func(format string, args ...any) []byte { return fmt.Appendf(nil, format, args...) }
	return &nothingServer{answers: map[string][]byte{
		"AmazonSQS.SendMessage":        answer(`{"MessageId":%q,"MD5OfMessageBody":%q}`, id, md5),
		"AmazonSQS.SendMessageBatch":   answer(`{"Successful":%s,"Failed":[]}`, entries(10, sent)),
		"AmazonSQS.ReceiveMessage":     answer(`{"Messages":%s}`, entries(1, message)),
		"AmazonSQS.ReceiveMessage10":   answer(`{"Messages":%s}`, entries(10, message)),
		"AmazonSQS.DeleteMessage":      answer(`{}`),
		"AmazonSQS.DeleteMessageBatch": answer(`{"Successful":%s,"Failed":[]}`, entries(10, done)),
		"AWSEvents.PutEvents":          answer(`{"FailedEntryCount":0,"Entries":%s}`, entries(10, event)),
	}}
}

// ServeHTTP answers by the operation; a receive says in its queue's URL how many messages it wants.
func (s *nothingServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	target := r.Header.Get("X-Amz-Target")
	if target == "AmazonSQS.ReceiveMessage" {
		var head [64]byte
		n, _ := io.ReadFull(r.Body, head[:]) // a short body is read whole
		if strings.Contains(string(head[:n]), `"MaxNumberOfMessages":10`) {
			target += "10"
		}
	}
	_, _ = io.Copy(io.Discard, r.Body) // a client that goes away needs no answer
	answer, ok := s.answers[target]
	if !ok {
		http.NotFound(w, r)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "application/x-amz-json-1.0")
	h.Set("X-Amzn-Requestid", "7a3f0c5e-0f0e-4f5a-9d0b-6a1b7c2d3e4f")
	h.Set("Content-Length", strconv.Itoa(len(answer)))
	_, _ = w.Write(answer)
}

// serveNothing is the child process: it prints its URL, and stops on a signal.
func serveNothing() error {
	payload, err := strconv.Atoi(os.Getenv("LOADTEST_PAYLOAD"))
	if err != nil {
		return fmt.Errorf("%s is started by loadtest itself: %w", nothingCommand, err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	var lc net.ListenConfig
	listener, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{Handler: newNothingServer(payload), ReadHeaderTimeout: requestTimeout}
	context.AfterFunc(ctx, func() { _ = server.Close() })
	fmt.Printf("ready on http://%s\n", listener.Addr())
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
