package cli

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/spf13/cobra"
)

// output is the value of an -o flag.
type output string

// The forms of output.
const (
	asTable output = "table"
	asJSON  output = "json"
)

// String, Set and Type make an output a flag value.
func (o *output) String() string { return string(*o) }

// Type names the value in --help.
func (o *output) Type() string { return "json|table" }

// Set takes one of the two forms.
func (o *output) Set(s string) error {
	switch output(s) {
	case asTable, asJSON:
		*o = output(s)
		return nil
	}
	return fmt.Errorf("%q is neither json nor table", s)
}

// addOutput gives cmd the flag -o.
func addOutput(cmd *cobra.Command) *output {
	o := new(asTable)
	cmd.Flags().VarP(o, "output", "o", "form of the output")
	// An error here would mean that the flag above does not exist.
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{string(asTable), string(asJSON)}, cobra.ShellCompDirectiveNoFileComp))
	return o
}

// printJSON writes v on one line.
func printJSON(w io.Writer, v any) error { return json.NewEncoder(w).Encode(v) }
