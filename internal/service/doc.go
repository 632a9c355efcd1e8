// Package service runs the long-lived parts of a program together and stops
// them in stages. It knows nothing of what the parts do.
package service
