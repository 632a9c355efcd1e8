package schedule

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The expressions on which AWS's answer was recorded, and more of each form.
func TestScheduleExpressions(t *testing.T) {
	t.Parallel()
	valid := []string{
		"rate(1 minute)", "rate(5 minutes)", "rate(1 hour)", "rate(2 hours)", "rate(1 day)", "rate(365 days)",
		"cron(0 12 * * ? *)", "cron(0/15 * * * ? *)", "cron(0 8-17 ? * MON-FRI *)", "cron(0 9 ? * 6L *)",
		"cron(0 9 ? * SAT#3 *)", "cron(0 9 ? JAN,jul 2 2010-2015)", "cron(0 9 L * ? *)", "cron(0 9 15W * ? *)",
		"cron(*/15 0-23/2 LW 1-12/3 ? 2199)", "cron(0 0 1 1 ? 1970)", "cron(0-59/10 0-23/2 ? * * *)", "cron(0-15/1 8-8 ? * 2,3,4,5,6,7 *)",
		"cron(0 0 ? * L *)", "cron(0 0 ? * FRIL *)",
	}
	invalid := []string{
		"rate(10 seconds)", "rate(1 minutes)", "rate(10 minute)", "rate(0 minutes)", "rate(-10 minutes)", "rate(10 MINUTES)",
		"RATE(10 minutes)", " rate(10 minutes)", "rate(10 minutes) ", "rate( 10 minutes)", "rate(10  minutes)", "rate(10 minutes )",
		"rate(10)", "rate()", "rate", "rate(foo minutes)", "rate(9999999999 minutes)", "rate(10 years)", "", "rate(10 minutes",
		"cron(0 1 * * * *)", "cron(7 20 * * NOT *)", "cron(71 8 1 * ? *)", "cron(0 dummy ? * MON-FRI *)", "cron()",
		"cron(0 0 ? * ? *)", "cron(0 0 * * ?)", "cron(0 24 * * ? *)", "cron(0 0 0 * ? *)", "cron(0 0 32 * ? *)", "cron(0 0 * 13 ? *)",
		"cron(0 0 ? * 8 *)", "cron(0 0 ? * 2#6 *)", "cron(0 0 ? * #2 *)", "cron(0 0 ?,1 * ? *)", "cron(0 0 W * ? *)", "cron(0 0 * * ? 1969)",
		"cron(0/0 0 * * ? *)", "cron(0/x 0 * * ? *)", "cron(0,, 0 * * ? *)", "cron(1- 0 * * ? *)", "cron(0  0 * * ? *)", "at(2026-01-01T00:00:00)",
	}
	for _, s := range valid {
		require.NoError(t, Check(s), s)
	}
	for _, s := range invalid {
		require.ErrorContains(t, Check(s), "Parameter ScheduleExpression is not valid.", s)
	}
}

func FuzzSchedule(f *testing.F) {
	f.Add("rate(5 minutes)")
	f.Add("cron(0 12 * * ? *)")
	f.Add("cron(0/15 8-17 ? JAN-DEC MON#2,6L 2020)")
	f.Fuzz(func(t *testing.T, s string) {
		if Check(s) == nil {
			require.True(t, strings.HasSuffix(s, ")") && (strings.HasPrefix(s, "rate(") || strings.HasPrefix(s, "cron(")))
		}
	})
}
