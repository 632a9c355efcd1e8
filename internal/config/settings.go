package config

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Setting names one value of a Config for every source.
type Setting struct {
	Key  string // path in the YAML file, for example limits.connections_max
	Help string // one line for --help and the documentation
	Kind string // what its text looks like: address, dir, file, url, string, list, bool, int, size, duration, level
	// Hidden says that the value is a secret: there is no flag, which everybody
	// on the machine could read, and it is never shown.
	Hidden bool

	set func(*Config, string) error
	get func(Config) string
}

// Flag returns the name of the command line flag, without its dashes.
func (s Setting) Flag() string { return strings.NewReplacer(".", "-", "_", "-").Replace(s.Key) }

// Env returns the name of the environment variable.
func (s Setting) Env() string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(s.Key, ".", "_"))
}

// Default returns the text of the setting's default in a mode, "" for none.
func (s Setting) Default(mode Mode) string { return s.get(Default(mode)) }

// Settings returns the table of all settings, in the order of the documentation.
func Settings() []Setting {
	return []Setting{
		stringSetting("listen", "address", "address of the HTTP listener: AWS APIs, health, metrics", func(c *Config) *string { return &c.Listen }),
		stringSetting("grpc_listen", "address", "address of the gRPC listener: the native API; if not given and listen is on port 0, any free port", func(c *Config) *string { return &c.GRPCListen }),
		stringSetting("data", "dir", "directory of the data; with dev, empty is a temporary one that goes away at the stop", func(c *Config) *string { return &c.DataDir }),
		stringSetting("durability", "string", "sync: answer when the data is synced to disk", func(c *Config) *string { return &c.Durability }),
		newSetting("strict_aws", "bool", "restore the AWS quotas that are relaxed by default", func(c *Config) *bool { return &c.StrictAWS }, parseBool, strconv.FormatBool),
		newSetting("insecure_no_auth", "bool", "listen beyond loopback although requests are not authenticated", func(c *Config) *bool { return &c.InsecureNoAuth }, parseBool, strconv.FormatBool),
		stringSetting("account", "string", "account of requests whose access key is not itself a 12-digit account", func(c *Config) *string { return &c.Account }),
		stringSetting("region", "string", "region of requests that name none", func(c *Config) *string { return &c.Region }),

		stringSetting("public_url", "url", "base URL under which others reach the server, for the links in notifications; empty is the listener's", func(c *Config) *string { return &c.PublicURL }),

		newSetting("webhook.allow", "list", "networks (CIDR) to deliver to although they are not public, such as 10.1.0.0/16, as a list; dev adds loopback and private ones", func(c *Config) *[]netip.Prefix { return &c.Webhook.Allow }, parsePrefixes, formatPrefixes),
		newSetting("webhook.allow_http", "bool", "deliver over http, not only https; dev always does", func(c *Config) *bool { return &c.Webhook.AllowHTTP }, parseBool, strconv.FormatBool),
		newSetting("webhook.timeout", "duration", "how long one attempt at a delivery may take", func(c *Config) *time.Duration { return &c.Webhook.Timeout }, parseDuration, formatDuration),
		newSetting("webhook.attempts_max", "int", "most attempts at deliveries under way at the same time", func(c *Config) *int { return &c.Webhook.AttemptsMax }, parseInt, strconv.Itoa),
		stringSetting("function.endpoint", "url", "base URL of a service that invokes functions the way Lambda does; empty is none", func(c *Config) *string { return &c.Function.Endpoint }),
		newSetting("function.endpoints", "list", "the same for single functions, a list of NAME=URL", func(c *Config) *map[string]string { return &c.Function.Endpoints }, parsePairs, formatPairs),
		hidden(stringSetting("secret.key", "list", "keys that secrets are encrypted with, 32 bytes as base64 or hex: the first encrypts, all decrypt", func(c *Config) *string { return &c.Secret.Key })),
		stringSetting("secret.key_file", "file", "file with such keys, one a line", func(c *Config) *string { return &c.Secret.KeyFile }),
		newSetting("history.off", "bool", "keep no history of events", func(c *Config) *bool { return &c.History.Off }, parseBool, strconv.FormatBool),
		newSetting("history.retention", "duration", "how long events are kept in the history", func(c *Config) *time.Duration { return &c.History.Retention }, parseDuration, formatDuration),
		newSetting("history.max_bytes", "size", "most bytes of events in the history; beyond it the oldest go", func(c *Config) *int64 { return &c.History.MaxBytes }, parseSize, formatSize),
		newSetting("schedule.catch_up", "duration", "after a stop, fire a tick that was missed no longer than this ago, once a rule", func(c *Config) *time.Duration { return &c.Schedule.CatchUp }, parseDuration, formatDuration),

		newSetting("limits.connections_max", "int", "most open HTTP connections, and as many of gRPC", func(c *Config) *int { return &c.Limits.ConnectionsMax }, parseInt, strconv.Itoa),
		newSetting("limits.connections_per_ip_max", "int", "most open HTTP connections from one address, loopback excepted", func(c *Config) *int { return &c.Limits.ConnectionsPerIPMax }, parseInt, strconv.Itoa),
		newSetting("limits.body_max_bytes", "size", "largest request body, also after decompression", func(c *Config) *int64 { return &c.Limits.BodyMaxBytes }, parseSize, formatSize),
		newSetting("limits.bodies_max_bytes", "size", "most memory for request bodies being handled; beyond it requests are shed", func(c *Config) *int64 { return &c.Limits.BodiesMaxBytes }, parseSize, formatSize),
		newSetting("limits.pending_max", "int", "most operations that wait for the writer; beyond it requests are shed", func(c *Config) *int { return &c.Limits.PendingMax }, parseInt, strconv.Itoa),

		newSetting("limits.events_max_bytes", "size", "largest PutEvents request, as EventBridge counts its entries", func(c *Config) *int64 { return &c.Limits.EventsMaxBytes }, parseSize, formatSize),

		newSetting("disk.free_min_bytes", "size", "refuse new data when less than this is free", func(c *Config) *int64 { return &c.Disk.FreeMinBytes }, parseSize, formatSize),
		newSetting("disk.free_min_percent", "int", "refuse new data when less than this share of the volume is free", func(c *Config) *int { return &c.Disk.FreeMinPercent }, parseInt, strconv.Itoa),

		stringSetting("log.format", "string", "json or text", func(c *Config) *string { return &c.Log.Format }),
		newSetting("log.level", "level", "debug, info, warn or error", func(c *Config) *slog.Level { return &c.Log.Level }, parseLevel, formatLevel),
		newSetting("metrics_queues_max", "int", "queues with metrics of their own, the deepest first; -1 is none", func(c *Config) *int { return &c.MetricsQueuesMax }, parseInt, strconv.Itoa),
		stringSetting("pprof_listen", "address", "loopback address for net/http/pprof; empty is off", func(c *Config) *string { return &c.PprofListen }),
	}
}

func newSetting[T any](key, kind, help string, field func(*Config) *T, parse func(string) (T, error), format func(T) string) Setting {
	return Setting{
		Key: key, Kind: kind, Help: help,
		set: func(c *Config, text string) error {
			v, err := parse(text)
			if err != nil {
				return err
			}
			*field(c) = v
			return nil
		},
		get: func(c Config) string { return format(*field(&c)) },
	}
}

func stringSetting(key, kind, help string, field func(*Config) *string) Setting {
	return newSetting(key, kind, help, field,
		func(s string) (string, error) { return s, nil },
		func(s string) string { return s })
}

func hidden(s Setting) Setting {
	s.Hidden = true
	s.get = func(Config) string { return "" }
	return s
}

func parseDuration(text string) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return 0, fmt.Errorf("%q is not a duration such as 500ms, 30s or 24h", text)
	}
	return d, nil
}

func formatDuration(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// listOf splits the text of a list setting.
func listOf(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' || r == '\n' })
}

func parsePrefixes(text string) ([]netip.Prefix, error) {
	all := []netip.Prefix{} // not nil: an empty list is a choice too
	for _, item := range listOf(text) {
		p, err := netip.ParsePrefix(item)
		if err != nil {
			return nil, fmt.Errorf("%q is not a network such as 10.1.0.0/16 or fd00::/8", item)
		}
		all = append(all, p)
	}
	return all, nil
}

func formatPrefixes(all []netip.Prefix) string {
	texts := make([]string, len(all))
	for i, p := range all {
		texts[i] = p.String()
	}
	return strings.Join(texts, ",")
}

func parsePairs(text string) (map[string]string, error) {
	all := map[string]string{}
	for _, item := range listOf(text) {
		name, value, ok := strings.Cut(item, "=")
		if !ok || name == "" || value == "" {
			return nil, fmt.Errorf("%q is not NAME=URL", item)
		}
		all[name] = value
	}
	return all, nil
}

func formatPairs(all map[string]string) string {
	texts := make([]string, 0, len(all))
	for _, name := range slices.Sorted(maps.Keys(all)) {
		texts = append(texts, name+"="+all[name])
	}
	return strings.Join(texts, ",")
}

func parseBool(text string) (bool, error) {
	switch text {
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	return false, fmt.Errorf("%q is neither true nor false", text)
}

func parseInt(text string) (int, error) {
	n, err := strconv.Atoi(text)
	if err != nil {
		return 0, fmt.Errorf("%q is not a whole number", text)
	}
	return n, nil
}

// sizeUnits are the suffixes of a size, the longest first.
func sizeUnits() []struct {
	suffix string
	bytes  int64
} {
	return []struct {
		suffix string
		bytes  int64
	}{{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"B", 1}}
}

var errNotSize = errors.New("is not a size such as 1048576, 512KiB, 8MiB or 1GiB")

// parseSize reads a number of bytes with an optional binary unit.
func parseSize(text string) (int64, error) {
	number, unit := text, int64(1)
	for _, u := range sizeUnits() {
		if rest, ok := strings.CutSuffix(text, u.suffix); ok {
			number, unit = strings.TrimSpace(rest), u.bytes
			break
		}
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || n < 0 || n > (1<<62)/unit {
		return 0, fmt.Errorf("%q %w", text, errNotSize)
	}
	return n * unit, nil
}

func formatSize(n int64) string {
	for _, u := range sizeUnits() {
		if n != 0 && n%u.bytes == 0 && u.bytes > 1 {
			return strconv.FormatInt(n/u.bytes, 10) + u.suffix
		}
	}
	return strconv.FormatInt(n, 10)
}

func parseLevel(text string) (slog.Level, error) {
	switch text {
	case "debug":
		return slog.LevelDebug, nil
	case "info":
		return slog.LevelInfo, nil
	case "warn":
		return slog.LevelWarn, nil
	case "error":
		return slog.LevelError, nil
	}
	return 0, fmt.Errorf("%q is none of debug, info, warn, error", text)
}

func formatLevel(l slog.Level) string { return strings.ToLower(l.String()) }
