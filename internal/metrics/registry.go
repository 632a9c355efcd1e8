package metrics

import (
	"log/slog"
	"net/http"
	"runtime"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Registry gathers everything that a server reports.
type Registry struct {
	registry *prometheus.Registry
	requests *requests
}

// New returns a Registry that reports the program's version, its Go runtime,
// its process and the requests that it is told of.
func New(version string) *Registry {
	r := &Registry{registry: prometheus.NewRegistry(), requests: newRequests()}
	r.registry.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		r.requests,
	)
	build := Gauge("turnout_build_info", "1, labelled with the version of the program and of Go.", "version", "go")
	r.Add([]*Family{build}, func(e Emitter) { e.Value(build, 1, version, runtime.Version()) })
	return r
}

// Handler serves the page.
func (r *Registry) Handler(log *slog.Logger) http.Handler {
	return promhttp.HandlerFor(r.registry, promhttp.HandlerOpts{
		ErrorLog:            errorLog{log},
		ErrorHandling:       promhttp.ContinueOnError,
		MaxRequestsInFlight: 4, // a page costs milliseconds; scrapers are few
	})
}

// errorLog hands what goes wrong while a page is made to log.
type errorLog struct{ log *slog.Logger }

// Println logs v.
func (l errorLog) Println(v ...any) { l.log.Warn("metrics page is incomplete", slog.Any("problem", v)) }

// Family is one metric, with its labels' names.
type Family struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
}

// Counter describes a value that only rises. Its name ends in _total.
func Counter(name, help string, labels ...string) *Family {
	return &Family{desc: prometheus.NewDesc(name, help, labels, nil), kind: prometheus.CounterValue}
}

// Gauge describes a value that rises and falls.
func Gauge(name, help string, labels ...string) *Family {
	return &Family{desc: prometheus.NewDesc(name, help, labels, nil), kind: prometheus.GaugeValue}
}

// Histogram describes durations or sizes counted in buckets; Emitter.Histogram gives its values.
func Histogram(name, help string, labels ...string) *Family {
	return &Family{desc: prometheus.NewDesc(name, help, labels, nil), kind: prometheus.UntypedValue}
}

// Add has collect called for each page; it emits values of families, each at
// most once for one set of label values, and must be safe for concurrent use.
// It panics when a family exists already or is malformed.
func (r *Registry) Add(families []*Family, collect func(Emitter)) {
	r.registry.MustRegister(&source{families: families, collect: collect})
}

// Emitter takes the values of one page.
type Emitter struct{ out chan<- prometheus.Metric }

// Value emits the value of a Counter or Gauge for the given label values.
func (e Emitter) Value(f *Family, v float64, labels ...string) {
	e.out <- prometheus.MustNewConstMetric(f.desc, f.kind, v, labels...)
}

// Histogram emits a Histogram of count observations with the given sum.
// cumulative[i] counts those up to bounds[i], in base units.
func (e Emitter) Histogram(f *Family, count uint64, sum float64, bounds []float64, cumulative []uint64, labels ...string) {
	buckets := make(map[float64]uint64, len(bounds))
	for i, bound := range bounds {
		buckets[bound] = cumulative[i]
	}
	e.out <- prometheus.MustNewConstHistogram(f.desc, count, sum, buckets, labels...)
}

type source struct {
	families []*Family
	collect  func(Emitter)
}

// Describe names the families.
func (s *source) Describe(out chan<- *prometheus.Desc) {
	for _, f := range s.families {
		out <- f.desc
	}
}

// Collect reads the source.
func (s *source) Collect(out chan<- prometheus.Metric) { s.collect(Emitter{out}) }
