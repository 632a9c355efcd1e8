// Package archive keeps copies of events in archives, and replays events from
// archives and from the history of buses.
//
// An archive is fed by a managed rule on its bus, so that what is archived is
// decided where everything else is: when the event is matched. A replay is a
// background task that reads what is stored and has the broker deliver it
// again; its progress is in the batches of its deliveries, so it goes on after
// a restart where it was, with nothing left out and nothing twice.
//
// The package knows nothing of wire protocols, and of the broker only what
// Broker in broker.go says. Start with Archives in archives.go, then replay.go.
package archive
