// Package shape reads requests by AWS's service model. A Shape is the form of a
// value and its constraints; Decode reads a request as one, and says in AWS's
// words what the request breaks of it.
//
// It knows no operation and no resource: the model itself is written down where
// the operations are. It knows awswire's JSON reader, and nothing else of
// Turnout but its errors.
//
// Start with shape.go; value.go decodes, constraint.go checks.
package shape
