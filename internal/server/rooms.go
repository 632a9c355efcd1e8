package server

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/api/awswire"
	"github.com/seed567880c8/turnout/api/eventbridge"
	"github.com/seed567880c8/turnout/api/sns"
	"github.com/seed567880c8/turnout/api/sqs"
	"github.com/seed567880c8/turnout/api/sts"
	"github.com/seed567880c8/turnout/broker"
	"github.com/seed567880c8/turnout/broker/archive"
	"github.com/seed567880c8/turnout/broker/connections"
	"github.com/seed567880c8/turnout/broker/dispatch"
	"github.com/seed567880c8/turnout/broker/eventlog"
	"github.com/seed567880c8/turnout/broker/history"
	"github.com/seed567880c8/turnout/broker/topics"
	"github.com/seed567880c8/turnout/internal/config"
	"github.com/seed567880c8/turnout/internal/partition"
	"github.com/seed567880c8/turnout/internal/secret"
	"github.com/seed567880c8/turnout/internal/store"
	"github.com/seed567880c8/turnout/internal/store/pebblestore"
	"github.com/seed567880c8/turnout/queues"
	"github.com/seed567880c8/turnout/sinks/webhook"
	"github.com/seed567880c8/turnout/sources/schedules"
)

// rooms is everything between the APIs and the disk.
type rooms struct {
	store     store.Store
	loop      *partition.Partition
	events    *eventlog.Log
	queues    *queues.Engine
	history   *history.Log
	archives  *archive.Archives
	dispatch  *dispatch.Dispatcher
	broker    *broker.Broker
	schedules *schedules.Schedules
	outbound
	disk  *diskWatch
	probe *probe
}

// surroundings are what the rooms need of the server that they are in.
type surroundings struct {
	log     *slog.Logger
	keys    *secret.Keyring
	client  *webhook.Client
	baseURL func() string
}

// newRooms loads what s holds.
func newRooms(cfg config.Config, s store.Store, with surroundings) (*rooms, error) {
	r := &rooms{store: s, loop: partition.New(s, partition.Config{PendingMax: cfg.Limits.PendingMax})}
	r.outbound = outbound{client: with.client, timeout: cfg.Webhook.Timeout}
	var err error
	if r.events, err = eventlog.Load(s); err != nil {
		return nil, err
	}
	r.queues, err = queues.New(r.loop, s, r.events, queues.Config{Random: rand.Reader, Log: with.log, StrictAWS: cfg.StrictAWS})
	if err != nil {
		return nil, err
	}
	r.history, err = history.Load(r.loop, s, r.events, history.Config{
		Off: cfg.History.Off, Retention: cfg.History.Retention, BytesMax: cfg.History.MaxBytes,
	})
	if err != nil {
		return nil, err
	}
	if r.archives, err = archive.New(r.loop, s, r.history, archive.Config{Log: with.log}); err != nil {
		return nil, err
	}
	if err := r.newOutbound(cfg, with); err != nil {
		return nil, err
	}
	r.broker, err = broker.New(r.loop, s, r.events, broker.Receivers{
		Queues: r.queues, Dispatch: r.dispatch, Topics: topicsOf{r.topics}, Archives: r.archives, History: r.history,
	}, broker.Config{Random: rand.Reader, Log: with.log, StrictAWS: cfg.StrictAWS})
	if err != nil {
		return nil, err
	}
	r.archives.Use(r.broker)
	r.schedules, err = schedules.New(r.loop, s, r.broker, schedules.Config{Log: with.log, CatchUpMax: cfg.Schedule.CatchUp})
	if err != nil {
		return nil, err
	}
	// The flushes of the last two count what the others put and released.
	for _, part := range []partition.Part{r.schedules, r.topics, r.dispatch, r.archives, r.history, r.queues, r.events} {
		r.loop.Add(part)
	}
	r.probe = &probe{do: r.loop.Do}
	r.disk = &diskWatch{usage: s.Usage, floor: cfg.Disk, log: with.log, refuse: r.refuseData}
	if engine, ok := s.(*pebblestore.Store); ok {
		r.disk.reclaim = engine.Reclaim
	}
	r.disk.look()
	return r, nil
}

// newOutbound loads what is delivered to, and the engine that delivers there.
func (r *rooms) newOutbound(cfg config.Config, with surroundings) (err error) {
	if r.functions, err = newFunctions(cfg, with.client); err != nil {
		return err
	}
	r.connections, err = connections.New(r.loop, r.store, connections.Config{
		Random: rand.Reader, Keys: with.keys, Client: with.client, Log: with.log, StrictAWS: cfg.StrictAWS, Timeout: cfg.Webhook.Timeout,
	})
	if err != nil {
		return err
	}
	r.dispatch, err = dispatch.New(r.loop, r.store, r.queues, &r.outbound, dispatch.Config{
		Log: with.log, AttemptsMax: cfg.Webhook.AttemptsMax, Announce: r.announce,
	})
	if err != nil {
		return err
	}
	r.topics, err = topics.New(r.loop, r.store, r.events, r.queues, r.dispatch, topics.Config{
		Log: with.log, BaseURL: with.baseURL, Client: with.client, Function: r.function, StrictAWS: cfg.StrictAWS,
	})
	return err
}

// announce publishes an event of the server's own.
func (r *rooms) announce(ctx context.Context, e turnout.EventEntry) error {
	published, err := r.broker.Publish(ctx, []turnout.EventEntry{e})
	if err != nil {
		return err
	}
	return published[0].Err
}

// topicsOf shows topics as the broker wants them.
type topicsOf struct{ topics *topics.Topics }

// Prepare finds the subscriptions that get a message.
func (t topicsOf) Prepare(topic turnout.TopicName, m turnout.TopicMessage, now time.Time) (broker.TopicMessage, error) {
	prepared, err := t.topics.Prepare(topic, m, now)
	if err != nil {
		return nil, err
	}
	return prepared, nil
}

// refuseData closes or opens the doors to new data. Receives and deletes, and
// the delivery of what was accepted, go on.
func (r *rooms) refuseData(on bool) {
	r.queues.RefuseSends(on)
	r.broker.RefusePublishes(on)
}

// reset removes everything in all accounts and regions.
func (r *rooms) reset(ctx context.Context) error {
	return errors.Join(
		// Rules first: without them nothing is delivered to what is about to go.
		r.broker.Reset(ctx), r.topics.Reset(ctx), r.archives.Reset(ctx), r.connections.Reset(ctx),
		r.queues.Reset(ctx), r.dispatch.Reset(ctx),
		r.loop.Do(func(tx *partition.Tx) error {
			r.history.Reset(tx)
			return nil
		}),
	)
}

// apis are what the server offers on top of the rooms.
type apis struct {
	services []*awswire.Service
	pages    map[string]http.Handler // beside the AWS protocols, by path
	// certificate puts a page for the certificate of notifications before the AWS protocols.
	certificate func(http.Handler) http.Handler
}

// apis makes them. wire lacks only the services.
func (r *rooms) apis(cfg config.Config, wire awswire.Config) apis {
	queues := sqs.New(r.queues)
	peek := queues.PeekHandler(wire)
	topics := sns.New(r.topics, sns.Config{Certificate: r.topics.Certificate})
	events := eventbridge.New(r.broker, eventbridge.Config{
		Archives: r.archives, Replays: r.archives, Connections: r.connections, APIDestinations: r.connections,
		Schedules: true, HTTPEndpoints: cfg.WebhookHTTP(), EntriesBytesMax: int(cfg.Limits.EventsMaxBytes),
	})
	return apis{
		services:    []*awswire.Service{queues.Service(), topics.Service(), events, sts.Service()},
		pages:       map[string]http.Handler{sqs.PeekPath: peek, sqs.PeekPath + "/": peek},
		certificate: topics.CertificateHandler,
	}
}
