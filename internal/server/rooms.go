package server

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"net/http"

	"github.com/seed567880c8/turnout/api/awswire"
	"github.com/seed567880c8/turnout/api/eventbridge"
	"github.com/seed567880c8/turnout/api/sqs"
	"github.com/seed567880c8/turnout/api/sts"
	"github.com/seed567880c8/turnout/broker"
	"github.com/seed567880c8/turnout/broker/eventlog"
	"github.com/seed567880c8/turnout/internal/config"
	"github.com/seed567880c8/turnout/internal/partition"
	"github.com/seed567880c8/turnout/internal/store"
	"github.com/seed567880c8/turnout/internal/store/pebblestore"
	"github.com/seed567880c8/turnout/queues"
)

// rooms is everything between the APIs and the disk.
type rooms struct {
	store  store.Store
	loop   *partition.Partition
	events *eventlog.Log
	queues *queues.Engine
	broker *broker.Broker
	disk   *diskWatch
	probe  *probe
}

// newRooms loads what s holds.
func newRooms(cfg config.Config, s store.Store, log *slog.Logger) (*rooms, error) {
	r := &rooms{store: s, loop: partition.New(s, partition.Config{PendingMax: cfg.Limits.PendingMax})}
	var err error
	if r.events, err = eventlog.Load(s); err != nil {
		return nil, err
	}
	r.queues, err = queues.New(r.loop, s, r.events, queues.Config{Random: rand.Reader, Log: log, StrictAWS: cfg.StrictAWS})
	if err != nil {
		return nil, err
	}
	r.broker, err = broker.New(r.loop, s, r.events, broker.Receivers{Queues: r.queues}, broker.Config{Random: rand.Reader, Log: log, StrictAWS: cfg.StrictAWS})
	if err != nil {
		return nil, err
	}
	r.loop.Add(r.queues)
	r.loop.Add(r.events) // last: its flush counts what the others released
	r.probe = &probe{do: r.loop.Do}
	r.disk = &diskWatch{usage: s.Usage, floor: cfg.Disk, log: log, refuse: r.refuseData}
	if engine, ok := s.(*pebblestore.Store); ok {
		r.disk.reclaim = engine.Reclaim
	}
	r.disk.look()
	return r, nil
}

// refuseData closes or opens the doors to new data. Receives and deletes, and
// the delivery of what was accepted, go on.
func (r *rooms) refuseData(on bool) {
	r.queues.RefuseSends(on)
	r.broker.RefusePublishes(on)
}

// reset removes everything in all accounts and regions.
func (r *rooms) reset(ctx context.Context) error {
	// Rules first: without them nothing is delivered to queues that are about to go.
	return errors.Join(r.broker.Reset(ctx), r.queues.Reset(ctx))
}

// apis are the AWS services on top of the rooms, and the pages that they serve
// beside the AWS protocols, by path. wire lacks only the services.
func (r *rooms) apis(wire awswire.Config) (services []*awswire.Service, pages map[string]http.Handler) {
	queues := sqs.New(r.queues)
	peek := queues.PeekHandler(wire)
	return []*awswire.Service{queues.Service(), eventbridge.New(r.broker, eventbridge.Config{}), sts.Service()}, map[string]http.Handler{
		sqs.PeekPath:       peek,
		sqs.PeekPath + "/": peek,
	}
}
