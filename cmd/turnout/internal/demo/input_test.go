package demo

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestInputIsWhole(t *testing.T) {
	t.Parallel()
	events, err := loadInput()
	require.NoError(t, err)
	readings, webhooks := 0, 0
	for i, e := range events {
		require.Equal(t, i, e.n)
		if e.reading != nil {
			readings++
		} else {
			webhooks++
		}
	}
	require.Equal(t, 20_560, readings)
	require.Equal(t, 273, webhooks)
}

// The figures were counted once with a program in another language.
func TestExpectationAgreesWithAnIndependentCount(t *testing.T) {
	t.Parallel()
	events, err := loadInput()
	require.NoError(t, err)
	x := expect(events, queues(), rules())
	require.Equal(t, expectedMatches(), x.rule)
	require.Equal(t, x.rule["incidents"], x.queue[incidentsQueue]+x.queue[deadQueue], "an incident is either deleted or dead-lettered")
	require.Positive(t, x.queue[incidentsQueue])
	require.Positive(t, x.queue[deadQueue])
}

func TestLanesKeepTheOrderOfEachDevice(t *testing.T) {
	t.Parallel()
	events, err := loadInput()
	require.NoError(t, err)
	split := lanes(events)
	require.Len(t, split, 4, "three devices and the webhooks")
	total := 0
	for _, lane := range split {
		total += len(lane)
		for i := range lane[1:] {
			require.Less(t, lane[i].n, lane[i+1].n)
			if lane[i].reading != nil {
				require.Equal(t, lane[i].reading.Device, lane[i+1].reading.Device)
			}
		}
	}
	require.Equal(t, len(events), total)
}

func TestThinKeepsEveryKind(t *testing.T) {
	t.Parallel()
	events, err := loadInput()
	require.NoError(t, err)
	few := thin(events, 500)
	require.Len(t, few, 500)
	require.Len(t, lanes(few), 4)
	for i, e := range few {
		n, ok := eventNumber(e.resource())
		require.True(t, ok)
		require.Equal(t, i, n)
	}
}

func TestEventNumberRefusesOtherResources(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"", "arn:aws:s3:::bucket", "turnout:demo:event/", "turnout:demo:event/x"} {
		_, ok := eventNumber(s)
		require.False(t, ok, s)
	}
}

func expectedMatches() map[string]int {
	return map[string]int{
		"everything":    20833,
		"readings":      20560,
		"stale-air":     3084,
		"light-left-on": 1233,
		"uncomfortable": 952,
		"incidents":     336,
		"organizations": 105,
		"people":        13,
		"hello-world":   211,
		"pull-requests": 37,
	}
}
