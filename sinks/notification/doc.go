// Package notification knows what a topic's message looks like to those who
// get it: the notification JSON and its signature, the HTTP headers, the event
// of a function, the confirmation messages. It has the sink that posts them.
//
// It knows nothing of topics' state, filter policies or the store; broker/topics
// gives it finished messages. Start with Message in message.go, then Sink in sink.go.
package notification
