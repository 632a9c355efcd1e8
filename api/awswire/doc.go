// Package awswire speaks the wire protocols of the AWS SDKs: awsJson 1.0 and
// 1.1, and the query protocol with its XML (or, on request, JSON) answers.
//
// One Handler finds the service and the operation of a request, reads and caps
// its body, parses its credential, calls the operation and writes the answer
// or the error in the request's own protocol. What the operations mean is for
// the api packages above; this one knows nothing of queues, events or storage.
//
// Start with handler.go for the way of a request, service.go for what a
// service registers, encoder.go and jsonreader.go for what operations use.
package awswire
