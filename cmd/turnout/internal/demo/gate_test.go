package demo

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
)

func TestGateHoldsWhoIsTooFarAhead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		ctx, cancel := context.WithCancelCause(t.Context())
		require.NoError(t, g.enter(ctx, aheadMax+1), "any batch may enter an empty gate")
		entered := make(chan error)
		go func() { entered <- g.enter(ctx, 10) }()
		synctest.Wait()
		select {
		case <-entered:
			t.Fatal("entered a full gate")
		default:
		}
		g.leave(11)
		require.NoError(t, <-entered)

		go func() { entered <- g.enter(ctx, 10) }()
		synctest.Wait()
		stopped := errors.New("stopped")
		cancel(stopped)
		require.ErrorIs(t, <-entered, stopped, "the end of the run lets everybody go")
	})
}
