package webhook_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed567880c8/turnout/sinks"
	"github.com/seed567880c8/turnout/sinks/webhook"
)

func key(t testing.TB, text string) webhook.Key {
	t.Helper()
	k, err := webhook.ParseKey(text)
	require.NoError(t, err)
	return k
}

const (
	secretText  = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	privateText = "whsk_VEVTVFNJR05JTkdLRVlET05PVFVTRVRISVNGT1JBTlk="
	messageID   = "msg_p5jXN8AQM9LWM0D4loKWxJek"
	messageBody = `{"test": 2432232314}`
)

// The vectors that Standard Webhooks publishes with its libraries.
func TestSigningVectors(t *testing.T) {
	t.Parallel()

	at := time.Unix(1614265330, 0)
	for text, want := range map[string]string{
		secretText:  "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
		privateText: "v1a,tQ9V2XOqn7jL/DQenEFpqIugdBVtiMmER5mhSkXBNwM0mkATuDe6KYYUuxqtaiHeYGb7KaaBRdM5WqyeFiL8Ag==",
	} {
		h, err := (&webhook.Signing{Keys: []webhook.Key{key(t, text)}}).Sign(messageID, at, []byte(messageBody))
		require.NoError(t, err)
		require.Equal(t, http.Header{
			"Webhook-Id": {messageID}, "Webhook-Timestamp": {"1614265330"}, "Webhook-Signature": {want},
		}, h)
		require.NoError(t, webhook.Verify([]webhook.Key{key(t, text)}, h, []byte(messageBody), at))
	}
}

func TestVerify(t *testing.T) {
	t.Parallel()

	now := time.Unix(1614265330, 0)
	secret, private := key(t, secretText), key(t, privateText)
	other := key(t, "whsec_"+base64.StdEncoding.EncodeToString(make([]byte, 24)))
	both := &webhook.Signing{Keys: []webhook.Key{other, private, secret}}
	signed := func(t *testing.T) http.Header {
		t.Helper()
		h, err := both.Sign(messageID, now, []byte(messageBody))
		require.NoError(t, err)
		return h
	}
	cases := []struct {
		name   string
		change func(http.Header)
		keys   []webhook.Key
		after  time.Duration
		body   string
		want   string // part of the error; "" is good
	}{
		{name: "first key"},
		{name: "any key", keys: []webhook.Key{private}},
		{name: "one of the receiver's", keys: []webhook.Key{key(t, "whsec_"+strings.Repeat("AQID", 10)), secret}},
		{name: "five minutes late", after: 5 * time.Minute},
		{name: "later", after: 5*time.Minute + time.Second, want: "too far"},
		{name: "five minutes early", after: -5 * time.Minute},
		{name: "earlier", after: -5*time.Minute - time.Second, want: "too far"},
		{name: "other body", body: messageBody + " ", want: "no signature"},
		{name: "no key", keys: []webhook.Key{}, want: "no signature"},
		{name: "unknown key", keys: []webhook.Key{key(t, "whsec_"+strings.Repeat("AQID", 10))}, want: "no signature"},
		{name: "other id", change: func(h http.Header) { h.Set("Webhook-Id", "x") }, want: "no signature"},
		{name: "no id", change: func(h http.Header) { h.Del("Webhook-Id") }, want: "missing"},
		{name: "no time", change: func(h http.Header) { h.Del("Webhook-Timestamp") }, want: "missing"},
		{name: "no signature", change: func(h http.Header) { h.Del("Webhook-Signature") }, want: "missing"},
		{name: "time moved", change: func(h http.Header) { h.Set("Webhook-Timestamp", "1614265331") }, want: "no signature"},
		{name: "time is no number", change: func(h http.Header) { h.Set("Webhook-Timestamp", "now") }, want: "not a number"},
		{name: "time overflows", change: func(h http.Header) { h.Set("Webhook-Timestamp", "-9223372036854775808") }, want: "too far"},
		{name: "partial", change: func(h http.Header) { h.Set("Webhook-Signature", "v1,") }, want: "no signature"},
		{name: "other version", change: func(h http.Header) {
			h.Set("Webhook-Signature", strings.ReplaceAll(h.Get("Webhook-Signature"), "v1", "v2"))
		}, want: "no signature"},
		{name: "versions swapped", change: func(h http.Header) {
			h.Set("Webhook-Signature", strings.NewReplacer("v1a,", "v1,", "v1,", "v1a,").Replace(h.Get("Webhook-Signature")))
		}, want: "no signature"},
		{name: "garbage around", change: func(h http.Header) {
			h.Set("Webhook-Signature", "v1,x v2,y  "+h.Get("Webhook-Signature")+" z")
		}},
		{name: "too many", change: func(h http.Header) {
			h.Set("Webhook-Signature", strings.Repeat("v1,x ", 100)+h.Get("Webhook-Signature"))
		}, want: "no signature"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			h := signed(t)
			if tc.change != nil {
				tc.change(h)
			}
			keys, body := tc.keys, tc.body
			if keys == nil {
				keys = []webhook.Key{other}
			}
			if body == "" {
				body = messageBody
			}
			err := webhook.Verify(keys, h, []byte(body), now.Add(tc.after))
			if tc.want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, tc.want)
		})
	}
}

func TestParseKey(t *testing.T) {
	t.Parallel()

	encode := func(n int) string { return base64.StdEncoding.EncodeToString(make([]byte, n)) }
	for text, good := range map[string]bool{
		"whsec_" + encode(24):                         true,
		"whsec_" + encode(64):                         true,
		"whsec_" + strings.TrimRight(encode(25), "="): true,
		"whsec_" + encode(23):                         false,
		"whsec_" + encode(65):                         false,
		"whsk_" + encode(32):                          true,
		"whsk_" + encode(31):                          false,
		"whsk_" + encode(64):                          false, // the halves do not match
		"whpk_" + encode(32):                          true,
		"whpk_" + encode(33):                          false,
		"whsec_***s3cret***":                          false,
		encode(24):                                    false,
		"sk_" + encode(24):                            false,
		"":                                            false,
		"whsec_":                                      false,
	} {
		k, err := webhook.ParseKey(text)
		if good {
			require.NoError(t, err, text)
		} else {
			require.Error(t, err, text)
			require.NotContains(t, err.Error(), "s3cret")
		}
		printed := fmt.Sprintf("%v %+v %#v %s", k, k, k, k)
		marshalled, err := json.Marshal(k)
		require.NoError(t, err)
		require.Equal(t, "[key] [key] [key] [key]", printed)
		require.Equal(t, `"[key]"`, string(marshalled))
	}
}

func TestSigningLimits(t *testing.T) {
	t.Parallel()

	secret := key(t, secretText)
	for n, good := range map[int]bool{0: false, 1: true, 16: true, 17: false} {
		keys := make([]webhook.Key, n)
		for i := range keys {
			keys[i] = secret
		}
		_, err := (&webhook.Signing{Keys: keys}).Sign("id", time.Unix(1, 0), nil)
		require.Equal(t, good, err == nil, n)
	}
	_, err := (&webhook.Signing{Keys: []webhook.Key{key(t, "whpk_"+base64.StdEncoding.EncodeToString(make([]byte, 32)))}}).Sign("id", time.Unix(1, 0), nil)
	require.ErrorContains(t, err, "a public key cannot sign")
}

func TestSignedRequest(t *testing.T) {
	t.Parallel()

	secret, private := key(t, secretText), key(t, privateText)
	var failures []error
	var ids []string
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body := make([]byte, r.ContentLength)
		_, _ = r.Body.Read(body)
		failures = append(failures, webhook.Verify([]webhook.Key{secret}, r.Header, body, time.Now()),
			webhook.Verify([]webhook.Key{private}, r.Header, body, time.Now()))
		ids = append(ids, r.Header.Get("webhook-id"), r.Header.Get("turnout-delivery-id"))
	}))
	t.Cleanup(s.Close)
	client := local(t, webhook.Config{})
	request := &webhook.Request{
		URL: s.URL, Body: []byte(messageBody), DeliveryID: "delivery-7",
		Sign:   &webhook.Signing{Keys: []webhook.Key{secret, private}},
		Header: http.Header{"Webhook-Id": {"forged"}, "webhook-signature": {"forged"}},
	}
	require.Nil(t, client.Do(t.Context(), request).Failure)
	require.Nil(t, client.Do(t.Context(), request).Failure)
	require.Equal(t, []error{nil, nil, nil, nil}, failures)
	require.Equal(t, []string{"delivery-7", "delivery-7", "delivery-7", "delivery-7"}, ids)

	request.DeliveryID = ""
	require.Equal(t, sinks.CodeInternalError, client.Do(t.Context(), request).Failure.Code)
	request.DeliveryID, request.Sign = "x", &webhook.Signing{}
	f := client.Do(t.Context(), request).Failure
	require.Equal(t, sinks.CodeInvalidParameter, f.Code)
	require.True(t, f.Permanent)
}

func FuzzVerify(f *testing.F) {
	secret, private := key(f, secretText), key(f, privateText)
	now := time.Unix(1614265330, 0)
	signing := &webhook.Signing{Keys: []webhook.Key{secret, private}}
	good, err := signing.Sign(messageID, now, []byte(messageBody))
	require.NoError(f, err)
	f.Add(messageID, "1614265330", good.Get("Webhook-Signature"), messageBody)
	f.Add("", "", "", "")
	f.Add("a.b", "9223372036854775807", "v1, v1a,,", "x")
	f.Add("id", "-1", strings.Repeat("v1a,AAAA ", 40), "")
	f.Fuzz(func(t *testing.T, id, timestamp, signature, body string) {
		h := http.Header{"Webhook-Id": {id}, "Webhook-Timestamp": {timestamp}, "Webhook-Signature": {signature}}
		if webhook.Verify([]webhook.Key{secret, private}, h, []byte(body), now) == nil {
			// What is accepted is what was signed: one of the header's signatures is ours.
			seconds, err := strconv.ParseInt(timestamp, 10, 64)
			require.NoError(t, err)
			// The text of the time is signed as it came; another text of the
			// same number has another signature.
			again, err := signing.Sign(id, time.Unix(seconds, 0), []byte(body))
			require.NoError(t, err)
			require.Equal(t, timestamp, again.Get("Webhook-Timestamp"))
			ours := strings.Fields(again.Get("Webhook-Signature"))
			require.True(t, strings.Contains(signature, ours[0]) || strings.Contains(signature, ours[1]))
		}
	})
}
