// Command loadtest measures a Turnout server from outside, over the wire, and
// beside each figure the ceiling: the same requests against a server that does
// nothing, in the same run on the same machine.
//
//	go run ./loadtest                         # the steady scenarios
//	go run ./loadtest -concurrency 256 send   # one of them
//	go run ./loadtest backlog pollers startup # those that measure something else
//	go run ./loadtest webhooks hanging outage # deliveries to endpoints, good and bad
//
// It builds and starts the server itself, on a temporary directory of a real
// disk and on loopback, and ends it again; -endpoint aims at a running one
// instead. It knows nothing of Turnout but its command line and the AWS wire
// API, and it writes its requests by hand: an SDK would cost more CPU than the
// server that it measures. Start reading with scenario in scenario.go.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// settings is the command line.
type settings struct {
	endpoint    string
	pid         int
	turnout     string
	dir         string
	concurrency int
	payload     int
	duration    time.Duration
	rounds      int
	fanOut      int
	messages    int
	backlogBody int
	pollers     int
	starts      int
	webhooks    int
	eventRate   int
	outage      time.Duration
	refuse      bool
	archived    int
	output      string
}

func parse(args []string) (settings, []string, error) {
	var s settings
	f := flag.NewFlagSet("loadtest", flag.ContinueOnError)
	f.StringVar(&s.endpoint, "endpoint", "", "URL of a running server (default: build and start one)")
	f.IntVar(&s.pid, "pid", 0, "with -endpoint: process id of that server, for its CPU, memory and writes")
	f.StringVar(&s.turnout, "turnout", "", "path of a built turnout binary (default: build it)")
	f.StringVar(&s.dir, "dir", "", "directory for temporary data (default: the system's)")
	f.IntVar(&s.concurrency, "concurrency", 64, "connections, each with one request at a time")
	f.IntVar(&s.payload, "payload", 1024, "bytes of a message body or of an event's detail")
	f.DurationVar(&s.duration, "duration", 15*time.Second, "measured time of a steady scenario against each of the two servers")
	f.IntVar(&s.rounds, "rounds", 3, "turns into which that time is split; the two servers alternate")
	f.IntVar(&s.fanOut, "fan-out", 100, "queues of scenario fan-out")
	f.IntVar(&s.messages, "messages", 10_000_000, "messages of scenario backlog")
	f.IntVar(&s.backlogBody, "backlog-body", 64, "bytes of a message body of scenario backlog")
	f.IntVar(&s.pollers, "pollers", 5000, "waiting connections of scenario pollers")
	f.IntVar(&s.starts, "starts", 10, "starts of scenario startup")
	f.IntVar(&s.webhooks, "webhooks", 1000, "API destinations of scenario hanging")
	f.IntVar(&s.eventRate, "event-rate", 200, "events a second of scenarios hanging and outage")
	f.DurationVar(&s.outage, "outage", time.Minute, "how long the endpoint of scenario outage is down")
	f.BoolVar(&s.refuse, "outage-refuse", true, "while it is down it refuses connections; if false it answers 503")
	f.IntVar(&s.archived, "archived", 200_000, "events of scenario replay")
	f.StringVar(&s.output, "o", "table", "table, or json: one line a scenario")
	f.Usage = func() {
		_, _ = fmt.Fprintln(f.Output(), "usage: loadtest [flags] [scenario ...]\n\nscenarios:")
		for _, sc := range scenarios() {
			_, _ = fmt.Fprintf(f.Output(), "  %-14s %s\n", sc.name, sc.about)
		}
		_, _ = fmt.Fprintln(f.Output(), "\nflags:")
		f.PrintDefaults()
	}
	if err := f.Parse(args); err != nil {
		return s, nil, err
	}
	switch {
	case s.output != "table" && s.output != "json":
		return s, nil, fmt.Errorf("-o %s: want table or json", s.output)
	case min(s.concurrency, s.payload, s.rounds, s.fanOut, s.messages, s.backlogBody, s.pollers, s.starts, s.webhooks, s.eventRate, s.archived) < 1 || min(s.duration, s.outage) <= 0:
		return s, nil, errors.New("numbers and durations must be positive")
	}
	return s, f.Args(), nil
}

func main() {
	if len(os.Args) == 2 && os.Args[1] == nothingCommand {
		os.Exit(exit(serveNothing()))
	}
	s, names, err := parse(os.Args[1:])
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "loadtest:", err)
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	os.Exit(exit(run(ctx, s, names, os.Stdout)))
}

func exit(err error) int {
	if err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "loadtest:", err)
		return 1
	}
	return 0
}
