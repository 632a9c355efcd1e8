// Package sqs serves the Amazon SQS API: all 23 operations, in awsJson 1.0 and
// in the query protocol, with AWS's validation, error codes and texts.
//
// It decodes a request, checks what can be checked without looking at a queue,
// calls the engine through the small interfaces of operations.go and encodes
// the answer. It knows nothing of storage, of how messages wait, or of HTTP
// beyond what package awswire hands it; only peek.go, the developer endpoint
// that lists messages without receiving them, is an HTTP handler.
//
// Start with operations.go; every family of operations has its file. The
// behaviour is that of https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/
// and of what AWS was observed to answer; docs/COMPATIBILITY.md lists the deviations.
package sqs
