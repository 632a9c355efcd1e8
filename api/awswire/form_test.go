package awswire_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed567880c8/turnout/api/awswire"
)

func TestParseForm(t *testing.T) {
	t.Parallel()
	f, err := awswire.ParseForm("Action=SendMessage&A.10.Name=ten&A.2.Name=two&A.2.Value=&A.x.Name=no&A.+3=no&A.1=one&Body=a+b%26%0D%C3%A9&&flag",
		"Action=Hidden&Version=2012-11-05")
	require.NoError(t, err)
	require.Equal(t, []string{"A.1", "A.2", "A.10"}, f.Names("A"), "by index, not by text")
	require.Empty(t, f.Names("B"))
	get := func(key string) string { v, _ := f.Get(key); return v }
	require.Equal(t, "SendMessage", get("Action"), "the first source wins")
	require.Equal(t, "2012-11-05", get("Version"))
	require.Equal(t, "a b&\ré", get("Body"))
	_, ok := f.Get("A.2.Value")
	require.True(t, ok, "an empty parameter is present")
	_, ok = f.Get("flag")
	require.True(t, ok)
	_, ok = f.Get("A.2.Other")
	require.False(t, ok)

	for source, want := range map[string]string{
		"a=%": "percent-encoded", "a=%4": "percent-encoded", "a=%zz": "percent-encoded", "a=%FF": "UTF-8", "%FF=a": "UTF-8",
		"a=1&b=2&a=3": `"a" is given twice`, strings.Repeat("a&", 4001): "4000 parameters",
	} {
		_, err := awswire.ParseForm(source)
		require.ErrorContains(t, err, want, source)
	}
	_, err = awswire.ParseForm("a=1&a=1")
	require.NoError(t, err, "the same twice does no harm")
}

// FuzzParseForm compares the parser with net/url's.
func FuzzParseForm(f *testing.F) {
	for _, seed := range []string{"", "Action=ListQueues&Version=2012-11-05", "a=b=c&d", "a+b=%2B+%25", "a=%zz", "A.1.Name=x&A.2=y", "a=1;b=2", "&&=&"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		form, err := awswire.ParseForm(s)
		if err != nil {
			return
		}
		form.Names("A")
		want, err := url.ParseQuery(s)
		if err != nil { // net/url refuses semicolons
			require.Contains(t, s, ";")
			return
		}
		require.Len(t, want, form.Len())
		for key, values := range want {
			got, ok := form.Get(key)
			require.True(t, ok, key)
			require.Equal(t, values[0], got)
		}
	})
}

func TestParseCredential(t *testing.T) {
	t.Parallel()
	const rest = ", SignedHeaders=host;x-amz-date, Signature=abc"
	read := func(authorization, query string) (awswire.Credential, error) {
		h := http.Header{}
		if authorization != "" {
			h.Set("Authorization", authorization)
		}
		return awswire.ParseCredential(h, query)
	}
	c, err := read("AWS4-HMAC-SHA256 Credential=AKID/20250102/eu-west-1/sqs/aws4_request"+rest, "")
	require.NoError(t, err)
	require.Equal(t, awswire.Credential{AccessKeyID: "AKID", Date: "20250102", Region: "eu-west-1", Service: "sqs"}, c)

	c, err = read("", "Action=x&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKID%2F20250102%2Feu-west-1%2Fsqs%2Faws4_request")
	require.NoError(t, err)
	require.Equal(t, awswire.Credential{AccessKeyID: "AKID", Date: "20250102", Region: "eu-west-1", Service: "sqs", Presigned: true}, c)

	h := http.Header{}
	h.Set("Authorization", "AWS4-ECDSA-P256-SHA256 Credential=AKID/20250102/events/aws4_request"+rest)
	h.Set("X-Amz-Region-Set", "eu-west-1,us-east-1")
	c, err = awswire.ParseCredential(h, "")
	require.NoError(t, err)
	require.Equal(t, "eu-west-1", c.Region, "a signature for several regions speaks for the first")

	for _, unsigned := range []string{"", "Basic abc", "Bearer x", "AWS AKID:x"} {
		c, err := read(unsigned, "")
		require.NoError(t, err)
		require.Zero(t, c)
	}
	for _, broken := range []string{
		"AWS4-HMAC-SHA256", "AWS4-HMAC-SHA256 Signature=x", "AWS4-HMAC-SHA256 Credential=AKID",
		"AWS4-HMAC-SHA256 Credential=/20250102/eu-west-1/sqs/aws4_request", "AWS4-HMAC-SHA256 Credential=AKID/20250102/EU/sqs/aws4_request",
		"AWS4-HMAC-SHA256 Credential=AKID/20250102/a:b/sqs/aws4_request", "AWS4-HMAC-SHA256 Credential=AKID/20250102//sqs/aws4_request",
		"AWS4-HMAC-SHA256 Credential=AKID/20250102/eu-west-1/sqs/other",
	} {
		_, err := read(broken, "")
		var wire *awswire.WireError
		require.ErrorAs(t, err, &wire, broken)
		require.Equal(t, "IncompleteSignature", wire.QueryCode)
	}
	_, err = read("", "X-Amz-Credential=AKID")
	require.Error(t, err)
	_, err = read("", "X-Amz-Credential=%zz")
	require.Error(t, err)
}

// FuzzParseCredential proves that whatever is taken can be part of an ARN.
func FuzzParseCredential(f *testing.F) {
	f.Add("AWS4-HMAC-SHA256 Credential=AKID/20250102/eu-west-1/sqs/aws4_request, Signature=x", "", "")
	f.Add("AWS4-ECDSA-P256-SHA256 Credential=AKID/20250102/events/aws4_request", "", "*")
	f.Add("", "X-Amz-Credential=a%2Fb%2Fc%2Fd%2Faws4_request&X-Amz-Algorithm=AWS4-HMAC-SHA256", "")
	f.Fuzz(func(t *testing.T, authorization, query, regions string) {
		c, err := awswire.ParseCredential(http.Header{"Authorization": {authorization}, "X-Amz-Region-Set": {regions}}, query)
		if err != nil {
			return
		}
		require.LessOrEqual(t, len(c.Region), 32)
		require.Empty(t, strings.Trim(c.Region, "abcdefghijklmnopqrstuvwxyz0123456789-"))
		id, err := awswire.ParseOnly{}.Authenticate(nil, nil, c)
		require.NoError(t, err)
		require.Len(t, id.Account, 12)
		require.Empty(t, strings.Trim(id.Account, "0123456789"))
	})
}
