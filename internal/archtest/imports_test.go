package archtest

import (
	"bytes"
	"encoding/json"
	"maps"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

const module = "github.com/seed567880c8/turnout"

// allowed says which of our packages the packages of each tree may import; ""
// is the root package. One that is in no tree fails the test: adding a package
// means saying where it stands. Tests may import any of our packages.
var allowed = map[string][]string{
	// The nouns.
	"": {},
	// Pure: no I/O, no clock.
	"rules/...": {"", "rules/..."},
	// Engines: they decide on the partition's loop and write through the store.
	"queues": {"", "broker/eventlog", "internal/partition", "internal/store"},
	"broker": {
		"", "rules/...", "queues", "broker/catalog", "broker/dispatch", "broker/eventlog", "sinks",
		"internal/partition", "internal/store",
	},
	"broker/eventlog": {"", "internal/partition", "internal/store"},
	"broker/catalog":  {"", "rules/...", "internal/partition", "internal/store"},
	"broker/history":  {"", "broker/eventlog", "internal/partition", "internal/store"},
	"broker/archive":  {"", "rules/...", "broker", "broker/catalog", "broker/eventlog", "broker/history", "internal/partition", "internal/store"},
	"broker/dispatch": {"", "sinks", "queues", "broker/eventlog", "internal/partition", "internal/store"},
	"broker/connections": {
		"", "broker/dispatch", "internal/partition", "internal/secret", "internal/store",
		"sinks", "sinks/apidestination", "sinks/webhook",
	},
	"broker/topics": {
		"", "rules/filterpolicy", "queues", "broker/dispatch", "broker/eventlog", "broker/topics/...",
		"sinks", "sinks/notification", "internal/partition", "internal/store",
	},
	"broker/topics/deliverypolicy": {},
	// Sources: they know the broker by small interfaces of their own.
	"sources/schedules": {"", "rules/schedule", "internal/partition", "internal/store"},
	// What carries deliveries out: they know nothing of the broker or the store.
	"sinks":                {""},
	"sinks/*":              {"", "sinks", "sinks/webhook"},
	"sinks/apidestination": {"", "internal/secret", "sinks", "sinks/webhook"},
	"sinks/sinktest":       {"", "sinks"},
	// Protocols: they know the engines by small interfaces of their own, and
	// share with them the pure readers of what is checked at the door and used behind it.
	"api/awswire":                  {""},
	"api/*":                        {"", "api/awswire"},
	"api/eventbridge":              {"", "api/awswire", "api/eventbridge/internal/...", "rules/schedule"},
	"api/eventbridge/internal/...": {"", "api/awswire", "api/eventbridge/internal/shape"},
	"api/native":                   {"", "proto/..."},
	"proto/...":                    {}, // generated
	// Foundations.
	"internal/store":     {},
	"internal/store/*":   {"internal/store"},
	"internal/partition": {"", "internal/store"},
	"internal/service":   {},
	"internal/memnet":    {},
	"internal/secret":    {},
	"internal/config":    {},
	"internal/metrics":   {},
	"internal/archtest":  {},
	// Wiring.
	"internal/server": {
		"", "api/...", "broker/...", "queues", "rules/...", "sinks/...", "sources/...",
		"internal/config", "internal/metrics", "internal/partition", "internal/secret", "internal/service", "internal/store/...",
	},
	"internal/testbus":         {"", "internal/server", "internal/config", "internal/memnet", "internal/store/pebblestore"},
	"cmd/turnout":              {"cmd/turnout/internal/..."},
	"cmd/turnout/internal/...": {"", "cmd/turnout/internal/...", "internal/config", "internal/server", "proto/..."},
	// Black box: it speaks to a server over the wire alone.
	"loadtest/...": {"loadtest/..."},
}

// owners names the only tree that may import a third-party module, or the few
// trees, with commas between. A module that is not listed fails the test: a
// dependency is added with its owner.
var owners = map[string]string{
	"code.dny.dev/ssrf":                   "sinks/webhook",
	"github.com/aws/aws-sdk-go-v2":        "cmd/turnout/internal/...",
	"github.com/cockroachdb/pebble/v2":    "internal/store/pebblestore",
	"github.com/prometheus/client_golang": "internal/metrics",
	"github.com/schollz/progressbar/v3":   "cmd/turnout/internal/terminal",
	"github.com/spf13/cobra":              "cmd/turnout/internal/cli",
	"github.com/spf13/pflag":              "internal/config",
	"github.com/tidwall/gjson":            "rules/...",
	"go.yaml.in/yaml/v3":                  "internal/config",
	"golang.org/x/sys":                    "rules/internal/rawjson",
	"golang.org/x/term":                   "cmd/turnout/internal/terminal",

	// What the native API is made with: its protocol, its server, its client.
	"github.com/grpc-ecosystem/grpc-gateway/v2": "proto/..., api/native",
	"google.golang.org/genproto/googleapis/rpc": "api/native, cmd/turnout/internal/native",
	"google.golang.org/grpc":                    "proto/..., api/native, cmd/turnout/internal/native",
	"google.golang.org/protobuf":                "proto/..., api/native, cmd/turnout/internal/native, cmd/turnout/internal/cli",
}

// testModules may be imported by any test and by the packages that only tests
// import, which are those of testSupport.
var testModules = []string{
	"github.com/aws/aws-sdk-go-v2",
	"github.com/aws/smithy-go",
	"github.com/cockroachdb/datadriven",
	"github.com/rogpeppe/go-internal",
	"github.com/stretchr/testify",
	"google.golang.org/genproto/googleapis/rpc",
	"google.golang.org/grpc",
	"google.golang.org/protobuf",
	"pgregory.net/rapid",
}

var testSupport = []string{"internal/archtest", "internal/store/storetest", "internal/testbus", "sinks/sinktest"}

// matches reports whether pkg is in the tree that pattern names: a package, its
// children (x/*) or itself and everything below (x/...).
func matches(pattern, pkg string) bool {
	if base, ok := strings.CutSuffix(pattern, "/..."); ok {
		return pkg == base || strings.HasPrefix(pkg, base+"/")
	}
	if base, ok := strings.CutSuffix(pattern, "/*"); ok {
		rest, ok := strings.CutPrefix(pkg, base+"/")
		return ok && !strings.Contains(rest, "/")
	}
	return pattern == pkg
}

// ruleFor returns what pkg may import: an exact entry wins over a pattern, a
// longer pattern over a shorter.
func ruleFor(pkg string) (may []string, ok bool) {
	if may, ok := allowed[pkg]; ok {
		return may, true
	}
	best := ""
	for pattern := range allowed {
		if matches(pattern, pkg) && len(pattern) > len(best) {
			best, ok = pattern, true
		}
	}
	return allowed[best], ok
}

// within reports whether an import path is in the module.
func within(module, path string) bool {
	return path == module || strings.HasPrefix(path, module+"/")
}

type goPackage struct {
	ImportPath                         string
	Imports, TestImports, XTestImports []string
}

// name is the package's path inside the module.
func (p goPackage) name() string { return local(p.ImportPath) }

func local(path string) string {
	return strings.TrimPrefix(strings.TrimPrefix(path, module), "/")
}

// listed asks the go command once for all packages.
var listed = sync.OnceValues(func() ([]goPackage, error) {
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports,TestImports,XTestImports", module+"/...").Output()
	if err != nil {
		return nil, err
	}
	var all []goPackage
	for dec := json.NewDecoder(bytes.NewReader(out)); dec.More(); {
		var p goPackage
		if err := dec.Decode(&p); err != nil {
			return nil, err
		}
		all = append(all, p)
	}
	return all, nil
})

func packages(t *testing.T) []goPackage {
	t.Helper()
	all, err := listed()
	require.NoError(t, err)
	require.NotEmpty(t, all)
	return all
}

func TestImportsPointDown(t *testing.T) {
	t.Parallel()

	for _, p := range packages(t) {
		may, ok := ruleFor(p.name())
		if !ok {
			t.Errorf("%s is in no tree of the table allowed in this file: say there where it stands", p.name())
			continue
		}
		for _, path := range p.Imports {
			if !within(module, path) {
				continue
			}
			if !slices.ContainsFunc(may, func(pattern string) bool { return matches(pattern, local(path)) }) {
				t.Errorf("%s must not import %s", p.name(), path)
			}
		}
		for _, path := range slices.Concat(p.Imports, p.TestImports, p.XTestImports) {
			if local(path) == "internal/server" && strings.HasPrefix(p.name(), "api/") {
				t.Errorf("%s must not import %s, even in tests: what needs a whole server is tested in internal/testbus", p.name(), path)
			}
		}
	}
}

func TestEveryModuleHasOneOwner(t *testing.T) {
	t.Parallel()

	used := map[string]bool{}
	for _, p := range packages(t) {
		forTests := slices.Contains(testSupport, p.name())
		for _, path := range p.Imports {
			checkOwner(t, p.name(), path, forTests, used)
		}
		for _, path := range slices.Concat(p.TestImports, p.XTestImports) {
			checkOwner(t, p.name(), path, true, used)
		}
	}
	for dep := range owners {
		if !used[dep] {
			t.Errorf("no package imports %s: take it off the list of owners", dep)
		}
	}
}

// checkOwner checks one import and notes that its module is in use.
func checkOwner(t *testing.T, pkg, path string, test bool, used map[string]bool) {
	t.Helper()
	if first, _, _ := strings.Cut(path, "/"); within(module, path) || !strings.Contains(first, ".") {
		return // ours, or the standard library's
	}
	for dep, owner := range owners {
		if within(dep, path) && owns(owner, pkg) {
			used[dep] = true
			return
		}
	}
	if test && slices.ContainsFunc(testModules, func(dep string) bool { return within(dep, path) }) {
		return
	}
	for dep, owner := range owners {
		if within(dep, path) {
			t.Errorf("%s must not import %s: only %s may", pkg, path, owner)
			return
		}
	}
	t.Errorf("%s imports %s, whose module has no owner: enter it in the table owners in this file", pkg, path)
}

// owns reports whether pkg is in one of the trees of an owner.
func owns(owner, pkg string) bool {
	return slices.ContainsFunc(strings.Split(owner, ", "), func(tree string) bool { return matches(tree, pkg) })
}

func TestTreePatterns(t *testing.T) {
	t.Parallel()

	for pattern, want := range map[string][]string{
		"":          {""},
		"rules":     {"rules"},
		"rules/*":   {"rules/a", "rules/b"},
		"rules/...": {"rules", "rules/a", "rules/a/c", "rules/b"},
	} {
		var got []string
		for _, pkg := range []string{"", "rules", "rules/a", "rules/a/c", "rules/b", "rulesets"} {
			if matches(pattern, pkg) {
				got = append(got, pkg)
			}
		}
		require.Equal(t, want, got, "pattern %q", pattern)
	}
	may, ok := ruleFor("api/awswire")
	require.True(t, ok)
	require.Equal(t, []string{""}, may, "an exact entry wins over a pattern")
	_, ok = ruleFor("attic")
	require.False(t, ok)
}

// TestRulesAreAcyclic requires of the table itself that no tree may import one
// that may import it, so that it describes floors and not a tangle.
func TestRulesAreAcyclic(t *testing.T) {
	t.Parallel()

	names := make([]string, 0, 64)
	for _, p := range packages(t) {
		names = append(names, p.name())
	}
	for _, a := range names {
		for _, b := range names {
			if a < b && floor(a) != floor(b) && may(a, b) && may(b, a) {
				t.Errorf("%s and %s may import each other", a, b)
			}
		}
	}
}

// floor is the first element of a package's path, below which Go's own check
// against cycles is enough.
func floor(pkg string) string {
	first, _, _ := strings.Cut(pkg, "/")
	return first
}

func may(from, to string) bool {
	rule, _ := ruleFor(from)
	return slices.ContainsFunc(rule, func(pattern string) bool { return matches(pattern, to) })
}

func TestTableNamesWhatExists(t *testing.T) {
	t.Parallel()

	all := packages(t)
	for _, pattern := range slices.Sorted(maps.Keys(allowed)) {
		if !slices.ContainsFunc(all, func(p goPackage) bool { return matches(pattern, p.name()) }) {
			t.Errorf("the table allowed has %q, but there is no such package", pattern)
		}
	}
}
