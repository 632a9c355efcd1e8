package turnout

import "encoding/hex"

// AppendUUID appends the text of the UUID, version 4 of RFC 9562, that 16
// bytes make: 36 characters. The bytes should be random, or look so; six of
// their bits say the version.
func AppendUUID(dst []byte, b [16]byte) []byte {
	b[6] = b[6]&0x0f | 0x40 // version 4
	b[8] = b[8]&0x3f | 0x80 // variant of RFC 9562
	dst = append(hex.AppendEncode(dst, b[:4]), '-')
	dst = append(hex.AppendEncode(dst, b[4:6]), '-')
	dst = append(hex.AppendEncode(dst, b[6:8]), '-')
	dst = append(hex.AppendEncode(dst, b[8:10]), '-')
	return hex.AppendEncode(dst, b[10:])
}

// UUID returns what AppendUUID appends.
func UUID(b [16]byte) string {
	var text [36]byte
	return string(AppendUUID(text[:0], b))
}
