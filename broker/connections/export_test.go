package connections

import "github.com/seed567880c8/turnout"

// SplitKey is splitKey, for tests.
func SplitKey(k []byte) (kind byte, scope turnout.Scope, name string, err error) { return splitKey(k) }

// Key is key, for tests.
func Key(kind byte, scope turnout.Scope, name string) []byte { return key(kind, scope, name) }

// DecodeRecord reads a record of a kind as load does, for tests.
func DecodeRecord(kind byte, text []byte) error {
	var err error
	switch kind {
	case kindConnection:
		var r connectionRecord
		if r, err = decode[connectionRecord](text); err == nil {
			x := r.connection(turnout.ConnectionName{})
			_, err = decode[connectionRecord](encodeConnection(x))
		}
	case kindDestination:
		var r destinationRecord
		if r, err = decode[destinationRecord](text); err == nil {
			d := r.destination(turnout.APIDestinationName{})
			_, err = decode[destinationRecord](encodeDestination(&d))
		}
	default:
		var r secretsRecord
		if r, err = decode[secretsRecord](text); err == nil {
			_, err = join(turnout.ConnectionAuth{}, &r)
		}
	}
	return err
}
