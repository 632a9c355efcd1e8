package cli

import (
	"runtime/debug"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestBuildPrefersTheReleaseOverTheModule(t *testing.T) {
	t.Parallel()
	info := &debug.BuildInfo{
		Main:     debug.Module{Version: "v0.1.0"},
		Settings: []debug.BuildSetting{{Key: "vcs.revision", Value: "abc"}, {Key: "vcs.modified", Value: "true"}},
	}
	b := newBuild("", info)
	require.Equal(t, "v0.1.0", b.Version)
	require.Equal(t, "abc", b.Commit)
	require.True(t, b.Modified)
	require.Equal(t, "v2.0.0", newBuild("v2.0.0", info).Version)
	info.Main.Version = "(devel)"
	require.Equal(t, "devel", newBuild("", info).Version)
	require.Equal(t, "devel", newBuild("", nil).Version, "a build without information is a development build")
}
