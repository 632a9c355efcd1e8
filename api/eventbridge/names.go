package eventbridge

import (
	"strings"

	"github.com/seed567880c8/turnout"
)

// busNamed returns the bus that a request names: by name in the request's own
// scope, by ARN in any account of its region, and the default bus by leaving
// the name out. The name has satisfied the model's pattern.
func busNamed(scope turnout.Scope, nameOrARN string) (turnout.BusName, error) {
	if nameOrARN == "" {
		return turnout.BusName{Scope: scope, Name: turnout.DefaultBus}, nil
	}
	if !strings.HasPrefix(nameOrARN, "arn:") {
		return turnout.BusName{Scope: scope, Name: nameOrARN}, nil
	}
	name, ok := turnout.ParseBusARN(nameOrARN)
	if !ok {
		return turnout.BusName{}, turnout.Errorf(turnout.CodeValidation, "Parameter EventBusName is not valid. Reason: Provided Arn is not in correct format.")
	}
	if name.Region != scope.Region {
		return turnout.BusName{}, turnout.Errorf(turnout.CodeValidation,
			"Parameter EventBusName is not valid. Reason: The event bus is in region %s, the request is for %s.", name.Region, scope.Region)
	}
	return name, nil
}

// ruleNamed returns the rule called name on the bus that the request names.
func ruleNamed(scope turnout.Scope, bus, name string) (turnout.RuleName, error) {
	on, err := busNamed(scope, bus)
	if err != nil {
		return turnout.RuleName{}, err
	}
	return turnout.RuleName{Bus: on, Name: name}, nil
}

// ruleMissing is AWS's error for a rule that does not exist.
func ruleMissing(name turnout.RuleName) error {
	return turnout.Errorf(turnout.CodeNotFound, "Rule %s does not exist on EventBus %s.", name.Name, name.Bus.Name)
}
