// Package metrics is the page that Prometheus reads, and the only package that
// knows Prometheus. Names begin with turnout_, units are base units, and no
// label takes a value that a client can invent.
//
// It knows nothing of what is measured: requests are reported to it, everything
// else is read from its source when the page is. Start with Registry in registry.go.
package metrics
