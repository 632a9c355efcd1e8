// Package native is how the commands call a server's native API: the
// connection, whom a call speaks for, and what errors say to the person at the
// keyboard. It knows nothing of the commands. Start with New.
package native
