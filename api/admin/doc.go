// Package admin answers what is asked about the server rather than of it:
// liveness, readiness, metrics, version, the health pages that tools written
// for other emulators poll, and, in development, the reset of everything.
//
// It knows nothing of queues or buses; what it reports is handed in. Start
// with Handler in handler.go.
package admin
