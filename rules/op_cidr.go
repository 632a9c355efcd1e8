package rules

import (
	"net/netip"
	"strconv"
	"strings"

	"github.com/seed567880c8/turnout/rules/internal/match"
	"github.com/seed567880c8/turnout/rules/internal/rawjson"
)

// network matches strings that are an IP address in a network, of the same family.
type network struct{ prefix netip.Prefix }

func (o network) matches(v *match.Value, _ *match.Scratch) bool {
	if v.Kind != rawjson.String {
		return false
	}
	a, ok := match.ParseAddress(v.Text)
	return ok && o.prefix.Contains(a)
}
func (o network) index(x *match.Index, p match.Posting) { x.Network(o.prefix, p) }
func (o network) odds(int) float64                      { return 0.1 }
func (o network) appendTo(dst []byte) []byte            { return appendExpression(dst, "cidr", o.prefix.String()) }

func parseCIDR(p *parser) (alternative, error) {
	// AWS speaks of prefix here.
	if err := p.expect(rawjson.String, "prefix match pattern must be a string"); err != nil {
		return nil, err
	}
	o, err := p.network(p.tokens.Text())
	if err != nil {
		return nil, err
	}
	return o, p.endOfExpression()
}

// network parses an address, a slash and the number of bits all addresses of the network have in common. AWS gives no
// place for these complaints.
func (p *parser) network(text string) (network, error) {
	ip, mask, ok := strings.Cut(text, "/")
	if !ok || mask == "" || strings.Contains(mask, "/") {
		return network{}, p.failNowhere("Malformed CIDR, one '/' required")
	}
	bits, err := strconv.ParseInt(mask, 10, 32)
	if err != nil {
		return network{}, p.failNowhere("Malformed CIDR, mask bits must be an integer")
	}
	if bits < 0 {
		return network{}, p.failNowhere("Malformed CIDR, mask bits must not be negative")
	}
	if !match.LooksLikeAddress(ip) {
		return network{}, p.failNowhere("Nonstandard IP address: %s", ip)
	}
	a, ok := match.ParseAddress(ip)
	switch {
	case !ok:
		return network{}, p.failNowhere("Invalid IP address: %s", ip)
	case a.Is4() && bits > 31:
		return network{}, p.failNowhere("IPv4 mask bits must be < 32")
	case bits > 127:
		return network{}, p.failNowhere("IPv6 mask bits must be < 128")
	}
	prefix, err := a.Prefix(int(bits))
	if err != nil {
		return network{}, p.failNowhere("Invalid IP address: %s", ip)
	}
	return network{prefix}, nil
}
