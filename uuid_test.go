package turnout_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed567880c8/turnout"
)

func TestUUID(t *testing.T) {
	t.Parallel()
	b := [16]byte{0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0xf6, 0x77, 0x38, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff}
	require.Equal(t, "00112233-4455-4677-b899-aabbccddeeff", turnout.UUID(b), "the bits of version and variant are set")
	require.Equal(t, "x00112233-4455-4677-b899-aabbccddeeff", string(turnout.AppendUUID([]byte("x"), b)))
}
