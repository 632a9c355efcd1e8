// Package cli builds the turnout command: its sub-commands, their flags, how
// they print, and the exit code.
//
// Each command's work is done elsewhere: the servers' in internal/server, the
// demo's and put's in the packages beside this one. Start with Main in cli.go.
package cli
