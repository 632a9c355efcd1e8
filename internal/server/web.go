package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/api/admin"
	"github.com/seed567880c8/turnout/internal/config"
)

// Time bounds of the HTTP listener.
const (
	readHeaderWithin = 5 * time.Second
	// readWithin bounds a slow body. It must be longer than the longest long
	// poll: net/http watches the connection under this deadline while a
	// handler runs, and ends the request's context when it passes.
	readWithin = turnout.ReceiveWaitMax + 10*time.Second
	// writeWithin counts from the request's header to the end of its answer.
	writeWithin = turnout.ReceiveWaitMax + 40*time.Second
	idleWithin  = time.Minute

	headerMaxBytes = 64 << 10
)

// The parts of the five seconds that a stop may take.
const (
	drainWithin = 3 * time.Second        // requests that are being handled
	cutWithin   = 500 * time.Millisecond // and after their connections were closed
	webWithin   = drainWithin + cutWithin + 200*time.Millisecond
	workWithin  = 500 * time.Millisecond // background work, and the writer
)

// web is the HTTP listener: the AWS APIs and the administrative pages behind
// common bounds, and their orderly end.
type web struct {
	cfg       config.Limits
	log       *slog.Logger
	listener  net.Listener
	aws       http.Handler
	admin     *admin.Handler
	conns     *connLimit
	admission *admission
	drain     func() // makes long polls answer

	server *http.Server
}

// init makes the server once the other fields are set.
func (w *web) init() {
	w.conns = newConnLimit(w.cfg.ConnectionsMax, w.cfg.ConnectionsPerIPMax, w.log)
	w.admission = newAdmission(w.cfg.BodiesMaxBytes)
	w.aws = admin.RefuseBrowsers(w.aws)
	w.server = &http.Server{
		Handler:           w,
		ReadHeaderTimeout: readHeaderWithin,
		ReadTimeout:       readWithin,
		WriteTimeout:      writeWithin,
		IdleTimeout:       idleWithin,
		MaxHeaderBytes:    headerMaxBytes,
		ConnState:         w.conns.Changed,
		ErrorLog:          slog.NewLogLogger(w.log.Handler(), slog.LevelWarn),
	}
}

// ServeHTTP admits a request and passes it on.
func (w *web) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	handler := w.aws
	if page := w.admin.Match(r.URL.Path); page != nil {
		handler = page
	}
	cost := w.bodyCost(r)
	if err := w.admission.enter(cost); err != nil {
		w.shed(rw, r, err)
		return
	}
	defer w.admission.leave(cost)
	handler.ServeHTTP(rw, r)
}

// bodyCost returns the memory to reserve for a request's body. One without an
// announced length, or compressed, may reach the largest size; one announced
// as larger is refused before it is read.
func (w *web) bodyCost(r *http.Request) int64 {
	switch {
	case r.ContentLength > w.cfg.BodyMaxBytes:
		return 0
	case r.ContentLength < 0, r.Header["Content-Encoding"] != nil:
		return w.cfg.BodyMaxBytes
	}
	return r.ContentLength
}

// shed answers a request that was not admitted, at no cost: its body is
// not read, so its protocol is told from the header. SDKs retry on the status.
func (w *web) shed(rw http.ResponseWriter, r *http.Request, err error) {
	const code = "ServiceUnavailable"
	header := rw.Header()
	header.Set("Retry-After", "1")
	header.Set("Connection", "close") // what is left of the body is not worth reading
	var body string
	if r.Header.Get("X-Amz-Target") != "" {
		header.Set("Content-Type", "application/x-amz-json-1.0")
		body = fmt.Sprintf(`{"__type":%q,"message":%q}`, code, err.Error())
	} else {
		header.Set("Content-Type", "text/xml")
		body = fmt.Sprintf("<ErrorResponse><Error><Type>Receiver</Type><Code>%s</Code><Message>%s</Message></Error></ErrorResponse>", code, err.Error())
	}
	rw.WriteHeader(http.StatusServiceUnavailable)
	_, _ = io.WriteString(rw, body)
}

// Run serves until ctx ends, then stops accepting, has the long polls answer
// and waits for the requests being handled. It returns once no handler runs;
// an error then says that one was cut off or could not be ended.
func (w *web) Run(ctx context.Context) error {
	served := make(chan error, 1)
	go func() { served <- w.server.Serve(w.listener) }()
	select {
	case err := <-served:
		err = fmt.Errorf("serve %s: %w", w.listener.Addr(), err)
		return errors.Join(err, w.stop(context.WithoutCancel(ctx)))
	case <-ctx.Done():
	}
	err := w.stop(context.WithoutCancel(ctx))
	if serr := <-served; !errors.Is(serr, http.ErrServerClosed) {
		err = errors.Join(err, serr)
	}
	return err
}

func (w *web) stop(ctx context.Context) error {
	w.drain()
	w.conns.closeUnused()
	ctx, cancel := context.WithTimeout(ctx, drainWithin)
	defer cancel()
	err := w.server.Shutdown(ctx)
	idle := w.admission.close()
	if err == nil {
		<-idle // the connections are closed, so no handler runs
		return nil
	}
	running := w.admission.load().requests
	w.log.LogAttrs(ctx, slog.LevelWarn, "requests were still being handled at the end of the stop and are cut off", slog.Int("requests", running))
	err = w.server.Close()
	timer := time.NewTimer(cutWithin)
	defer timer.Stop()
	select {
	case <-idle:
		return err
	case <-timer.C:
		return errors.Join(err, fmt.Errorf("%d requests did not end", w.admission.load().requests))
	}
}
