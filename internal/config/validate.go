package config

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Validate reports everything that is wrong with c, each fault with the path
// of its field. Call it on a Config that has its defaults.
func (c Config) Validate() error {
	return errors.Join(
		c.validateMode(),
		validateListen("listen", c.Listen),
		c.validateExposure(),
		validateListen("grpc_listen", c.GRPCListen),
		c.validatePprof(),
		validateDurability(c.Durability),
		validateAccount(c.Account),
		validateRegion(c.Region),
		c.Limits.validate(),
		c.Disk.validate(),
		c.Log.validate(),
		validateURL("public_url", c.PublicURL),
		c.Webhook.validate(),
		c.Function.validate(),
		c.History.validate(),
		c.Schedule.validate(),
		validateQueuesMax(c.MetricsQueuesMax),
	)
}

func (c Config) validateMode() error {
	switch {
	case c.Mode != Dev && c.Mode != Serve:
		return fmt.Errorf("mode: %q is neither %s nor %s", c.Mode, Dev, Serve)
	case c.Mode == Serve && c.DataDir == "":
		return errors.New("data: missing; name the directory that keeps the data, for example --data /var/lib/turnout")
	}
	return nil
}

func validateListen(path, address string) error {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("%s: %q is not HOST:PORT, for example 127.0.0.1:4566", path, address)
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil || strings.HasPrefix(port, "+") {
		return fmt.Errorf("%s: port %q of %q is not a number from 0 to 65535", path, port, address)
	}
	return nil
}

// validateExposure refuses to serve strangers: nothing authenticates them.
func (c Config) validateExposure() error {
	if c.InsecureNoAuth {
		return nil
	}
	return errors.Join(validateLoopback("listen", c.Listen), validateLoopback("grpc_listen", c.GRPCListen))
}

func validateLoopback(path, address string) error {
	if IsLoopback(address) {
		return nil
	}
	return fmt.Errorf("%s: %s can be reached from other machines, and requests are not authenticated; "+
		"listen on 127.0.0.1 and put a proxy that authenticates in front, "+
		"or, on a network that you trust, add --insecure-no-auth", path, address)
}

func (c Config) validatePprof() error {
	if c.PprofListen == "" {
		return nil
	}
	if err := validateListen("pprof_listen", c.PprofListen); err != nil {
		return err
	}
	if !IsLoopback(c.PprofListen) {
		return fmt.Errorf("pprof_listen: %s is not a loopback address; profiles show what is in memory", c.PprofListen)
	}
	return nil
}

// IsLoopback reports whether address, HOST:PORT, names this machine alone. A
// host name other than localhost does not count: what it resolves to may change.
func IsLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}

func validateDurability(d string) error {
	if d == DurabilitySync {
		return nil
	}
	return fmt.Errorf("durability: %q is not offered; the one choice is %q: an answer leaves when its data is synced to disk", d, DurabilitySync)
}

func validateAccount(account string) error {
	if len(account) == 12 && strings.Trim(account, "0123456789") == "" {
		return nil
	}
	return fmt.Errorf("account: %q is not twelve digits", account)
}

func validateRegion(region string) error {
	ok := region != "" && len(region) <= 32
	for _, r := range region {
		ok = ok && (r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-')
	}
	if !ok {
		return fmt.Errorf("region: %q is not a region name such as us-east-1", region)
	}
	return nil
}

func (l Limits) validate() error {
	return errors.Join(
		inRange("limits.connections_max", int64(l.ConnectionsMax), 1, 1_000_000),
		inRange("limits.connections_per_ip_max", int64(l.ConnectionsPerIPMax), 1, 1_000_000),
		inRange("limits.body_max_bytes", l.BodyMaxBytes, 64<<10, 1<<30),
		// One body of the largest size must fit, or it could never be handled.
		inRange("limits.bodies_max_bytes", l.BodiesMaxBytes, max(l.BodyMaxBytes, 64<<10), 1<<40),
		inRange("limits.pending_max", int64(l.PendingMax), 1, 1<<20),
		inRange("limits.events_max_bytes", l.EventsMaxBytes, 1<<10, l.BodyMaxBytes),
	)
}

func (d Disk) validate() error {
	if d == (Disk{}) {
		return errors.New("disk: free_min_bytes and free_min_percent are both 0; a full disk would stop every request, so keep at least 1MiB")
	}
	return errors.Join(
		inRange("disk.free_min_bytes", d.FreeMinBytes, 0, 1<<50),
		inRange("disk.free_min_percent", int64(d.FreeMinPercent), 0, 90),
	)
}

func (w Webhook) validate() error {
	return errors.Join(
		durationInRange("webhook.timeout", w.Timeout, 100*time.Millisecond, 15*time.Minute),
		inRange("webhook.attempts_max", int64(w.AttemptsMax), 1, 100_000),
	)
}

func (f Function) validate() error {
	err := validateURL("function.endpoint", f.Endpoint)
	for name, text := range f.Endpoints {
		err = errors.Join(err, validateURL("function.endpoints: "+name, text))
	}
	return err
}

func (h History) validate() error {
	return errors.Join(
		durationInRange("history.retention", h.Retention, time.Minute, 10*365*24*time.Hour),
		inRange("history.max_bytes", h.MaxBytes, 1<<20, 1<<50),
	)
}

func (s Schedule) validate() error {
	return durationInRange("schedule.catch_up", s.CatchUp, time.Second, 365*24*time.Hour)
}

func durationInRange(path string, d, least, most time.Duration) error {
	if d < least || d > most {
		return fmt.Errorf("%s: %v is not from %v to %v", path, d, least, most)
	}
	return nil
}

// validateURL checks a base URL; "" is none.
func validateURL(path, text string) error {
	if text == "" {
		return nil
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return fmt.Errorf("%s: %q is not a base URL such as http://localhost:9001", path, text)
	}
	return nil
}

func (l Log) validate() error {
	if l.Format == formatJSON || l.Format == formatText {
		return nil
	}
	return fmt.Errorf("log.format: %q is neither %s nor %s", l.Format, formatJSON, formatText)
}

func validateQueuesMax(n int) error {
	if n == 0 {
		return errors.New("metrics_queues_max: 0 would be taken for the default; -1 is none")
	}
	return inRange("metrics_queues_max", int64(n), -1, 10_000)
}

func inRange(path string, got, low, high int64) error {
	if got >= low && got <= high {
		return nil
	}
	return fmt.Errorf("%s: %d is not between %d and %d", path, got, low, high)
}
