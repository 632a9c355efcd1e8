package partition

import (
	"fmt"
	"time"

	"github.com/seed567880c8/turnout/internal/store"
)

// Tx is one batch while it is being decided. It belongs to the decider; an
// operation must not keep it.
type Tx struct {
	// Now is the one time that every decision of the batch uses: millisecond
	// precision, UTC, never earlier than that of an earlier batch.
	Now time.Time
	// Batch takes the changes.
	Batch store.Batch

	partition *Partition
	results   []result
	onDurable []func()
}

type result struct {
	done chan<- error
	err  error
}

func (p *Partition) newTx() *Tx {
	return &Tx{Now: p.clock.now(), Batch: p.store.NewBatch(), partition: p}
}

// OnDurable calls f once the batch is durable, on the committer's goroutine:
// f must be short and must not block. It is not called if the commit fails.
func (tx *Tx) OnDurable(f func()) { tx.onDurable = append(tx.onDurable, f) }

// run decides operations from work until the batch is full and returns how many it took.
func (tx *Tx) run(work []pending, cfg Config) int {
	for i, w := range work {
		if i >= cfg.BatchOpsMax || tx.Batch.Len() >= cfg.BatchBytesMax {
			return i
		}
		tx.results = append(tx.results, result{done: w.done, err: w.op(tx)})
		work[i] = pending{} // let go of what the operation holds
	}
	return len(work)
}

func (tx *Tx) commit() error {
	p := tx.partition
	if tx.Batch.Empty() {
		return nil
	}
	began := time.Now()
	size := tx.Batch.Len()
	if err := p.store.Commit(tx.Batch); err != nil {
		return fmt.Errorf("commit batch: %w", err)
	}
	p.stats.committed(len(tx.results), size, time.Since(began))
	return nil
}

// finish answers every operation of the batch; a commit error replaces their results.
func (tx *Tx) finish(commitErr error) {
	if commitErr == nil {
		for _, f := range tx.onDurable {
			f()
		}
	}
	for _, r := range tx.results {
		if commitErr != nil {
			r.err = commitErr
		}
		r.done <- r.err
	}
	// The batch holds no resources but memory once it is committed or given up.
	_ = tx.Batch.Close()
}
