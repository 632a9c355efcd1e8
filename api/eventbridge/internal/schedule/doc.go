// Package schedule checks the ScheduleExpression of a rule: rate(…) or cron(…).
package schedule
