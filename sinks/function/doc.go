// Package function invokes functions over HTTP, as AWS Lambda's Invoke operation does.
package function
