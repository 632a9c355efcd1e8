package webhook

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed567880c8/turnout/sinks"
)

// addresses are those with which services have been made to attack their own
// site, and two that are public.
var addresses = []struct{ address, what string }{
	{"127.0.0.1", "loopback"},
	{"127.255.255.254", "loopback"},
	{"0.0.0.0", "this host"},
	{"0.1.2.3", "this network"},
	{"10.0.0.1", "private"},
	{"172.31.255.1", "private"},
	{"192.168.1.1", "private"},
	{"169.254.169.254", "metadata service"},
	{"169.254.170.2", "metadata service of containers"},
	{"100.64.0.1", "carrier's NAT"},
	{"100.100.100.200", "metadata service in a carrier's NAT range"},
	{"192.0.0.192", "metadata service in the IETF's range"},
	{"168.63.129.16", "wire server at a public address"},
	{"198.18.0.1", "benchmarks"},
	{"192.88.99.1", "6to4 relay"},
	{"224.0.0.1", "multicast"},
	{"240.0.0.1", "class E"},
	{"255.255.255.255", "broadcast"},
	{"203.0.113.1", "documentation"},
	{"::1", "loopback"},
	{"::", "unspecified"},
	{"::ffff:127.0.0.1", "IPv4-mapped loopback"},
	{"::ffff:169.254.169.254", "IPv4-mapped metadata service"},
	{"::127.0.0.1", "IPv4-compatible loopback"},
	{"64:ff9b::7f00:1", "NAT64 to loopback"},
	{"64:ff9b::a9fe:a9fe", "NAT64 to the metadata service"},
	{"64:ff9b:1::a9fe:a9fe", "local NAT64 to the metadata service"},
	{"2002:7f00:1::", "6to4 to loopback"},
	{"2002:a9fe:a9fe::1", "6to4 to the metadata service"},
	{"2001::1", "Teredo"},
	{"fe80::1", "link local"},
	{"fc00::1", "unique local"},
	{"fd00:ec2::254", "metadata service"},
	{"fec0::1", "site local"},
	{"ff02::1", "multicast"},
	{"2001:db8::1", "documentation"},
	{"3fff::1", "documentation"},
	{"100::1", "discard"},
	{"5f00::1", "segment routing"},
	{"8.8.8.8", ""},
	{"2606:4700::1111", ""},
}

var errPermitted = errors.New("permitted, and not dialled by the test")

// guarded returns a client that permits or refuses, and dials nothing that is
// not loopback.
func guarded(t *testing.T, cfg Config) (*Client, *dialled) {
	t.Helper()
	c := NewClient(cfg)
	t.Cleanup(c.Close)
	d := &dialled{}
	c.guard.permitted = func(to netip.AddrPort) error {
		d.mu.Lock()
		d.all = append(d.all, to)
		d.mu.Unlock()
		return errPermitted
	}
	return c, d
}

// dialled records what the guard permitted.
type dialled struct {
	mu  sync.Mutex
	all []netip.AddrPort
}

func (d *dialled) got() []netip.AddrPort {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]netip.AddrPort(nil), d.all...)
}

func TestAddresses(t *testing.T) {
	t.Parallel()

	require.Len(t, addresses, 41)
	resolver := startNameServer(t, func(name string, v6 bool, _ int) []netip.Addr {
		i, err := strconv.Atoi(name[1 : len(name)-len(".example")])
		addr := netip.MustParseAddr(addresses[i].address)
		if err != nil || addr.Is6() != v6 {
			return nil
		}
		return []netip.Addr{addr}
	})
	for i, tc := range addresses {
		t.Run(tc.address, func(t *testing.T) {
			t.Parallel()
			addr := netip.MustParseAddr(tc.address)
			for _, raw := range []string{
				(&url.URL{Scheme: "https", Host: netip.AddrPortFrom(addr, 8443).String()}).String(),
				fmt.Sprintf("https://a%d.example:8443/", i), // known only when it is dialled
			} {
				c, d := guarded(t, Config{})
				c.transports.resolver = resolver
				r := c.Do(t.Context(), &Request{URL: raw})
				require.NotNil(t, r.Failure)
				if tc.what == "" {
					require.Equal(t, []netip.AddrPort{netip.AddrPortFrom(addr, 8443)}, d.got(), "a public address is connected to")
					require.False(t, r.Failure.Permanent)
					continue
				}
				require.Empty(t, d.got(), "%s: not connected to", tc.what)
				require.Equal(t, sinks.CodeNoPermissions, r.Failure.Code, "%s by %s: %s", tc.what, raw, r.Failure.Message)
				require.True(t, r.Failure.Permanent)
				require.Contains(t, r.Failure.Message, "--webhook-allow "+addr.Unmap().String()+"/", "the message says what allows it")
			}
		})
	}
}

func TestAddressForms(t *testing.T) {
	t.Parallel()

	// Other ways to write loopback: what one parser takes for a name, another
	// takes for an address. None may get through.
	resolver := startNameServer(t, func(string, bool, int) []netip.Addr { return nil })
	for _, host := range []string{
		"localhost", "LOCALHOST", "localhost.", "0x7f000001", "2130706433", "127.1", "0177.0.0.1", "127.0.0.1.",
		"①②⑦.0.0.1", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[fe80::1%25lo]", "[::1%25lo]", "[2606:4700::1111%25lo]", "127.0.0.1%00",
	} {
		t.Run(host, func(t *testing.T) {
			t.Parallel()
			c, d := guarded(t, Config{AllowHTTP: true})
			c.transports.resolver = resolver
			r := c.Do(t.Context(), &Request{URL: "http://" + host + ":8080/"})
			require.NotNil(t, r.Failure)
			require.Empty(t, d.got())
		})
	}
}

func TestRebinding(t *testing.T) {
	t.Parallel()

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var accepted atomic.Int32
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			accepted.Add(1)
			_ = conn.Close()
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		wg.Wait()
	})
	public, loopback := netip.MustParseAddr("93.184.216.34"), netip.MustParseAddr("127.0.0.1")
	port := netip.MustParseAddrPort(listener.Addr().String()).Port()
	resolver := startNameServer(t, func(name string, v6 bool, n int) []netip.Addr {
		switch {
		case v6:
			return nil
		case name == "both.example":
			return []netip.Addr{public, loopback}
		case n == 1:
			return []netip.Addr{public}
		default:
			return []netip.Addr{loopback}
		}
	})

	c, d := guarded(t, Config{AllowHTTP: true})
	c.transports.resolver = resolver
	request := &Request{URL: fmt.Sprintf("http://rebind.example:%d/", port)}
	first := c.Do(t.Context(), request)
	require.False(t, first.Failure.Permanent, "the public address is connected to")
	second := c.Do(t.Context(), request)
	require.True(t, second.Failure.Permanent, "the private one is not, although the name was good before")
	require.Contains(t, second.Failure.Message, "--webhook-allow 127.0.0.1/32")

	both := c.Do(t.Context(), &Request{URL: fmt.Sprintf("http://both.example:%d/", port)})
	require.NotNil(t, both.Failure)
	require.Equal(t, []netip.AddrPort{netip.AddrPortFrom(public, port), netip.AddrPortFrom(public, port)}, d.got(),
		"of the addresses of a name, only the public one is connected to")
	require.Zero(t, accepted.Load(), "nobody came to loopback")
}

func TestNameWithThousandsOfAddresses(t *testing.T) {
	t.Parallel()

	resolver := startNameServer(t, func(_ string, v6 bool, _ int) []netip.Addr {
		if v6 {
			return nil
		}
		all := make([]netip.Addr, 3000)
		for i := range all {
			all[i] = netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)})
		}
		return all
	})
	c, d := guarded(t, Config{})
	c.transports.resolver = resolver
	r := c.Do(t.Context(), &Request{URL: "https://many.example/"})
	require.Equal(t, sinks.CodeConnectionFailure, r.Failure.Code, r.Failure.Message)
	require.False(t, r.Failure.Permanent)
	require.Empty(t, d.got())
}

func TestGuardLists(t *testing.T) {
	t.Parallel()

	prefixes := func(all ...string) []netip.Prefix {
		out := make([]netip.Prefix, 0, len(all))
		for _, p := range all {
			out = append(out, netip.MustParsePrefix(p))
		}
		return out
	}
	cases := []struct {
		name        string
		allow, deny []netip.Prefix
		to          string
		want        string // part of the refusal; "" is permitted
	}{
		{"allowed", prefixes("10.0.0.0/8"), nil, "10.1.2.3:443", ""},
		{"beside the allowed", prefixes("10.0.0.0/8"), nil, "11.0.0.1:443", ""},
		{"other private", prefixes("10.0.0.0/8"), nil, "192.168.0.1:443", "--webhook-allow 192.168.0.1/32"},
		{"mapped", prefixes("10.0.0.0/8"), nil, "[::ffff:10.1.2.3]:443", ""},
		{"mapped prefix", prefixes("::ffff:10.0.0.0/104"), nil, "10.1.2.3:443", ""},
		{"prefix with host bits", prefixes("10.9.9.9/8"), nil, "10.1.2.3:443", ""},
		{"IPv6", prefixes("fd00::/8"), nil, "[fd00::1]:443", ""},
		{"zone of an allowed", prefixes("fe80::/10"), nil, "[fe80::1%lo]:443", ""},
		{"zone of a public", nil, nil, "[2606:4700::1111%lo]:443", "not public"},
		{"denied before allowed", prefixes("10.0.0.0/8"), prefixes("10.1.0.0/16"), "10.1.2.3:443", "not allowed"},
		{"denied public", nil, prefixes("8.8.8.0/24"), "8.8.8.8:443", "not allowed"},
		{"everything", prefixes("0.0.0.0/0"), nil, "192.168.0.1:443", ""},
		{"metadata in everything", prefixes("0.0.0.0/0"), nil, "169.254.169.254:80", "metadata service; --webhook-allow 169.254.169.254/32"},
		{"metadata in a site", LocalNetworks(), nil, "[fd00:ec2::254]:80", "metadata service"},
		{"metadata by name", prefixes("169.254.169.254/32"), nil, "169.254.169.254:80", ""},
		{"NAT64 to public", prefixes("64:ff9b::/96"), nil, "[64:ff9b::808:808]:443", ""},
		{"NAT64 to loopback", prefixes("64:ff9b::/96"), nil, "[64:ff9b::7f00:1]:443", "not public"},
		{"NAT64 to denied", prefixes("64:ff9b::/96"), prefixes("8.8.8.0/24"), "[64:ff9b::808:808]:443", "not public"},
		{"local networks", LocalNetworks(), nil, "127.0.0.1:8080", ""},
		{"not link local", LocalNetworks(), nil, "169.254.1.1:8080", "not public"},
		{"SSH", LocalNetworks(), nil, "127.0.0.1:22", "port 22 is not allowed"},
		{"port 1023", nil, nil, "8.8.8.8:1023", "port 1023 is not allowed"},
		{"port 1024", nil, nil, "8.8.8.8:1024", ""},
		{"port 0", nil, nil, "8.8.8.8:0", "port 0 is not allowed"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			g := newGuard(&Config{AllowCIDRs: tc.allow, DenyCIDRs: tc.deny})
			err := g.control("tcp4", tc.to, nil)
			if tc.want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, tc.want)
		})
	}
	t.Run("other networks", func(t *testing.T) {
		t.Parallel()
		g := newGuard(&Config{})
		require.Error(t, g.control("udp4", "8.8.8.8:443", nil))
		require.Error(t, g.control("tcp4", "nonsense", nil))
	})
}

func TestOwnAddresses(t *testing.T) {
	t.Parallel()

	local := netip.MustParseAddr("192.168.7.7")
	cases := []struct {
		own, to string
		refused bool
	}{
		{"127.0.0.1:4566", "127.0.0.1:4566", true},
		{"127.0.0.1:4566", "127.0.0.1:4567", false},
		{"127.0.0.1:4566", "127.0.0.2:4566", false},
		{"127.0.0.1:4566", "0.0.0.0:4566", true},
		{"[::1]:4566", "[::1]:4566", true},
		{"[::ffff:127.0.0.1]:4566", "127.0.0.1:4566", true},
		{"0.0.0.0:4566", "127.0.0.1:4566", true},
		{"0.0.0.0:4566", "127.9.9.9:4566", true},
		{"0.0.0.0:4566", "192.168.7.7:4566", true},
		{"[::]:4566", "192.168.7.7:4566", true},
		{"[::]:4566", "[::ffff:192.168.7.7]:4566", true},
		{"[::]:4566", "192.168.7.8:4566", false},
		{"[::]:4566", "192.168.7.7:8080", false},
	}
	for _, tc := range cases {
		t.Run(tc.own+" "+tc.to, func(t *testing.T) {
			t.Parallel()
			g := newGuard(&Config{
				AllowCIDRs: append(LocalNetworks(), netip.MustParsePrefix("0.0.0.0/8")),
				Own:        func() []netip.AddrPort { return []netip.AddrPort{netip.MustParseAddrPort(tc.own)} },
			})
			g.interfaces = func() ([]net.Addr, error) {
				return []net.Addr{&net.IPNet{IP: local.AsSlice(), Mask: net.CIDRMask(24, 32)}}, nil
			}
			err := g.check(netip.MustParseAddrPort(tc.to))
			if !tc.refused {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, "this server itself")
			g.interfaces = func() ([]net.Addr, error) { return nil, errors.New("no netlink") }
			require.Error(t, g.check(netip.MustParseAddrPort(tc.to)), "what cannot be known is refused")
		})
	}
}

func TestCheckURL(t *testing.T) {
	t.Parallel()

	strict := NewClient(Config{})
	t.Cleanup(strict.Close)
	cases := []struct{ url, code, message string }{
		{"https://example.com", "", ""},
		{"https://example.com:8443/path?q=1#fragment", "", ""},
		{"https://8.8.8.8/", "", ""},
		{"http://example.com/", sinks.CodeNoPermissions, "plain http is not allowed, use https; --webhook-allow-http allows it"},
		{"ftp://example.com/", sinks.CodeInvalidParameter, "the URL is neither https nor http"},
		{"https:example.com", sinks.CodeInvalidParameter, "the URL has no host"},
		{"https:///path", sinks.CodeInvalidParameter, "the URL has no host"},
		{"//example.com", sinks.CodeInvalidParameter, "the URL is neither https nor http"},
		{"https://user:s3cret@example.com/", sinks.CodeInvalidParameter, "the URL has user information, which is not allowed"},
		{"https://example.com:s3cret/", sinks.CodeInvalidParameter, "the URL is malformed"},
		{"https://example.com/%zz?s3cret", sinks.CodeInvalidParameter, "the URL is malformed"},
		{"https://exam\x00ple.com/", sinks.CodeInvalidParameter, "the URL is malformed"},
		{"https://example.com:25/", sinks.CodeNoPermissions, "https://example.com:25: port 25 is not allowed: only 80, 443 and those above 1023 are"},
		{"https://example.com:99999/", sinks.CodeNoPermissions, "https://example.com:99999: the port is not a number from 1 to 65535"},
		{"https://10.0.0.1/", sinks.CodeNoPermissions, "https://10.0.0.1: address 10.0.0.1 is not public; --webhook-allow 10.0.0.1/32 allows it"},
		{"", sinks.CodeInvalidParameter, "the URL is neither https nor http"},
	}
	for _, tc := range cases {
		t.Run(tc.url, func(t *testing.T) {
			t.Parallel()
			f := strict.CheckURL(tc.url)
			if tc.code == "" {
				require.Nil(t, f)
				return
			}
			require.Equal(t, &sinks.Failure{Code: tc.code, Message: tc.message, Permanent: true}, f)
		})
	}
}
