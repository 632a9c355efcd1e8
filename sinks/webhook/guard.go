package webhook

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"syscall"

	"code.dny.dev/ssrf"
)

// LocalNetworks returns the networks of a machine and of its site: loopback and
// the private ranges. Allowing them is for development, and for servers whose
// users may reach everything that the server can. Link-local addresses, where
// clouds keep credentials, are not among them.
func LocalNetworks() []netip.Prefix {
	return []netip.Prefix{
		netip.MustParsePrefix("127.0.0.0/8"),
		netip.MustParsePrefix("::1/128"),
		netip.MustParsePrefix("10.0.0.0/8"),
		netip.MustParsePrefix("172.16.0.0/12"),
		netip.MustParsePrefix("192.168.0.0/16"),
		netip.MustParsePrefix("fc00::/7"),
	}
}

// isMetadata tells the addresses at which clouds hand out credentials. Some are
// inside private networks, one is a public address.
func isMetadata(addr netip.Addr) bool {
	switch addr.String() {
	case "169.254.169.254", // AWS, Azure, Google, …
		"169.254.170.2", "169.254.170.23", // AWS: containers, pods
		"fd00:ec2::254", "fd00:ec2::23", // AWS
		"168.63.129.16",   // Azure's wire server
		"100.100.100.200", // Alibaba
		"192.0.0.192",     // Oracle
		"fd20:ce::254":    // Google
		return true
	default:
		return false
	}
}

// guard decides which addresses may be connected to. It is asked with the
// address that a connection is about to be made to, so there is no moment
// between check and use in which a name could come to mean another address.
//
// In this order: the server's own addresses are refused, then the operator's
// deny list, then the allow list permits, then what is not public is refused.
type guard struct {
	allow, deny []netip.Prefix
	own         func() []netip.AddrPort
	public      *ssrf.Guardian
	interfaces  func() ([]net.Addr, error)
	// permitted, if not nil, sees what passed, and may still refuse it: for
	// tests, which must not connect to the addresses they ask for.
	permitted func(netip.AddrPort) error
}

// refusal is a connection that is not made, and what to do about it.
type refusal struct{ reason string }

func (r *refusal) Error() string { return r.reason }

func newGuard(cfg *Config) *guard {
	return &guard{
		allow: unmapped(cfg.AllowCIDRs), deny: unmapped(cfg.DenyCIDRs), own: cfg.Own,
		public: ssrf.New(ssrf.WithAnyPort()), interfaces: net.InterfaceAddrs,
	}
}

// unmapped turns prefixes of IPv4-mapped addresses into those of IPv4, as which
// such addresses are looked at.
func unmapped(prefixes []netip.Prefix) []netip.Prefix {
	all := make([]netip.Prefix, 0, len(prefixes))
	for _, p := range prefixes {
		if p.Addr().Is4In6() && p.Bits() >= 96 {
			p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
		}
		all = append(all, p.Masked())
	}
	return all
}

// control has the signature of net.Dialer.Control.
func (g *guard) control(network, address string, _ syscall.RawConn) error {
	if network != "tcp4" && network != "tcp6" {
		return &refusal{"network " + network + " is not allowed"}
	}
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return &refusal{"the address cannot be understood"}
	}
	if err := g.check(to); err != nil {
		return err
	}
	if g.permitted != nil {
		return g.permitted(to)
	}
	return nil
}

// checkHost checks what a URL says itself: its port and, if it names an address
// and not a name, that.
func (g *guard) checkHost(u *url.URL) error {
	port := uint64(443)
	if u.Scheme == "http" {
		port = 80
	}
	if text := u.Port(); text != "" {
		var err error
		if port, err = strconv.ParseUint(text, 10, 16); err != nil {
			return &refusal{"the port is not a number from 1 to 65535"}
		}
	}
	if err := checkPort(uint16(port)); err != nil {
		return err
	}
	if addr, err := netip.ParseAddr(u.Hostname()); err == nil {
		return g.check(netip.AddrPortFrom(addr, uint16(port)))
	}
	return nil
}

// checkPort keeps deliveries away from the ports of services that do not speak HTTP.
func checkPort(port uint16) error {
	if port == 443 || port == 80 || port > 1023 {
		return nil
	}
	return &refusal{fmt.Sprintf("port %d is not allowed: only 80, 443 and those above 1023 are", port)}
}

func (g *guard) check(to netip.AddrPort) error {
	if err := checkPort(to.Port()); err != nil {
		return err
	}
	// A zone says on which link an address is, not which one: for the lists it
	// does not count. What has one and is not in a list, is refused.
	zoned := to.Addr().Unmap()
	addr := zoned.WithZone("")
	if g.isOwn(netip.AddrPortFrom(addr, to.Port())) {
		return &refusal{fmt.Sprintf("%s is an address of this server itself", to)}
	}
	if contains(g.deny, addr) {
		return &refusal{fmt.Sprintf("address %s is not allowed", addr)}
	}
	if g.allowed(addr) {
		return nil
	}
	bits := addr.BitLen()
	if isMetadata(addr) {
		return &refusal{fmt.Sprintf("address %s belongs to a cloud's metadata service; --webhook-allow %s/%d allows it", addr, addr, bits)}
	}
	if zoned != addr || g.public.SafeAddr(addr) != nil {
		return &refusal{fmt.Sprintf("address %s is not public; --webhook-allow %s/%d allows it", addr, addr, bits)}
	}
	return nil
}

// allowed reports whether the operator's list permits addr.
func (g *guard) allowed(addr netip.Addr) bool {
	if isMetadata(addr) {
		for _, p := range g.allow {
			if p.IsSingleIP() && p.Contains(addr) {
				return true
			}
		}
		return false
	}
	if !contains(g.allow, addr) {
		return false
	}
	// A network that translates to IPv4 is no way round the rules for IPv4.
	if inner, ok := translated(addr); ok {
		return g.allowed(inner) || g.public.SafeAddr(inner) == nil && !isMetadata(inner) && !contains(g.deny, inner)
	}
	return true
}

// translated returns the IPv4 address that NAT64's well-known prefix stands for.
func translated(addr netip.Addr) (netip.Addr, bool) {
	if !netip.MustParsePrefix("64:ff9b::/96").Contains(addr) {
		return netip.Addr{}, false
	}
	b := addr.As16()
	return netip.AddrFrom4([4]byte(b[12:])), true
}

// isOwn reports whether to is where this server listens.
func (g *guard) isOwn(to netip.AddrPort) bool {
	if g.own == nil {
		return false
	}
	for _, own := range g.own() {
		if own.Port() != to.Port() {
			continue
		}
		addr := own.Addr().Unmap().WithZone("")
		if addr == to.Addr() || to.Addr().IsUnspecified() || addr.IsUnspecified() && g.isLocal(to.Addr()) {
			return true
		}
	}
	return false
}

// isLocal reports whether addr is one of this machine. If that cannot be known it is.
func (g *guard) isLocal(addr netip.Addr) bool {
	if addr.IsLoopback() {
		return true
	}
	all, err := g.interfaces()
	if err != nil {
		return true
	}
	for _, a := range all {
		if ip, ok := a.(*net.IPNet); ok {
			if local, ok := netip.AddrFromSlice(ip.IP); ok && local.Unmap() == addr {
				return true
			}
		}
	}
	return false
}

func contains(prefixes []netip.Prefix, addr netip.Addr) bool {
	for _, p := range prefixes {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}
