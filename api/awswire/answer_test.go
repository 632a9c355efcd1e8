package awswire_test

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// checkAnswer proves that an answer is well-formed JSON or XML, as its
// Content-Type says, and that an error has a name.
func checkAnswer(t *testing.T, w *httptest.ResponseRecorder) {
	t.Helper()
	if strings.Contains(w.Header().Get("Content-Type"), "json") {
		var members map[string]any
		require.NoError(t, json.Unmarshal(w.Body.Bytes(), &members), "%q", w.Body)
		if w.Code >= 400 {
			require.True(t, members["__type"] != nil || members["Error"] != nil, "%q", w.Body)
		}
		return
	}
	require.Equal(t, "text/xml", w.Header().Get("Content-Type"))
	d := xml.NewDecoder(w.Body)
	for elements := 0; ; elements++ {
		_, err := d.Token()
		if errors.Is(err, io.EOF) {
			require.Positive(t, elements)
			return
		}
		require.NoError(t, err)
	}
}
