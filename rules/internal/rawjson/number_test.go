package rawjson_test

import (
	"math"
	"math/big"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed567880c8/turnout/rules/internal/rawjson"
)

func TestDecimalComparesByDecimalValue(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		a, b string
		want int
	}{
		{"300", "300.0", 0},
		{"1", "1e0", 0},
		{"250", "2.5E+2", 0},
		{"0", "-0", 0},
		{"0.0e99", "-0.000", 0},
		{"0.1", "0.10", 0},
		{"100", "1e2", 0},
		{"0.001", "1e-3", 0},
		{"9007199254740993", "9007199254740992", 1},
		{"9007199254740993", "9007199254740993.0", 0},
		{"0.1", "0.1000000000000000055", -1},
		{"-1", "1", -1},
		{"-2", "-1", -1},
		{"-1.5", "-1.25", -1},
		{"1e-400", "0", 1},
		{"-1e-400", "0", -1},
		{"1e-400", "1e-401", 1},
		{"12", "9", 1},
		{"0.09", "0.1", -1},
		{"123456789012345678901234567890", "123456789012345678901234567891", -1},
		{"1234567890123456789", "12345678901234567890", -1},
		{"1234567890123456789", "1234567890123456789.00000", 0},
		{"1234567890123456789", "1234567890123456789.00001", -1},
		{"0.0000000000000000000000001", "1e-25", 0},
		{"100000000000000000000000000", "1e26", 0},
		{"1e-99999999999", "1e-99999999998", -1},
		{"-1e-99999999999", "-1e-99999999998", 1},
		{"1e-99999999999", "10e-100000000000", 0},
		{"1e-99999999999", "1e-400", -1},
		{"1e-99999999999", "0", 1},
		{"0e99999999999", "0", 0},
		{"18446744073709551615", "18446744073709551616", -1},
	} {
		a, b := rawjson.ParseDecimal(c.a), rawjson.ParseDecimal(c.b)
		require.Equal(t, c.want, a.Compare(&b), "%s and %s", c.a, c.b)
		require.Equal(t, -c.want, b.Compare(&a), "%s and %s", c.b, c.a)
		require.Equal(t, c.want == 0, a.Equal(&b), "%s and %s", c.a, c.b)
	}
}

func TestDecimalBeyondAFloatEqualsOnlyTheSameText(t *testing.T) {
	t.Parallel()
	huge := rawjson.ParseDecimal("1e400")
	require.False(t, huge.Finite())
	for text, want := range map[string]bool{"1e400": true, "10e399": false, "1e401": false} {
		other := rawjson.ParseDecimal(text)
		require.Equal(t, want, huge.Equal(&other), text)
	}
	large := rawjson.ParseDecimal("1.7976931348623157e308")
	require.True(t, large.Finite())
	larger := rawjson.ParseDecimal("1.7976931348623159e308")
	require.False(t, larger.Finite())
}

func TestDecimalRepresentable(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"0": true, "-0.0": true, "1": true, "0.1": true, "1e300": true, "9007199254740992": true,
		"1152921504606846976": true, // 2^60, the exact value of its float
		"1152921504606847000": true, // the shortest decimal of the same float
		"0.1000000000000000055511151231257827021181583404541015625": true,
		"9007199254740993": false, "0.1234567890123456789": false, "1e400": false, "1e-400": false,
		"0.1000000000000000055": false,
	} {
		d := rawjson.ParseDecimal(text)
		require.Equal(t, want, d.Representable(), text)
	}
}

func FuzzDecimal(f *testing.F) {
	for _, seed := range [][2]string{
		{"1", "1.0"},
		{"-12.50e3", "-12500"},
		{"9007199254740993", "9007199254740992"},
		{"1e-400", "0"},
		{"0.1", "1e-1"},
		{"4.9e-324", "5e-324"},
		{"123456789.123456789", "123456789.12345679"},
	} {
		f.Add(seed[0], seed[1])
	}
	rational := func(text string) (*big.Rat, bool) {
		if len(text) > 40 || !validNumber(text) {
			return nil, false
		}
		if at := strings.IndexAny(text, "eE"); at >= 0 {
			if e, err := strconv.Atoi(text[at+1:]); err != nil || e > 500 || e < -500 {
				return nil, false
			}
		}
		return new(big.Rat).SetString(text)
	}
	f.Fuzz(func(t *testing.T, textA, textB string) {
		x, okX := rational(textA)
		y, okY := rational(textB)
		if !okX || !okY {
			return
		}
		a, b := rawjson.ParseDecimal(textA), rawjson.ParseDecimal(textB)
		exact, _ := strconv.ParseFloat(textA, 64)
		require.Equal(t, math.Float64bits(math.Abs(exact)), math.Float64bits(math.Abs(a.Float())), "%s", textA)
		if !a.Finite() || !b.Finite() {
			require.Equal(t, textA == textB, a.Equal(&b))
			return
		}
		require.Equal(t, x.Cmp(y), a.Compare(&b), "%s and %s", textA, textB)
		require.Equal(t, x.Cmp(y) == 0, a.Equal(&b), "%s and %s", textA, textB)
	})
}

func validNumber(text string) bool {
	return text != "" && (text[0] == '-' || '0' <= text[0] && text[0] <= '9') && rawjson.Scan([]byte(text), defaults) == nil
}
