// Package terminal writes for the person at the keyboard: colours and moving
// progress on a terminal, plain lines anywhere else, aligned tables on both.
//
// It knows nothing of Turnout. Start with Printer.
package terminal
