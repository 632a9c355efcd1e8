// Package connections keeps EventBridge connections and API destinations: their
// records in the store, their secrets sealed, and what dispatch needs to deliver
// to a destination.
//
// Changes belong to the partition's loop; what they need of cryptography and
// parsing is done before, on the caller's goroutine. The package knows nothing
// of rules, queues or wire protocols. Start with Connections in connections.go;
// authorize.go is the life of an OAuth connection.
package connections
