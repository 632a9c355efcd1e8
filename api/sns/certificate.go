package sns

import (
	"net/http"
	"strconv"
	"strings"
)

// AWS publishes its certificates at /SimpleNotificationService-HASH.pem, and
// those who verify signatures look for such a path in SigningCertURL.
const (
	certificatePrefix = "/SimpleNotificationService-"
	certificateSuffix = ".pem"
)

// CertificateHandler returns a handler that serves the certificate which
// notifications are signed with, to anyone, at /SimpleNotificationService-HASH.pem
// for any HASH of hexadecimal digits, and hands every other request to next. A
// server has one certificate, so that the digits, which tell those of AWS
// apart, choose nothing here.
func (a *API) CertificateHandler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !isCertificatePath(r.URL.Path) || r.Method != http.MethodGet && r.Method != http.MethodHead {
			next.ServeHTTP(w, r)
			return
		}
		pem := a.cfg.Certificate()
		if len(pem) == 0 {
			http.Error(w, "This server has no certificate yet.", http.StatusServiceUnavailable)
			return
		}
		w.Header().Set("Content-Type", "application/x-pem-file")
		w.Header().Set("Content-Length", strconv.Itoa(len(pem)))
		w.Header().Set("Cache-Control", "public, max-age=3600")
		if r.Method == http.MethodGet {
			_, _ = w.Write(pem) // the client may be gone
		}
	})
}

func isCertificatePath(path string) bool {
	hash, ok := strings.CutPrefix(path, certificatePrefix)
	if !ok {
		return false
	}
	hash, ok = strings.CutSuffix(hash, certificateSuffix)
	return ok && hash != "" && strings.Trim(hash, "0123456789abcdef") == ""
}
