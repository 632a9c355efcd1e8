// Package sinktest is the suite that each kind of sink must pass: an endpoint
// that behaves, and one for each way in which endpoints do not.
package sinktest
