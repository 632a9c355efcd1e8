// Package testbus runs the whole of Turnout inside a testing/synctest bubble:
// the real server over an in-memory network and the real storage engine over
// an in-memory disk that can lose power, driven by the unchanged AWS SDK. Time
// is virtual, so twelve hours of visibility pass in milliseconds.
//
// The tests beside it are the behaviour of SQS and EventBridge as clients see
// it, one file a theme. Start with Test and Bus in bus.go.
package testbus
