// Package histogram counts latencies in little memory. It knows nothing of what
// took so long.
package histogram
