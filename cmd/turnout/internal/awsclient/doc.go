// Package awsclient makes clients of the AWS SDK that talk to a Turnout server,
// and publishes events through one. It uses the public wire API only and knows
// nothing of the server's insides.
package awsclient
