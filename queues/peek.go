package queues

import (
	"context"
	"time"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/broker/eventlog"
	"github.com/seed567880c8/turnout/internal/partition"
)

// Peek returns up to limit messages of a queue in log order, in flight and
// delayed ones too, without receiving them: for people and tests that look. The
// messages have no receipt handle; ReceiveCount is 0 for one never received.
func (e *Engine) Peek(_ context.Context, name turnout.QueueName, limit int) ([]turnout.ReceivedMessage, error) {
	var id uint32
	var from position
	received := make(map[uint64]stateRecord)
	err := e.onQueue(name, func(_ *partition.Tx, q *queue) error {
		id, from = q.id, q.ledger().head
		for seq, m := range q.received {
			received[seq] = stateRecord{receives: m.receives, firstAt: m.firstAt}
			if m.pos.before(from) {
				from = m.pos
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	view := e.store.Snapshot()
	defer view.Close() //nolint:errcheck // a read-only view has nothing to lose
	_, upper := queueRange(prefixMessage, id)
	pairs, scanErr := view.Scan(appendMessageKey(nil, id, from), upper)
	var messages []turnout.ReceivedMessage
	for key, value := range pairs {
		if len(messages) == limit {
			break
		}
		_, pos, _ := parseMessageKey(key)
		rec, err := parseRecord(append([]byte(nil), value...))
		if err == nil && rec.event != 0 {
			rec.body, err = eventlog.Get(view, nil, rec.event)
		}
		if err != nil {
			return nil, err
		}
		m := e.receivedMessage(name, id, pos, &rec)
		m.SentAt = time.UnixMilli(rec.sentAt).UTC()
		if rec.sentAt == 0 {
			m.SentAt = time.UnixMilli(pos.at).UTC()
		}
		if s, ok := received[pos.seq]; ok {
			m.ReceiveCount, m.FirstReceivedAt = int(s.receives), time.UnixMilli(s.firstAt).UTC()
		}
		messages = append(messages, m)
	}
	return messages, scanErr()
}
