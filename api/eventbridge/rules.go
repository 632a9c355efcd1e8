package eventbridge

import (
	"context"
	"errors"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/api/awswire"
	"github.com/seed567880c8/turnout/api/eventbridge/internal/paging"
	"github.com/seed567880c8/turnout/api/eventbridge/internal/shape"
	"github.com/seed567880c8/turnout/rules/schedule"
)

// putRule serves PutRule, which creates a rule or replaces all of an existing
// one but its targets and tags: what the request leaves out becomes unset.
// https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutRule.html
func (a *api) putRule(ctx context.Context, r *awswire.Request, in *shape.Value) (answer, error) {
	name, err := ruleNamed(r.Scope, in.Str("EventBusName"), in.Str("Name"))
	if err != nil {
		return nil, err
	}
	if err := a.checkTrigger(name, in); err != nil {
		return nil, err
	}
	tags, err := tagsOf(nil, in.List("Tags"))
	if err != nil {
		return nil, err
	}
	rule, err := a.broker.PutRule(ctx, name, func(rule *turnout.Rule, exists bool) error {
		if !exists {
			rule.CreatedBy = r.Account
			rule.Tags = tags
		}
		rule.Pattern = in.Str("EventPattern")
		rule.Schedule = in.Str("ScheduleExpression")
		rule.State = turnout.RuleEnabled
		if state := in.Field("State"); state != nil {
			rule.State = turnout.RuleState(state.Text)
		}
		rule.Description = in.Str("Description")
		rule.RoleARN = in.Str("RoleArn")
		return nil
	})
	if err != nil {
		return nil, err
	}
	return func(e *awswire.Encoder) { e.String("RuleArn", rule.ARN()) }, nil
}

// checkTrigger checks what a rule runs on: a pattern, a schedule or both. Where
// nothing runs schedules, even a valid one is refused, because a rule that never
// fires must not look as if it did.
func (a *api) checkTrigger(name turnout.RuleName, in *shape.Value) error {
	expression := in.Str("ScheduleExpression")
	if expression == "" {
		if in.Str("EventPattern") == "" {
			return turnout.Errorf(turnout.CodeValidation, "Parameter(s) EventPattern or ScheduleExpression must be specified.")
		}
		return nil
	}
	if name.Bus.Name != turnout.DefaultBus {
		return turnout.Errorf(turnout.CodeValidation, "ScheduleExpression is supported only on the default event bus.")
	}
	if _, err := schedule.Parse(expression); err != nil {
		return &turnout.Error{Code: turnout.CodeValidation, Message: "Parameter ScheduleExpression is not valid.", Err: err}
	}
	if !a.cfg.Schedules {
		return turnout.Errorf(turnout.CodeUnsupportedOperation, "Turnout does not support rules with a ScheduleExpression. The rule was not stored.")
	}
	return nil
}

// describeRule serves DescribeRule.
// https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_DescribeRule.html
func (a *api) describeRule(ctx context.Context, r *awswire.Request, in *shape.Value) (answer, error) {
	name, err := ruleNamed(r.Scope, in.Str("EventBusName"), in.Str("Name"))
	if err != nil {
		return nil, err
	}
	rule, err := a.broker.Rule(ctx, name)
	if err != nil {
		return nil, err
	}
	return func(e *awswire.Encoder) {
		encodeRule(e, &rule)
		e.Optional("CreatedBy", rule.CreatedBy)
	}, nil
}

// encodeRule writes what ListRules and DescribeRule have in common.
func encodeRule(e *awswire.Encoder, r *turnout.Rule) {
	e.String("Name", r.Name)
	e.String("Arn", r.ARN())
	e.Optional("EventPattern", r.Pattern)
	e.Optional("ScheduleExpression", r.Schedule)
	e.String("State", string(r.State))
	e.Optional("Description", r.Description)
	e.Optional("RoleArn", r.RoleARN)
	e.Optional("ManagedBy", r.ManagedBy)
	e.String("EventBusName", r.Bus.Name)
}

// deleteRule serves DeleteRule. Force concerns rules that a service manages.
// https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_DeleteRule.html
func (a *api) deleteRule(ctx context.Context, r *awswire.Request, in *shape.Value) (answer, error) {
	name, err := ruleNamed(r.Scope, in.Str("EventBusName"), in.Str("Name"))
	if err != nil {
		return nil, err
	}
	return nil, managed(a.broker.DeleteRule(ctx, name), name, in)
}

// listRules serves ListRules.
// https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_ListRules.html
func (a *api) listRules(ctx context.Context, r *awswire.Request, in *shape.Value) (answer, error) {
	bus, err := busNamed(r.Scope, in.Str("EventBusName"))
	if err != nil {
		return nil, err
	}
	rules, err := a.broker.Rules(ctx, bus)
	if err != nil {
		return nil, err
	}
	key := func(r *turnout.Rule) string { return r.Name }
	rules, token, err := paging.Page(paging.WithPrefix(rules, key, in.Str("NamePrefix")), key, in)
	if err != nil {
		return nil, err
	}
	return func(e *awswire.Encoder) {
		l := awswire.List{JSON: "Rules"}
		e.BeginList(l)
		for i := range rules {
			e.BeginItem(l)
			encodeRule(e, &rules[i])
			e.EndItem(l)
		}
		e.EndList()
		e.Optional("NextToken", token)
	}, nil
}

// enableRule serves EnableRule.
// https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_EnableRule.html
func (a *api) enableRule(ctx context.Context, r *awswire.Request, in *shape.Value) (answer, error) {
	return a.setRuleState(ctx, r, in, turnout.RuleEnabled)
}

// disableRule serves DisableRule.
// https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_DisableRule.html
func (a *api) disableRule(ctx context.Context, r *awswire.Request, in *shape.Value) (answer, error) {
	return a.setRuleState(ctx, r, in, turnout.RuleDisabled)
}

func (a *api) setRuleState(ctx context.Context, r *awswire.Request, in *shape.Value, state turnout.RuleState) (answer, error) {
	name, err := ruleNamed(r.Scope, in.Str("EventBusName"), in.Str("Name"))
	if err != nil {
		return nil, err
	}
	return nil, a.changeRule(ctx, name, func(rule *turnout.Rule) error {
		rule.State = state
		return nil
	})
}

// changeRule changes a rule that must exist.
func (a *api) changeRule(ctx context.Context, name turnout.RuleName, change func(*turnout.Rule) error) error {
	_, err := a.broker.PutRule(ctx, name, func(rule *turnout.Rule, exists bool) error {
		if !exists {
			return ruleMissing(name)
		}
		return change(rule)
	})
	return err
}

// managed words the error for a rule that a service manages, such as that of an
// archive, as AWS does where Force is offered. Turnout does not delete such a rule
// even with Force, because what the service does would silently end.
func managed(err error, name turnout.RuleName, in *shape.Value) error {
	e, ok := errors.AsType[*turnout.Error](err)
	if !ok || e.Code != turnout.CodeManagedRule || in.Flag("Force") {
		return err
	}
	return turnout.Errorf(turnout.CodeManagedRule, "%s is a managed rule. Set 'force' parameter to true to override.", name.Name)
}

// listRuleNamesByTarget serves ListRuleNamesByTarget.
// https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_ListRuleNamesByTarget.html
func (a *api) listRuleNamesByTarget(ctx context.Context, r *awswire.Request, in *shape.Value) (answer, error) {
	bus, err := busNamed(r.Scope, in.Str("EventBusName"))
	if err != nil {
		return nil, err
	}
	names, err := a.broker.RuleNamesByTarget(ctx, bus, in.Str("TargetArn"))
	if err != nil {
		return nil, err
	}
	names, token, err := paging.Page(names, func(name *string) string { return *name }, in)
	if err != nil {
		return nil, err
	}
	return func(e *awswire.Encoder) {
		e.Strings(awswire.List{JSON: "RuleNames"}, names)
		e.Optional("NextToken", token)
	}, nil
}

// testEventPattern serves TestEventPattern.
// https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_TestEventPattern.html
func (a *api) testEventPattern(ctx context.Context, _ *awswire.Request, in *shape.Value) (answer, error) {
	matches, err := a.broker.TestEventPattern(ctx, []byte(in.Str("EventPattern")), []byte(in.Str("Event")))
	if err != nil {
		return nil, err
	}
	return func(e *awswire.Encoder) { e.Bool("Result", matches) }, nil
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
