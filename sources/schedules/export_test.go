package schedules

import "context"

// FireReady delivers what was handed over, on the caller's goroutine.
func (s *Schedules) FireReady(ctx context.Context) {
	for t, ok := s.take(); ok; t, ok = s.take() {
		s.fire(ctx, t)
	}
}

// DecodeRecord reads a stored record and gives its expression.
func DecodeRecord(text []byte) (expression string, err error) {
	rec, err := decodeRecord(text)
	return rec.Expression, err
}
