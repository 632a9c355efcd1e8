// Package flatten takes an event apart into its leaf values, each under its dotted name, in one pass over the bytes
// that steps over everything no pattern asks for; and it decides whether values of several fields can have come from
// the same elements of the event's arrays ([Reader.Consistent]).
//
// It knows nothing of operators or rules: only which names are wanted ([Tree]). Start at tree.go and reader.go; the
// semantics of arrays are in consistent.go.
package flatten
