// Package transform makes of an event what a target gets: a constant (Input), a part of the event (InputPath), or a
// text with parts of the event in it (InputTransformer), as EventBridge does. Specifications are checked with AWS's
// messages when they are made ([Parse]) and applied to one event after another ([Transform.Apply]).
//
// Unlike the service, which drops an event in silence when nothing sensible comes out, Apply returns an error, so that
// the delivery fails where someone can see it.
//
// The package is pure: no I/O, no clock, no goroutine. It knows nothing of rules, targets or the wire. Start at
// transform.go; paths are in path.go, templates in template.go.
package transform
