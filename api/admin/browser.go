package admin

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// RefuseBrowsers wraps next, which changes state without authentication, so
// that no web page of another site can drive it: a request that a browser
// marks as coming from elsewhere is refused whatever its method, because the
// AWS query protocol changes state on GET too. Programs do not send the marks.
func RefuseBrowsers(next http.Handler) http.Handler {
	protection := http.NewCrossOriginProtection()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		site := r.Header.Get("Sec-Fetch-Site")
		crossSite := site != "" && site != "same-origin" && site != "none"
		if crossSite || protection.Check(r) != nil {
			writeProblem(w, http.StatusForbidden, "refused: the request comes from a web page of another origin")
			return
		}
		next.ServeHTTP(w, r)
	})
}

// guardBrowsers is RefuseBrowsers and a check of the Host against DNS
// rebinding: a page whose name was made to resolve to this machine is of the
// same origin to the browser, but its name gives it away.
func guardBrowsers(next http.Handler) http.Handler {
	return RefuseBrowsers(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !isPrivateHost(r.Host) {
			writeProblem(w, http.StatusForbidden, "refused: the Host is a public name; use localhost or an address")
			return
		}
		next.ServeHTTP(w, r)
	}))
}

// isPrivateHost reports whether no public DNS server can answer for host: an
// address, a name without a dot, or one below a top-level domain that is
// reserved for private use (RFC 6761, RFC 6762, ICANN's .internal).
func isPrivateHost(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.TrimSuffix(strings.Trim(host, "[]"), ".")
	if _, err := netip.ParseAddr(host); err == nil {
		return true
	}
	dot := strings.LastIndexByte(host, '.')
	if dot < 0 {
		return host != ""
	}
	switch strings.ToLower(host[dot+1:]) {
	case "localhost", "internal", "local", "test":
		return true
	}
	return false
}
