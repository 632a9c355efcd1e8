// Package function invokes functions over HTTP, as AWS Lambda's Invoke operation
// does. What runs the function is somebody else's: Lambda itself, a runtime
// interface emulator in a container, an emulator of the cloud, or any server
// that speaks this one operation.
//
// The package knows nothing of retries or queues. Sink.Attempt is where to start
// reading.
package function
