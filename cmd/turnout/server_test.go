package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"time"
)

// startWithin and stopWithin bound a server in the tests. They are not figures
// to reach: they only end a test that would hang.
const (
	startWithin = 30 * time.Second
	stopWithin  = 20 * time.Second
)

// child is a server process of a test.
type child struct {
	url   string
	line  string // what it printed when ready
	cmd   *exec.Cmd
	ended chan error
}

// startChild starts a server and waits for the line that says it is ready.
func startChild(env []string, dir, path string, args ...string) (*child, error) {
	cmd := exec.Command(path, args...)
	cmd.Env, cmd.Dir = env, dir
	var stderr strings.Builder
	cmd.Stderr = &stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	c := &child{cmd: cmd, ended: make(chan error, 1)}
	line := make(chan string, 1)
	go func() {
		text, _ := bufio.NewReader(stdout).ReadString('\n')
		line <- text
		_, _ = io.Copy(io.Discard, stdout)
		c.ended <- cmd.Wait()
	}()
	select {
	case c.line = <-line:
	case <-time.After(startWithin):
	}
	c.url = regexp.MustCompile(`http://[0-9.:]+`).FindString(c.line)
	if c.url == "" {
		err := c.end(syscall.SIGKILL)
		return nil, fmt.Errorf("server is not ready: %q, %s, %w", c.line, stderr.String(), err)
	}
	return c, nil
}

// end signals the server and returns how it ended.
func (c *child) end(sig os.Signal) error {
	if err := c.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case err := <-c.ended:
		c.ended <- err // a second end finds it again
		return err
	case <-time.After(stopWithin):
		_ = c.cmd.Process.Kill()
		return errors.New("server did not stop")
	}
}
