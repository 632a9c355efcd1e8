package cli

import (
	"cmp"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/seed567880c8/turnout/cmd/turnout/internal/terminal"
)

// build describes the running program.
type build struct {
	Version  string `json:"version"` // release, module version, or "devel"
	Commit   string `json:"commit"`  // "" when the build does not know it
	Modified bool   `json:"modified"`
	Go       string `json:"go"`
	OS       string `json:"os"`
	Arch     string `json:"arch"`
}

// newBuild combines the release's version with what the Go command recorded.
func newBuild(release string, info *debug.BuildInfo) build {
	b := build{Version: release, Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH}
	if info != nil {
		b.Version = cmp.Or(release, info.Main.Version)
		for _, s := range info.Settings {
			switch s.Key {
			case "vcs.revision":
				b.Commit = s.Value
			case "vcs.modified":
				b.Modified = s.Value == "true"
			}
		}
	}
	if b.Version == "" || b.Version == "(devel)" {
		b.Version = "devel"
	}
	return b
}

func (p *Process) build() build {
	info, _ := debug.ReadBuildInfo()
	return newBuild(p.Version, info)
}

func newVersion(p *Process) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "version",
		Short:   "Print the version of this program",
		Example: "  turnout version\n  turnout version -o json",
		Args:    noArgs,
	}
	form := addOutput(cmd)
	cmd.RunE = func(*cobra.Command, []string) error {
		b := p.build()
		if *form == asJSON {
			return printJSON(p.Stdout, b)
		}
		commit := cmp.Or(b.Commit, "unknown")
		if b.Modified {
			commit += " (modified)"
		}
		terminal.New(p.Stdout, p.getenv).Printf("turnout %s\ncommit  %s\ngo      %s\nos      %s/%s\n", b.Version, commit, b.Go, b.OS, b.Arch)
		return nil
	}
	return cmd
}
