package main

import (
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"turnout": main})
}

// The scripts of testdata/script drive the command as a shell would.
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		Setup: func(e *testscript.Env) error {
			temp := e.WorkDir + "/temp"
			e.Setenv("TMPDIR", temp)
			return os.MkdirAll(temp, 0o700)
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"code":     scriptCode,
			"server":   scriptServer,
			"empty":    scriptEmpty,
			"envmatch": scriptEnvMatch,
			"freeport": scriptFreePort,
		},
	})
}

// scriptCode runs a command that must exit with a code: code 2 turnout nonsense.
func scriptCode(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		exit, ok := errors.AsType[*exec.ExitError](err)
		if !ok {
			ts.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// scriptServer starts a server, sets URL and READY to its URL and its line,
// and defines the command stop, which ends it with SIGTERM and checks that it
// ends well: server turnout dev --listen 127.0.0.1:0.
func scriptServer(ts *testscript.TestScript, _ bool, args []string) {
	path, err := lookPath(ts, args[0])
	ts.Check(err)
	env := os.Environ()
	for _, name := range []string{"TMPDIR", "HOME", "TURNOUT_LISTEN"} {
		if v := ts.Getenv(name); v != "" {
			env = append(env, name+"="+v)
		}
	}
	c, err := startChild(env, ts.MkAbs("."), path, args[1:]...)
	ts.Check(err)
	ts.Defer(func() { _ = c.end(syscall.SIGKILL) })
	ts.Setenv("URL", c.url)
	ts.Setenv("HOSTPORT", c.url[len("http://"):])
	ts.Setenv("READY", c.line)
	ts.SetCmd("stop", func(ts *testscript.TestScript, _ bool, _ []string) { ts.Check(c.end(syscall.SIGTERM)) })
}

// scriptFreePort sets a variable to a loopback address that nobody listens on
// at this moment: freeport NAME.
func scriptFreePort(ts *testscript.TestScript, _ bool, args []string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	ts.Setenv(args[0], l.Addr().String())
	ts.Check(l.Close())
}

// lookPath finds a command that testscript has put into the script's path.
func lookPath(ts *testscript.TestScript, name string) (string, error) {
	for _, dir := range filepath.SplitList(ts.Getenv("PATH")) {
		if path, err := exec.LookPath(dir + "/" + name); err == nil {
			return path, nil
		}
	}
	return "", exec.ErrNotFound
}

// scriptEmpty checks that a directory holds nothing.
func scriptEmpty(ts *testscript.TestScript, neg bool, args []string) {
	entries, err := os.ReadDir(ts.MkAbs(args[0]))
	ts.Check(err)
	if (len(entries) == 0) == neg {
		ts.Fatalf("%s holds %v", args[0], entries)
	}
}

// scriptEnvMatch checks that a variable matches a regular expression.
func scriptEnvMatch(ts *testscript.TestScript, neg bool, args []string) {
	got := strings.TrimSpace(ts.Getenv(args[0]))
	if regexp.MustCompile(args[1]).MatchString(got) == neg {
		ts.Fatalf("%s is %q", args[0], got)
	}
}
