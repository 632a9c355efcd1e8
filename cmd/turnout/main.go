// Command turnout is the server and its command line tool.
//
// Main does nothing but hand the process's surroundings to internal/cli, where
// every command is built; start reading there.
package main

import (
	"context"
	"os"

	"github.com/seed567880c8/turnout/cmd/turnout/internal/cli"
)

// version is set by release builds: -ldflags "-X main.version=v1.2.3".
var version string

func main() {
	os.Exit(cli.Main(context.Background(), os.Args[1:], cli.Process{
		Stdin:   os.Stdin,
		Stdout:  os.Stdout,
		Stderr:  os.Stderr,
		Environ: os.Environ(),
		Version: version,
	}))
}
