package endpoint_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed567880c8/turnout/loadtest/internal/endpoint"
)

func TestEndpointsPlayTheirPart(t *testing.T) {
	t.Parallel()
	var got atomic.Value
	e, err := endpoint.Listen(t.Context(), func(number int, body []byte) {
		got.Store(string(rune('0'+number)) + string(body))
	})
	require.NoError(t, err)
	defer func() { require.NoError(t, e.Close()) }()
	post := func(ctx context.Context, number int, body io.Reader) (status int, err error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, e.URL(number), body)
		require.NoError(t, err)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			return 0, err
		}
		return res.StatusCode, res.Body.Close()
	}
	for _, body := range []io.Reader{strings.NewReader("text"), io.MultiReader(strings.NewReader("te"), strings.NewReader("xt"))} {
		status, err := post(t.Context(), 3, body)
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, status)
		require.Equal(t, "3text", got.Load())
	}

	require.NoError(t, e.Set(t.Context(), endpoint.Unavailable))
	status, err := post(t.Context(), 3, nil)
	require.NoError(t, err)
	require.Equal(t, http.StatusServiceUnavailable, status)
	require.EqualValues(t, 1, e.Refused())

	before := e.URL(1)
	require.NoError(t, e.Set(t.Context(), endpoint.Refusing))
	_, err = post(t.Context(), 3, nil)
	require.Error(t, err)
	require.NoError(t, e.Set(t.Context(), endpoint.Healthy))
	require.Equal(t, before, e.URL(1), "it comes back where it was")
	_, err = post(t.Context(), 3, strings.NewReader("again"))
	require.NoError(t, err)

	e.Hang(2)
	ctx, cancel := context.WithCancel(t.Context())
	answered := make(chan error)
	go func() {
		_, err := post(ctx, 1, strings.NewReader("hang"))
		answered <- err
	}()
	_, err = post(t.Context(), 2, strings.NewReader("go"))
	require.NoError(t, err)
	cancel()
	require.ErrorIs(t, <-answered, context.Canceled)
	require.Equal(t, "2go", got.Load())
	go func() {
		_, err := post(t.Context(), 1, strings.NewReader("released"))
		answered <- err
	}()
	require.Eventually(t, func() bool { return e.Hung() == 1 }, time.Minute, time.Millisecond)
	e.Hang(0)
	require.NoError(t, <-answered)
	require.Equal(t, "1released", got.Load())
}
