package server

import (
	"cmp"
	"slices"
	"strings"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/broker"
	"github.com/seed567880c8/turnout/internal/metrics"
	"github.com/seed567880c8/turnout/internal/store/pebblestore"
)

// newMetrics has everything reported that docs/OPERATIONS.md lists.
func (s *Server) newMetrics(w *web) *metrics.Registry {
	registry := metrics.New(s.version)
	reportWeb(registry, w)
	reportNative(registry, s.native.api)
	reportWriter(registry, s.rooms)
	reportQueues(registry, s.rooms, s.cfg.MetricsQueuesMax)
	reportBroker(registry, s.rooms)
	reportDeliveries(registry, s.rooms)
	reportDisk(registry, s.rooms.disk)
	if engine, ok := s.rooms.store.(*pebblestore.Store); ok {
		reportStore(registry, engine)
	}
	return registry
}

// table is metrics that are read from one source at once.
type table[T any] struct {
	families []*metrics.Family
	values   []func(T) float64
}

func (t *table[T]) counter(name, help string, value func(T) float64) {
	t.add(metrics.Counter(name, help), value)
}

func (t *table[T]) gauge(name, help string, value func(T) float64) {
	t.add(metrics.Gauge(name, help), value)
}

func (t *table[T]) add(f *metrics.Family, value func(T) float64) {
	t.families, t.values = append(t.families, f), append(t.values, value)
}

func (t *table[T]) emit(e metrics.Emitter, from T) {
	for i, f := range t.families {
		e.Value(f, t.values[i](from))
	}
}

// report has the table read whenever the page is.
func (t *table[T]) report(r *metrics.Registry, read func() T) {
	r.Add(t.families, func(e metrics.Emitter) { t.emit(e, read()) })
}

func reportWeb(r *metrics.Registry, w *web) {
	var t table[load]
	t.gauge("turnout_http_requests_running", "Requests being handled, waiting long polls included.", func(l load) float64 { return float64(l.requests) })
	t.gauge("turnout_http_bodies_bytes", "Memory reserved for the bodies of the requests being handled.", func(l load) float64 { return float64(l.bytes) })
	t.counter("turnout_http_requests_shed_total", "Requests refused because too many bodies were being handled.", func(l load) float64 { return float64(l.shed) })
	t.gauge("turnout_http_connections", "Open connections.", func(load) float64 { return float64(w.conns.Open()) })
	t.counter("turnout_http_connections_refused_total", "Connections closed at once because too many were open.", func(load) float64 { return float64(w.conns.refused.Load()) })
	t.report(r, func() load { return w.admission.load() })
}

func reportDisk(r *metrics.Registry, d *diskWatch) {
	var t table[*diskState]
	t.gauge("turnout_disk_free_bytes", "Free space of the volume that holds the data.", func(s *diskState) float64 { return float64(s.usage.FreeBytes) })
	t.gauge("turnout_disk_size_bytes", "Size of the volume that holds the data.", func(s *diskState) float64 { return float64(s.usage.TotalBytes) })
	t.gauge("turnout_disk_floor_bytes", "Free space below which new data is refused.", func(s *diskState) float64 { return float64(s.floor) })
	t.gauge("turnout_disk_full", "1 while new data is refused.", func(s *diskState) float64 {
		if s.full {
			return 1
		}
		return 0
	})
	t.report(r, d.state.Load)
}

func reportStore(r *metrics.Registry, engine *pebblestore.Store) {
	type read = pebblestore.Metrics
	var t table[read]
	t.counter("turnout_store_wal_bytes_total", "Bytes written to the write-ahead log.", func(m read) float64 { return float64(m.WALBytes) })
	t.counter("turnout_store_flushed_bytes_total", "Bytes written by flushes of the table in memory.", func(m read) float64 { return float64(m.FlushedBytes) })
	t.counter("turnout_store_compacted_bytes_total", "Bytes written by compactions.", func(m read) float64 { return float64(m.CompactedBytes) })
	t.counter("turnout_store_compactions_total", "Compactions done.", func(m read) float64 { return float64(m.Compactions) })
	t.gauge("turnout_store_compaction_debt_bytes", "Bytes to compact until the tree is in shape.", func(m read) float64 { return float64(m.CompactionDebt) })
	t.gauge("turnout_store_l0_sublevels", "Overlapping tables in level 0; writes stop at 24.", func(m read) float64 { return float64(m.L0Sublevels) })
	t.gauge("turnout_store_disk_bytes", "Space that the data occupies.", func(m read) float64 { return float64(m.DiskBytes) })
	t.gauge("turnout_store_memtable_bytes", "Memory of what is not yet flushed.", func(m read) float64 { return float64(m.MemTableBytes) })
	t.gauge("turnout_store_cache_bytes", "Memory of cached blocks.", func(m read) float64 { return float64(m.CacheBytes) })
	t.counter("turnout_store_cache_hits_total", "Blocks found in the cache.", func(m read) float64 { return float64(m.CacheHits) })
	t.counter("turnout_store_cache_misses_total", "Blocks read from files.", func(m read) float64 { return float64(m.CacheMisses) })
	t.counter("turnout_store_write_stalls_total", "Times that writes had to wait for a flush or a compaction.", func(m read) float64 { return float64(m.WriteStalls) })
	t.counter("turnout_store_write_stall_seconds_total", "Time that writes waited for flushes and compactions.", func(m read) float64 { return m.WriteStallTime.Seconds() })
	t.counter("turnout_store_slow_operations_total", "Writes and syncs that took more than a second.", func(m read) float64 { return float64(m.SlowDiskOps) })
	t.counter("turnout_store_background_failures_total", "Flushes and compactions that failed and were tried again.", func(m read) float64 { return float64(m.BackgroundFails) })
	sync := metrics.Histogram("turnout_store_sync_duration_seconds", "Time of an fsync of the write-ahead log.")
	r.Add(append([]*metrics.Family{sync}, t.families...), func(e metrics.Emitter) {
		m := engine.Metrics()
		t.emit(e, m)
		e.Histogram(sync, m.Fsync.Count, m.Fsync.Seconds, pebblestore.LatencyBounds(), m.Fsync.Buckets[:])
	})
}

func reportWriter(r *metrics.Registry, rooms *rooms) {
	type read = struct {
		batches, ops, bytes, commitSeconds, lastCommit, shed, pending float64
	}
	var t table[read]
	t.counter("turnout_writer_batches_total", "Batches committed; operations by batches is the mean batch.", func(s read) float64 { return s.batches })
	t.counter("turnout_writer_operations_total", "Operations that the committed batches held.", func(s read) float64 { return s.ops })
	t.counter("turnout_writer_bytes_total", "Bytes of the committed batches.", func(s read) float64 { return s.bytes })
	t.counter("turnout_writer_commit_seconds_total", "Time spent in commits.", func(s read) float64 { return s.commitSeconds })
	t.gauge("turnout_writer_last_commit_seconds", "Time that the newest commit took.", func(s read) float64 { return s.lastCommit })
	t.counter("turnout_writer_shed_total", "Operations refused because too many were waiting.", func(s read) float64 { return s.shed })
	t.gauge("turnout_writer_pending_operations", "Operations that wait for the writer.", func(s read) float64 { return s.pending })
	t.report(r, func() read {
		s := rooms.loop.Stats()
		return read{
			float64(s.Batches), float64(s.Ops), float64(s.Bytes), s.CommitSeconds, s.LastCommit.Seconds(), float64(s.Shed), float64(s.Pending),
		}
	})
}

func reportQueues(r *metrics.Registry, rooms *rooms, seriesMax int) {
	messages := metrics.Gauge("turnout_messages", "Messages in all queues, by state.", "state")
	inQueue := metrics.Gauge("turnout_queue_messages", "Messages in one queue, by state; the deepest queues only.", "account", "region", "queue", "state")
	states := []struct {
		name string
		of   func(turnout.QueueDepth) int64
	}{
		{"visible", func(d turnout.QueueDepth) int64 { return d.Visible }},
		{"in_flight", func(d turnout.QueueDepth) int64 { return d.InFlight }},
		{"delayed", func(d turnout.QueueDepth) int64 { return d.Delayed }},
	}
	t := queueCounters()
	r.Add(append([]*metrics.Family{messages, inQueue}, t.families...), func(e metrics.Emitter) {
		t.emit(e, rooms)
		depths, err := rooms.queues.Depths()
		if err != nil {
			return // the server stops; the counters are still worth having
		}
		var all turnout.QueueDepth
		names := make([]turnout.QueueName, 0, len(depths))
		for name, d := range depths {
			all.Visible, all.InFlight, all.Delayed = all.Visible+d.Visible, all.InFlight+d.InFlight, all.Delayed+d.Delayed
			names = append(names, name)
		}
		slices.SortFunc(names, func(a, b turnout.QueueName) int {
			if c := cmp.Compare(total(depths[b]), total(depths[a])); c != 0 {
				return c
			}
			return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.Region, b.Region), strings.Compare(a.Account, b.Account))
		})
		for _, state := range states {
			e.Value(messages, float64(state.of(all)), state.name)
			for _, n := range names[:min(max(seriesMax, 0), len(names))] {
				e.Value(inQueue, float64(state.of(depths[n])), n.Account, n.Region, n.Name, state.name)
			}
		}
	})
}

func reportBroker(r *metrics.Registry, rooms *rooms) {
	type read = broker.Stats
	var t table[read]
	t.counter("turnout_events_published_total", "Events accepted.", func(s read) float64 { return float64(s.Published) })
	t.counter("turnout_events_refused_total", "Entries refused because their detail is malformed.", func(s read) float64 { return float64(s.Refused) })
	t.counter("turnout_events_unknown_bus_total", "Events dropped because their bus does not exist.", func(s read) float64 { return float64(s.UnknownBus) })
	t.counter("turnout_events_unmatched_total", "Events that no rule of their bus matched.", func(s read) float64 { return float64(s.Unmatched) })
	t.counter("turnout_rule_matches_total", "Matches: rules summed over events.", func(s read) float64 { return float64(s.Matched) })
	t.counter("turnout_deliveries_to_queues_total", "Deliveries into queues that are targets.", func(s read) float64 { return float64(s.ToQueues) })
	t.counter("turnout_deliveries_to_buses_total", "Deliveries to buses that are targets.", func(s read) float64 { return float64(s.ToBuses) })
	t.counter("turnout_deliveries_to_topics_total", "Messages to topics that are targets.", func(s read) float64 { return float64(s.ToTopics) })
	t.counter("turnout_deliveries_to_endpoints_total", "Deliveries handed to the dispatch engine: to API destinations and functions.", func(s read) float64 { return float64(s.ToEndpoints) })
	t.counter("turnout_events_injected_total", "Events replayed, or fired by schedules.", func(s read) float64 { return float64(s.Injected) })
	t.counter("turnout_deliveries_dead_lettered_total", "Deliveries that failed and went to a dead-letter queue.", func(s read) float64 { return float64(s.DeadLettered) })
	t.counter("turnout_deliveries_lost_total", "Deliveries that failed and that no dead-letter queue took.", func(s read) float64 { return float64(s.Lost) })
	t.counter("turnout_bus_loops_total", "Deliveries not made because the event had passed the bus already.", func(s read) float64 { return float64(s.BusLoops) })
	t.counter("turnout_publish_rematches_total", "Publishes matched again because rules changed meanwhile.", func(s read) float64 { return float64(s.Rematches) })
	t.gauge("turnout_event_log_segments", "Segments of the event log, each of up to 4,096 events.", func(read) float64 { return float64(rooms.events.Stats().Segments) })
	t.counter("turnout_event_log_events_total", "Events stored, once for all of their deliveries.", func(read) float64 { return float64(rooms.events.Stats().Appended) })
	t.counter("turnout_event_log_bytes_total", "Bytes of the events stored.", func(read) float64 { return float64(rooms.events.Stats().Bytes) })
	match := metrics.Histogram("turnout_match_duration_seconds", "Time to match the events of one publish and to transform them.")
	r.Add(append([]*metrics.Family{match}, t.families...), func(e metrics.Emitter) {
		s := rooms.broker.Stats()
		t.emit(e, s)
		e.Histogram(match, s.Match.Count, s.Match.SumSeconds, s.Match.Bounds, s.Match.Cumulative)
	})
}

func total(d turnout.QueueDepth) int64 { return d.Visible + d.InFlight + d.Delayed }

func queueCounters() *table[*rooms] {
	t := &table[*rooms]{}
	t.gauge("turnout_queues", "Queues that exist.", func(r *rooms) float64 { return float64(r.queues.Stats().Queues) })
	t.counter("turnout_messages_sent_total", "Messages stored, by sends and deliveries.", func(r *rooms) float64 { return float64(r.queues.Stats().Sent) })
	t.counter("turnout_messages_deduplicated_total", "Sends answered with an earlier message.", func(r *rooms) float64 { return float64(r.queues.Stats().Duplicates) })
	t.counter("turnout_messages_received_total", "Messages handed to consumers.", func(r *rooms) float64 { return float64(r.queues.Stats().Received) })
	t.counter("turnout_messages_deleted_total", "Messages deleted by consumers.", func(r *rooms) float64 { return float64(r.queues.Stats().Deleted) })
	t.counter("turnout_messages_expired_total", "Messages removed at the end of their retention.", func(r *rooms) float64 { return float64(r.queues.Stats().Expired) })
	t.counter("turnout_messages_purged_total", "Messages removed by purges.", func(r *rooms) float64 { return float64(r.queues.Stats().Purged) })
	t.counter("turnout_messages_dead_lettered_total", "Messages moved to a dead-letter queue.", func(r *rooms) float64 { return float64(r.queues.Stats().DeadLettered) })
	return t
}
