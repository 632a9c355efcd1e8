// Package store is the seam that everything durable is written through: keys
// and values, batches that commit as one, and views to read from.
//
// A Batch is physical: keys and values only, decided above the seam, applied
// below it without a look at the clock, at chance or at what is stored. That
// is what lets one node's write-ahead log and a cluster's replicated log stand
// behind the same interface. The package knows nothing of events, messages or
// the engine in use; pebblestore implements it, storetest proves that it does.
package store
