// Package storetest is the suite that every implementation of store.Store must
// pass: order, atomicity, isolation, bounds, and what is left after a restart
// or a power loss. An implementation's test calls Run.
package storetest
