// Package rawjson reads JSON without building it: it checks a whole text strictly in one pass ([Scan]), steps over
// values of a checked text ([Skip]), decodes strings and compares numbers by their decimal value, and hands a small
// text out token by token with AWS's error texts ([Tokens]).
//
// It knows nothing of events, patterns or rules. Start at scan.go.
package rawjson
