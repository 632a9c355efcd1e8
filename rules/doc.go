// Package rules is EventBridge's pattern language: it parses patterns with AWS's validation errors ([Parse]), checks
// events strictly before anything looks into them ([Scan]), compiles the patterns of many rules into one immutable
// [Set], and finds the rules an event matches without trying them one by one ([Set.Match]).
//
// The package is pure: no I/O, no clock, no goroutine. It knows nothing of buses, targets or the wire.
//
// Where to start reading: docs/MATCHER.md for how it works and why; parse.go for the structure of patterns ($or
// included), operators.go for the table of operators and the interface each implements in a file of its own
// (op_prefix.go …), compile.go for sets and how they change, match.go for one event's way through a set. The packages
// below rules/internal do the parts that need to know nothing of patterns: rawjson reads JSON, flatten takes events
// apart and decides about arrays, match compares values, engine decides which rules hold.
package rules
