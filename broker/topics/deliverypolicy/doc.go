// Package deliverypolicy reads the delivery policies of topics and
// subscriptions, puts them together with AWS's defaults, and says from them how
// long to wait before a retry.
//
// It is pure and knows nothing of topics beside these documents. Start with
// Effective in policy.go.
package deliverypolicy
