package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// stopWithin is how long a child may take to end after SIGTERM.
const stopWithin = 15 * time.Second

// readyWithin is how long a child may take to say that it is ready.
const readyWithin = time.Minute

// process is a server to measure: a child, or a running one that was named.
type process struct {
	name    string
	host    string // HOST:PORT
	pid     int    // 0: unknown, its CPU, memory and writes cannot be told
	cmd     *exec.Cmd
	ended   chan error // of a child: closed after its exit was seen
	readyIn time.Duration
}

// start runs a child and waits until it prints the line with its URL.
func start(ctx context.Context, name string, env []string, path string, args ...string) (*process, error) {
	began := time.Now()
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Env = append(os.Environ(), env...)
	cmd.Stderr = os.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = stopWithin
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &process{name: name, pid: cmd.Process.Pid, cmd: cmd, ended: make(chan error, 1)}
	line := make(chan string, 1)
	go func() {
		text, _ := bufio.NewReader(stdout).ReadString('\n') // an early end shows as a line without URL
		line <- text
		_, _ = io.Copy(io.Discard, stdout)
		p.ended <- cmd.Wait()
	}()
	select {
	case text := <-line:
		p.readyIn = time.Since(began)
		u, err := url.Parse(regexp.MustCompile(`http://[^\s,]+`).FindString(text))
		if err == nil && u.Host != "" {
			p.host = u.Host
			return p, nil
		}
		return nil, errors.Join(fmt.Errorf("%s did not start", name), p.stop())
	case <-time.After(readyWithin):
		return nil, errors.Join(fmt.Errorf("%s is not ready after %s", name, readyWithin), p.stop())
	}
}

// stop ends a child in the orderly way and waits for it. A server that was
// there before is left alone.
func (p *process) stop() error { return p.signal(syscall.SIGTERM) }

// kill ends a child as a crash would and waits for it.
func (p *process) kill() { _ = p.signal(syscall.SIGKILL) } // it reports its being killed

func (p *process) signal(sig syscall.Signal) error {
	if p.cmd == nil {
		return nil
	}
	if err := p.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case err := <-p.ended:
		p.cmd = nil
		if err != nil {
			return fmt.Errorf("%s ended badly: %w", p.name, err)
		}
		return nil
	case <-time.After(stopWithin):
		_ = p.cmd.Process.Kill() // fails only if it has ended
		err := <-p.ended
		p.cmd = nil
		return fmt.Errorf("%s did not end within %s: %w", p.name, stopWithin, err)
	}
}

// usage is what a process has used since it began.
type usage struct {
	cpu     time.Duration
	written int64 // bytes handed to the block layer, counted by whole pages
	known   bool

	logged           float64 // bytes of the committed batches, as the server's metrics say
	batches, decided float64 // their number, and that of the operations in them
}

// usageBefore and usageAfter enclose a measurement: what reading the metrics
// costs the server is not counted.
func (p *process) usageBefore(ctx context.Context) usage {
	var u usage
	p.readMetrics(ctx, &u)
	now := p.usage()
	u.cpu, u.written, u.known = now.cpu, now.written, now.known
	return u
}

func (p *process) usageAfter(ctx context.Context) usage {
	u := p.usage()
	p.readMetrics(ctx, &u)
	return u
}

// readMetrics takes what it knows from the server's page; the do-nothing
// server has none.
func (p *process) readMetrics(ctx context.Context, u *usage) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.host+"/metrics", nil)
	if err != nil {
		return
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return
	}
	defer func() { _ = res.Body.Close() }() // only read
	lines := bufio.NewScanner(res.Body)
	for lines.Scan() {
		name, text, _ := strings.Cut(lines.Text(), " ")
		v, err := strconv.ParseFloat(text, 64)
		if err != nil {
			continue
		}
		switch name {
		case "turnout_writer_bytes_total":
			u.logged = v
		case "turnout_writer_batches_total":
			u.batches = v
		case "turnout_writer_operations_total":
			u.decided = v
		}
	}
}

// usage reads /proc; it is unknown where there is none.
func (p *process) usage() usage {
	if p.pid == 0 {
		return usage{}
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.pid))
	if err != nil {
		return usage{}
	}
	// The name in parentheses may hold anything; the fields after it are
	// numbered from 3, utime is 14 and stime 15, in hundredths of a second.
	_, rest, _ := strings.Cut(string(stat[strings.LastIndexByte(string(stat), ')')+1:]), " ")
	fields := strings.Fields(rest)
	if len(fields) < 13 {
		return usage{}
	}
	user, _ := strconv.ParseInt(fields[11], 10, 64)
	system, _ := strconv.ParseInt(fields[12], 10, 64)
	const tick = 10 * time.Millisecond // USER_HZ is 100 on every Linux port of Go
	return usage{
		cpu:     time.Duration(user+system) * tick,
		written: procValue(fmt.Sprintf("/proc/%d/io", p.pid), "write_bytes"),
		known:   true,
	}
}

// memory returns the resident set now and at its largest, in bytes.
func (p *process) memory() (now, peak int64) {
	status := fmt.Sprintf("/proc/%d/status", p.pid)
	return procValue(status, "VmRSS") << 10, procValue(status, "VmHWM") << 10
}

// procValue returns the number after "name:" in a file of /proc; 0 if it is not there.
func procValue(file, name string) int64 {
	data, err := os.ReadFile(file)
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(data)) {
		if rest, ok := strings.CutPrefix(line, name+":"); ok {
			n, _ := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			return n
		}
	}
	return 0
}

func (u usage) since(before usage) usage {
	return usage{
		cpu: u.cpu - before.cpu, written: u.written - before.written, known: u.known && before.known,
		logged: u.logged - before.logged, batches: u.batches - before.batches, decided: u.decided - before.decided,
	}
}

// buildTurnout builds the server into dir and returns its path.
func buildTurnout(ctx context.Context, dir string) (string, error) {
	path := dir + "/turnout"
	cmd := exec.CommandContext(ctx, "go", "build", "-ldflags=-s -w", "-o", path, "github.com/seed567880c8/turnout/cmd/turnout")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build turnout: %w\n%s", err, out)
	}
	return path, nil
}
