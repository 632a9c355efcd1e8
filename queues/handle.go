package queues

import (
	"crypto/hmac"
	"encoding/base64"
	"encoding/binary"

	"github.com/seed567880c8/turnout"
)

// handle is what a receipt handle says: which incarnation of which queue,
// which message, and which of its receives. Outside it is base64 of a version
// byte, these fields and an HMAC over them, so that nobody can make or alter
// one, and a handle of a deleted queue fits no queue that took its name.
type handle struct {
	queue uint32
	seq   uint64
	epoch uint32
}

const (
	handleVersion = 1
	handleFields  = 1 + 4 + 6 + 4
	handleMAC     = 16 // of HMAC-SHA256: 128 bits cannot be guessed
	handleLen     = handleFields + handleMAC
)

func (e *Engine) encodeHandle(h handle) string {
	b := make([]byte, 0, handleFields+32)
	b = append(b, handleVersion)
	b = binary.BigEndian.AppendUint32(b, h.queue)
	b = append6(b, h.seq)
	b = binary.BigEndian.AppendUint32(b, h.epoch)
	b = e.mac(b, b)
	return base64.StdEncoding.EncodeToString(b[:handleLen])
}

// decodeHandle returns what s says, or CodeReceiptHandleInvalid.
func (e *Engine) decodeHandle(s string) (handle, error) {
	var buf [handleLen + 2]byte // base64 may announce up to two bytes more than it gives
	if base64.StdEncoding.DecodedLen(len(s)) > len(buf) {
		return handle{}, errHandleInvalid(s)
	}
	n, err := base64.StdEncoding.Decode(buf[:], []byte(s))
	if err != nil || n != handleLen || buf[0] != handleVersion {
		return handle{}, errHandleInvalid(s)
	}
	var sum [32]byte
	if !hmac.Equal(e.mac(sum[:0], buf[:handleFields])[:handleMAC], buf[handleFields:handleLen]) {
		return handle{}, errHandleInvalid(s)
	}
	return handle{
		queue: binary.BigEndian.Uint32(buf[1:]),
		seq:   read6(buf[5:]),
		epoch: binary.BigEndian.Uint32(buf[11:]),
	}, nil
}

func errHandleInvalid(s string) error {
	return turnout.Errorf(turnout.CodeReceiptHandleInvalid, `The input receipt handle "%s" is not a valid receipt handle.`, s)
}
