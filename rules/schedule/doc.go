// Package schedule reads the schedule expressions of EventBridge rules,
// rate(…) and cron(…), and says when they are due.
//
// It is pure: it knows nothing of rules, time zones other than UTC, or what
// the time is now. Start with Parse in schedule.go.
//
// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-scheduled-rule-pattern.html
package schedule
