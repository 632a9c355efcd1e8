// Package server puts the rooms of Turnout together: store, partition, queues,
// broker, the AWS APIs and the administrative pages behind one listener; and
// it owns the order in which they start and stop.
//
// Only cmd and tests import it. Start with New and Run in server.go.
package server
