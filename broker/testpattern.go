package broker

import (
	"context"
	"encoding/json"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/broker/catalog"
	"github.com/seed567880c8/turnout/rules"
)

// requiredFields are what AWS wants an event for TestEventPattern to have.
// https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_TestEventPattern.html
var requiredFields = [...]string{"id", "account", "source", "time", "region", "resources", "detail-type"}

// TestEventPattern reports whether an event matches a pattern. It is
// CodeInvalidEventPattern for the pattern, CodeValidation for an event that is
// not a JSON object or lacks a required field, with AWS's messages.
func (b *Broker) TestEventPattern(_ context.Context, pattern, event []byte) (bool, error) {
	parsed, err := catalog.ParsePattern(pattern)
	if err != nil {
		return false, err
	}
	invalid := turnout.Errorf(turnout.CodeValidation, "Parameter Event is not valid.")
	if rules.Scan(event) != nil || !rules.IsObject(event) {
		return false, invalid
	}
	var fields map[string]json.RawMessage
	if json.Unmarshal(event, &fields) != nil {
		return false, invalid
	}
	for _, name := range requiredFields {
		if _, ok := fields[name]; !ok {
			return false, invalid
		}
	}
	ids, err := rules.Compile([]rules.Rule{{Pattern: parsed}}).Match(nil, event)
	return len(ids) > 0, err
}
