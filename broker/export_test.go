package broker

import "github.com/seed567880c8/turnout"

// Layers is the number of sets of rules that an event on a bus is matched against.
func (b *Broker) Layers(bus turnout.BusName) int { return b.catalog.View(bus).LayerCount() }

// For the fuzzer of events.
var (
	AppendQuoted  = appendQuoted
	AppendCompact = appendCompact
)
