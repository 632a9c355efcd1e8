// Package eventbridge serves the wire API of Amazon EventBridge, awsJson 1.1
// with the target prefix AWSEvents: buses, rules, targets, tags, permissions,
// PutEvents and TestEventPattern, archives, replays, connections and API
// destinations. The operations that AWS has and Turnout does not offer are
// answered by one clear error each.
//
// It turns requests into calls of a Broker and its companions, which it declares
// in service.go, and results into answers, with AWS's validation, texts and
// defaults. It knows nothing of matching, storage or delivery.
//
// Start with service.go. model.go transcribes AWS's service model;
// internal/shape decodes requests by it and says in AWS's words what a request
// breaks of it. put_events.go is the hot path and decodes by hand.
package eventbridge
