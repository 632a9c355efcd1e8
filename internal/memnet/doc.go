// Package memnet is a network in memory: a listener whose connections are the
// two ends of a pipe. A server behind it needs no port, and runs in virtual
// time inside a testing/synctest bubble, where a real socket would never be idle.
package memnet
