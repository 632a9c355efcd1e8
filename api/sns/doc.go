// Package sns serves the Amazon SNS API of version 2010-03-31 in the query
// protocol: the 21 operations on topics, subscriptions and messages, with AWS's
// validation, error codes and texts. The 21 operations on SMS, mobile push and
// their sandbox are refused by name.
//
// It decodes a request, checks what can be checked without looking at a topic,
// calls the engine through the small interfaces of operations.go and encodes
// the answer. It knows nothing of storage, of delivery, of filter policies
// beyond their JSON, or of HTTP beyond what package awswire hands it; only
// certificate.go, which serves the certificate that notifications are signed
// with, is an HTTP handler.
//
// Start with operations.go; every family of operations has its file. The
// behaviour is that of https://docs.aws.amazon.com/sns/latest/api/ and of what
// AWS was observed to answer; docs/COMPATIBILITY.md lists the deviations.
package sns
