package config

import (
	"cmp"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"
)

// load runs a Loader over a command line, an environment and the text of a file ("" is none).
func load(t *testing.T, mode Mode, args, environ []string, yamlText string) (Config, error) {
	t.Helper()
	flags := pflag.NewFlagSet("turnout", pflag.ContinueOnError)
	loader := NewLoader(mode, flags)
	if yamlText != "" {
		file := filepath.Join(t.TempDir(), "turnout.yaml")
		require.NoError(t, os.WriteFile(file, []byte(yamlText), 0o600))
		args = append([]string{"--config", file}, args...)
	}
	if err := flags.Parse(args); err != nil {
		return Config{}, err
	}
	return loader.Load(environ)
}

func TestPrecedence(t *testing.T) {
	t.Parallel()

	const file = "region: from-file\nlog:\n  level: warn\n  format: json\ndata: /from/file\n"
	environ := []string{"HOME=/root", "TURNOUT_REGION=from-env", "TURNOUT_LOG_FORMAT=text", "TURNOUT_LIMITS_CONNECTIONS_MAX=7"}
	got, err := load(t, Serve, []string{"--region", "from-flag", "--strict-aws"}, environ, file)
	require.NoError(t, err)

	want := Default(Serve)
	want.Region = "from-flag"       // flag over environment over file
	want.Log.Format = "text"        // environment over file
	want.Log.Level = slog.LevelWarn // file over default
	want.DataDir = "/from/file"     // file
	want.Limits.ConnectionsMax = 7  // environment
	want.StrictAWS = true           // a flag without a value
	require.Equal(t, want, got)
}

func TestListsAreGivenInPieces(t *testing.T) {
	t.Parallel()

	got, err := load(t, Serve, []string{"--data=/x", "--webhook-allow", "10.0.0.0/8", "--webhook-allow", "10.9.0.0/16,fd00::/8"}, nil, "")
	require.NoError(t, err)
	require.Equal(t, "10.0.0.0/8,10.9.0.0/16,fd00::/8", formatPrefixes(got.Webhook.Allow))
	got, err = load(t, Serve, nil, nil, "data: /x\nfunction:\n  endpoints: [a=http://localhost:1, b=http://localhost:2]\n")
	require.NoError(t, err)
	require.Equal(t, map[string]string{"a": "http://localhost:1", "b": "http://localhost:2"}, got.Function.Endpoints)
	_, err = load(t, Serve, []string{"--secret-key=x"}, nil, "")
	require.ErrorContains(t, err, "unknown flag", "a secret on the command line could be read by everybody")

	require.True(t, Default(Dev).WebhookHTTP())
	require.False(t, Default(Serve).WebhookHTTP(), "a durable server calls https only, unless told otherwise")
}

func TestConfigFileFromEnvironment(t *testing.T) {
	t.Parallel()

	file := filepath.Join(t.TempDir(), "turnout.yaml")
	require.NoError(t, os.WriteFile(file, []byte("region: eu-north-1\n"), 0o600))
	got, err := load(t, Dev, nil, []string{"TURNOUT_CONFIG=" + file}, "")
	require.NoError(t, err)
	require.Equal(t, "eu-north-1", got.Region)

	_, err = load(t, Dev, nil, []string{"TURNOUT_CONFIG=" + file + ".missing"}, "")
	require.ErrorIs(t, err, os.ErrNotExist, "a config file that was named must exist")
}

func TestEverySettingFromEverySource(t *testing.T) {
	t.Parallel()

	for _, s := range Settings() {
		t.Run(s.Key, func(t *testing.T) {
			t.Parallel()

			require.NotEmpty(t, s.Help)
			text := map[string]string{"bool": "true", "int": "77", "size": "77KiB", "level": "error", "address": "127.0.0.1:77", "dir": "/x", "string": "x", "file": "/x", "url": "http://x", "duration": "77ms"}[s.Kind]
			text = cmp.Or(map[string]string{"webhook.allow": "10.0.0.0/8,::1/128", "function.endpoints": "a=http://x,b=http://y", "secret.key": "x"}[s.Key], text)
			require.NotEmpty(t, text, "kind %s", s.Kind)
			var c Config
			require.NoError(t, s.set(&c, text))
			env, err := parseEnviron([]string{s.Env() + "=" + text})
			require.NoError(t, err)
			require.Equal(t, map[string]string{s.Key: text}, env)
			if s.Hidden {
				require.Empty(t, s.get(c), "a secret is not shown")
				return
			}
			require.Equal(t, text, s.get(c), "the text of a setting survives a round trip")

			flags := pflag.NewFlagSet("turnout", pflag.ContinueOnError)
			loader := NewLoader(Serve, flags)
			require.NoError(t, flags.Parse([]string{"--" + s.Flag() + "=" + text}))
			require.True(t, loader.Given(s.Key))
			require.Equal(t, map[string]string{s.Key: text}, loader.given)
		})
	}
}

func TestFaultsNameTheNearestKey(t *testing.T) {
	t.Parallel()

	for _, tc := range []struct {
		name, yaml string
		environ    []string
		args       []string
		want       []string
	}{
		{name: "unknown key", yaml: "regoin: x\n", want: []string{"line 1: regoin: unknown key; did you mean region?"}},
		{
			name: "all faults at once", yaml: "listen: 127.0.0.1:1\nlimits:\n  conections_max: 5\n  pending_max: many\nlog: loud\n",
			want: []string{"line 3: limits.conections_max: unknown key; did you mean limits.connections_max?", "line 5: log: expected keys and values"},
		},
		{name: "twice", yaml: "region: a\nregion: b\n", want: []string{"line 2: region: given twice"}},
		{name: "no value", yaml: "region:\n", want: []string{"line 1: region: no value"}},
		{name: "a list", yaml: "region: [a]\n", want: []string{"region: expected one value"}},
		{name: "an alias", yaml: "region: &r x\naccount: *r\n", want: []string{"account: expected one value"}},
		{name: "flat", yaml: "limits.pending_max: 1\n", want: []string{"limits.pending_max: write it as pending_max under limits"}},
		{name: "two documents", yaml: "region: a\n---\nregion: b\n", want: []string{"more than one document"}},
		{name: "not YAML", yaml: "a: b: c\n", want: []string{"turnout.yaml: yaml: "}},
		{name: "a scalar", yaml: "hello\n", want: []string{"expected keys and values"}},
		{name: "bad value", yaml: "limits:\n  body_max_bytes: 8MB\n", want: []string{`limits.body_max_bytes: "8MB" is not a size such as 1048576, 512KiB, 8MiB or 1GiB`}},
		{name: "environment", environ: []string{"TURNOUT_REGOIN=x"}, want: []string{"environment: TURNOUT_REGOIN is not a setting; did you mean TURNOUT_REGION?"}},
		{name: "bad environment", environ: []string{"TURNOUT_STRICT_AWS=yes"}, want: []string{`strict_aws: "yes" is neither true nor false`}},
		{name: "bad flag", args: []string{"--limits-connections-max", "lots"}, want: []string{`"lots" is not a whole number`}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()

			_, err := load(t, Dev, tc.args, tc.environ, tc.yaml)
			require.Error(t, err)
			for _, want := range tc.want {
				require.ErrorContains(t, err, want)
			}
		})
	}
}

func TestEmptyFileChangesNothing(t *testing.T) {
	t.Parallel()

	for _, text := range []string{"# nothing\n", "---\n", "limits:\nlog: {}\n"} {
		got, err := load(t, Dev, nil, nil, text)
		require.NoError(t, err)
		require.Equal(t, Default(Dev), got)
	}
}

func TestSizes(t *testing.T) {
	t.Parallel()

	for text, want := range map[string]int64{"0": 0, "1": 1, "7B": 7, "512KiB": 512 << 10, "8 MiB": 8 << 20, "1GiB": 1 << 30, "2TiB": 2 << 40} {
		got, err := parseSize(text)
		require.NoError(t, err)
		require.Equal(t, want, got, text)
	}
	for _, text := range []string{"", "-1", "1.5GiB", "MiB", "1MB", "9223372036854775807KiB", "0x10"} {
		_, err := parseSize(text)
		require.ErrorIs(t, err, errNotSize, text)
	}
}

func FuzzParseYAML(f *testing.F) {
	f.Add([]byte("listen: 127.0.0.1:4566\nlimits:\n  connections_max: 10\n"))
	f.Add([]byte("a: &a [*a]\n"))
	f.Add([]byte("limits: null\n---\n"))
	f.Add([]byte("? {a: b}\n: c\n<<: {listen: x}\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		texts, err := parseYAML("f", data)
		if err != nil {
			return
		}
		for key := range texts {
			require.NotEmpty(t, key)
		}
		if c, err := apply(Serve, texts); err == nil {
			_ = c.Validate()
		}
	})
}

func FuzzParseEnviron(f *testing.F) {
	f.Add("TURNOUT_LISTEN=x", "PATH=")
	f.Add("TURNOUT_=", "=TURNOUT_LISTEN")
	f.Fuzz(func(t *testing.T, a, b string) {
		texts, err := parseEnviron([]string{a, b})
		if err == nil {
			_, _ = apply(Dev, texts)
		}
	})
}
