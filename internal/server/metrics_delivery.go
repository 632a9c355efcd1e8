package server

import (
	"time"

	"github.com/seed567880c8/turnout/broker/archive"
	"github.com/seed567880c8/turnout/broker/dispatch"
	"github.com/seed567880c8/turnout/broker/history"
	"github.com/seed567880c8/turnout/broker/topics"
	"github.com/seed567880c8/turnout/internal/metrics"
	"github.com/seed567880c8/turnout/sources/schedules"
)

// reportDeliveries reports what happens behind a publish: dispatch, topics,
// archives, history, schedules.
func reportDeliveries(r *metrics.Registry, rooms *rooms) {
	reportDispatch(r, rooms.dispatch)
	reportTopics(r, rooms.topics)
	reportPast(r, rooms)
	reportSchedules(r, rooms.schedules)
}

func reportDispatch(r *metrics.Registry, d *dispatch.Dispatcher) {
	type read = dispatch.Stats
	var t table[read]
	t.counter("turnout_dispatch_deliveries_total", "Deliveries to endpoints that were accepted.", func(s read) float64 { return float64(s.Enqueued) })
	t.counter("turnout_dispatch_attempts_total", "Attempts at them.", func(s read) float64 { return float64(s.Attempts) })
	t.counter("turnout_dispatch_delivered_total", "Deliveries that their endpoint took.", func(s read) float64 { return float64(s.Delivered) })
	t.counter("turnout_dispatch_retries_total", "Attempts after which another one was due.", func(s read) float64 { return float64(s.Retried) })
	t.counter("turnout_dispatch_dead_lettered_total", "Deliveries that went to a dead-letter queue.", func(s read) float64 { return float64(s.DeadLettered) })
	t.counter("turnout_dispatch_dropped_total", "Deliveries that failed and that no dead-letter queue took.", func(s read) float64 { return float64(s.Dropped) })
	t.counter("turnout_dispatch_overtaken_total", "Attempts that took so long that the delivery had been taken again.", func(s read) float64 { return float64(s.Overtaken) })
	t.counter("turnout_dispatch_breaker_opened_total", "Times that an endpoint failed so often that it is left alone for a while.", func(s read) float64 { return float64(s.Opened) })
	t.gauge("turnout_dispatch_waiting", "Deliveries that have not ended.", func(s read) float64 { return float64(s.Waiting) })
	t.gauge("turnout_dispatch_attempts_running", "Attempts under way.", func(s read) float64 { return float64(s.Running) })
	t.gauge("turnout_dispatch_records_bytes", "Size of the record of attempts.", func(s read) float64 { return float64(s.RecordsBytes) })
	failures := metrics.Counter("turnout_dispatch_failures_total", "Attempts that failed, by AWS's error code.", "error")
	endpoints := metrics.Gauge("turnout_dispatch_endpoints", "Endpoints with work or in trouble, by phase.", "phase")
	latency := metrics.Histogram("turnout_dispatch_attempt_duration_seconds", "Time of an attempt.")
	r.Add(append([]*metrics.Family{failures, endpoints, latency}, t.families...), func(e metrics.Emitter) {
		s := d.Stats()
		t.emit(e, s)
		for code, n := range s.Failures {
			e.Value(failures, float64(n), code)
		}
		for phase, n := range s.Endpoints {
			e.Value(endpoints, float64(n), string(phase))
		}
		e.Histogram(latency, s.Latency.Count, s.Latency.SumSeconds, s.Latency.Bounds, s.Latency.Cumulative)
	})
}

func reportTopics(r *metrics.Registry, all *topics.Topics) {
	type read = topics.Stats
	var t table[read]
	t.gauge("turnout_topics", "Topics that exist.", func(s read) float64 { return float64(s.Topics) })
	t.gauge("turnout_subscriptions", "Subscriptions, confirmed or pending.", func(s read) float64 { return float64(s.Subscriptions) })
	t.counter("turnout_topic_messages_total", "Messages published to topics.", func(s read) float64 { return float64(s.Published) })
	t.counter("turnout_topic_messages_deduplicated_total", "Publishes to topics answered with an earlier message.", func(s read) float64 { return float64(s.Duplicates) })
	t.counter("turnout_topic_deliveries_to_queues_total", "Messages of topics delivered into queues.", func(s read) float64 { return float64(s.ToQueues) })
	t.counter("turnout_topic_deliveries_to_endpoints_total", "Messages of topics handed to the dispatch engine.", func(s read) float64 { return float64(s.ToEndpoints) })
	t.counter("turnout_topic_deliveries_filtered_total", "Messages that a filter policy kept from a subscription.", func(s read) float64 { return float64(s.Filtered) })
	t.counter("turnout_topic_deliveries_dead_lettered_total", "Deliveries of topics that went to a dead-letter queue at once.", func(s read) float64 { return float64(s.DeadLettered) })
	t.counter("turnout_topic_deliveries_lost_total", "Deliveries of topics that failed and that no dead-letter queue took.", func(s read) float64 { return float64(s.Lost) })
	t.counter("turnout_topic_messages_replayed_total", "Archived messages of topics delivered again.", func(s read) float64 { return float64(s.Replayed) })
	t.counter("turnout_topic_rematches_total", "Publishes to topics prepared again because subscriptions changed meanwhile.", func(s read) float64 { return float64(s.Rematches) })
	t.report(r, all.Stats)
}

// reportPast reports archives, replays and the history.
func reportPast(r *metrics.Registry, rooms *rooms) {
	type read = archive.Stats
	var t table[read]
	t.gauge("turnout_archives", "Archives that exist.", func(s read) float64 { return float64(s.Archives) })
	t.counter("turnout_archived_events_total", "Events copied into archives.", func(s read) float64 { return float64(s.Archived) })
	t.gauge("turnout_replays_running", "Replays under way.", func(s read) float64 { return float64(s.Running) })
	t.counter("turnout_replays_completed_total", "Replays that ended as they should.", func(s read) float64 { return float64(s.Completed) })
	t.counter("turnout_replays_cancelled_total", "Replays that were cancelled.", func(s read) float64 { return float64(s.Cancelled) })
	t.counter("turnout_replays_failed_total", "Replays that failed.", func(s read) float64 { return float64(s.Failed) })
	t.counter("turnout_replayed_events_total", "Events replayed.", func(s read) float64 { return float64(s.Replayed) })
	t.counter("turnout_replayed_deliveries_total", "Deliveries made of replayed events.", func(s read) float64 { return float64(s.Delivered) })
	t.report(r, rooms.archives.Stats)

	var h table[history.Stats]
	h.gauge("turnout_history_events", "Events in the history of all buses.", func(s history.Stats) float64 { return float64(s.Events) })
	h.gauge("turnout_history_bytes", "Their size.", func(s history.Stats) float64 { return float64(s.Bytes) })
	h.gauge("turnout_history_oldest_seconds", "When the oldest of them was published, Unix time; 0 is none.", func(s history.Stats) float64 {
		if s.Oldest.IsZero() {
			return 0
		}
		return float64(s.Oldest.UnixMilli()) / float64(time.Second.Milliseconds())
	})
	h.report(r, rooms.history.Stats)
}

func reportSchedules(r *metrics.Registry, s *schedules.Schedules) {
	type read = schedules.Stats
	var t table[read]
	t.gauge("turnout_scheduled_rules", "Rules with a schedule.", func(s read) float64 { return float64(s.Rules) })
	t.counter("turnout_schedule_ticks_fired_total", "Ticks of schedules delivered.", func(s read) float64 { return float64(s.Fired) })
	t.counter("turnout_schedule_ticks_skipped_total", "Times that a rule gave up ticks because they were too old.", func(s read) float64 { return float64(s.Skipped) })
	t.counter("turnout_schedule_failures_total", "Deliveries of ticks that failed and are tried again.", func(s read) float64 { return float64(s.Failed) })
	t.report(r, s.Stats)
}
