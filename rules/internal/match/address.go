package match

import (
	"net/netip"
	"strings"
)

// longestAddress is the length of the longest text worth parsing as an address.
const longestAddress = 64

// LooksLikeAddress reports whether text has the shape of an IP address, valid or not: four decimal numbers with dots
// between them, or hexadecimal digits and at least one colon. AWS treats only such texts as addresses; in particular
// an IPv6 address that ends in dotted decimals is not one.
func LooksLikeAddress(text string) bool { return looksV4(text) || looksV6(text) }

func looksV4(text string) bool {
	dots, digits := 0, 0
	for i := range len(text) {
		switch c := text[i]; {
		case '0' <= c && c <= '9':
			digits++
		case c == '.' && digits > 0:
			dots++
			digits = 0
		default:
			return false
		}
	}
	return dots == 3 && digits > 0
}

func looksV6(text string) bool {
	colons := 0
	for i := range len(text) {
		switch c := text[i]; {
		case c == ':':
			colons++
		case '0' <= c && c <= '9', 'a' <= c|0x20 && c|0x20 <= 'f':
		default:
			return false
		}
	}
	return colons > 0
}

// ParseAddress returns the IP address that text is. Leading zeros in dotted decimals do not matter, and an IPv4
// address mapped into IPv6 is that IPv4 address, as AWS has it.
func ParseAddress(text string) (netip.Addr, bool) {
	if len(text) < 2 || len(text) > longestAddress {
		return netip.Addr{}, false
	}
	if looksV4(text) {
		return parseV4(text)
	}
	if !looksV6(text) {
		return netip.Addr{}, false
	}
	a, err := netip.ParseAddr(text)
	return a.Unmap(), err == nil
}

func parseV4(text string) (netip.Addr, bool) {
	var a [4]byte
	for i := range a {
		part, rest, _ := strings.Cut(text, ".")
		n := 0
		for j := range len(part) {
			if n = n*10 + int(part[j]-'0'); n > 255 {
				return netip.Addr{}, false
			}
		}
		a[i] = byte(n)
		text = rest
	}
	return netip.AddrFrom4(a), true
}
