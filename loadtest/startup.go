package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"slices"
	"time"
)

// runStartup starts 'turnout dev' again and again and measures the time from
// exec to the answer of the first request.
func runStartup(ctx context.Context, l *lab) (*result, error) {
	path, err := l.path(ctx)
	if err != nil {
		return nil, err
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	var times []time.Duration
	for range l.starts {
		took, err := timeStart(ctx, path)
		if err != nil {
			return nil, err
		}
		times = append(times, took)
	}
	slices.Sort(times)
	r := &result{}
	ms := func(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
	r.set("starts", float64(len(times)))
	r.set("first_answer_min_ms", ms(times[0]))
	r.set("first_answer_median_ms", ms(times[len(times)/2]))
	r.set("first_answer_max_ms", ms(times[len(times)-1]))
	r.set("binary_mib", float64(info.Size())/(1<<20))
	return r, nil
}

// timeStart asks from the moment of exec on, as a client that waits for the
// server would, instead of waiting for the line that says it is ready.
func timeStart(ctx context.Context, path string) (time.Duration, error) {
	address, err := freeAddress(ctx)
	if err != nil {
		return 0, err
	}
	asking, stopAsking := context.WithCancel(ctx)
	defer stopAsking()
	type asked struct {
		at  time.Time
		err error
	}
	answered := make(chan asked, 1) // taken below unless the start failed
	began := time.Now()
	go func() {
		err := firstAnswer(asking, address)
		answered <- asked{time.Now(), err}
	}()
	server, err := start(ctx, "turnout", nil, path, "dev", "--listen", address, "--log-level", "warn")
	if err != nil {
		stopAsking()
		<-answered
		return 0, err
	}
	got := <-answered
	if err := server.stop(); err != nil {
		return 0, err
	}
	return got.at.Sub(began), got.err
}

// firstAnswer returns when a request has been answered at address.
func firstAnswer(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	for {
		c, err := dial(ctx, address)
		if err == nil {
			_, err = c.do(sqsAPI().request(address, "ListQueues", []byte("{}")))
			c.close()
			return err
		}
		if serr := sleep(ctx, time.Millisecond); serr != nil {
			return fmt.Errorf("%w: %w", serr, err)
		}
	}
}

// freeAddress returns a loopback address that nobody listens on at this moment.
func freeAddress(ctx context.Context) (string, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}
