package demo

import "strings"

// busName is the bus that the demo creates.
const busName = "demo"

// queue is a queue that the demo creates and consumes.
type queue struct {
	name       string
	fifo       bool
	workers    int    // consumers; a FIFO queue has use for one a message group
	deadLetter string // its dead-letter queue, or ""
	// refuse picks the messages that the consumer never deletes: it hands
	// them back until they have moved to the dead-letter queue.
	refuse func(*event) bool
}

// receivesMax is how often a queue with a dead-letter queue delivers a message.
const receivesMax = 3

// rule is a rule that the demo creates. Matches says in plain Go, and from the
// input alone, what the pattern says in JSON: the two must agree on every event.
type rule struct {
	name      string
	operators string // what it shows, for the table
	pattern   string
	queue     string
	groupPath string // message group of a FIFO queue
	named     bool   // delivers a small input with the rule's name instead of the event
	matches   func(*event) bool
}

// The names of the queues.
const (
	readingsQueue  = "readings.fifo"
	auditQueue     = "audit"
	alertsQueue    = "alerts"
	comfortQueue   = "comfort"
	incidentsQueue = "incidents"
	deadQueue      = "incidents-dead"
	githubQueue    = "github"
	reviewsQueue   = "reviews"
)

func queues() []*queue {
	return []*queue{
		{name: auditQueue, workers: 4},
		{name: readingsQueue, fifo: true, workers: 3},
		{name: alertsQueue, workers: 2},
		{name: comfortQueue, workers: 1},
		{name: incidentsQueue, workers: 1, deadLetter: deadQueue, refuse: func(e *event) bool { return e.reading.CO2 > 1650 }},
		{name: deadQueue, workers: 1},
		{name: githubQueue, workers: 1},
		{name: reviewsQueue, workers: 1},
	}
}

func rules() []*rule { return append(roomRules(), githubRules()...) }

func roomRules() []*rule {
	return []*rule{
		{
			name: "everything", operators: "exists", queue: auditQueue,
			pattern: `{"source": [{"exists": true}]}`,
			matches: func(*event) bool { return true },
		},
		{
			name: "readings", operators: "exact, group by $.detail.device", queue: readingsQueue, groupPath: "$.detail.device",
			pattern: `{"source": ["rooms"], "detail-type": ["reading"]}`,
			matches: func(e *event) bool { return e.reading != nil },
		},
		{
			name: "stale-air", operators: "prefix, numeric", queue: alertsQueue, named: true,
			pattern: `{"source": [{"prefix": "room"}], "detail": {"co2": [{"numeric": [">=", 1000]}]}}`,
			matches: func(e *event) bool { return e.reading != nil && e.reading.CO2 >= 1000 },
		},
		{
			name: "light-left-on", operators: "numeric, exact", queue: alertsQueue, named: true,
			pattern: `{"detail": {"light": [{"numeric": [">", 100]}], "occupied": [false]}}`,
			matches: func(e *event) bool { return e.reading != nil && e.reading.Light > 100 && !e.reading.Occupied },
		},
		{
			name: "uncomfortable", operators: "$or, anything-but, numeric", queue: comfortQueue,
			pattern: `{"detail": {"device": [{"anything-but": "lab-1"}],
				"$or": [{"temperature": [{"numeric": [">=", 23]}]}, {"humidity": [{"numeric": ["<", 20]}]}]}}`,
			matches: func(e *event) bool {
				return e.reading != nil && e.reading.Device != "lab-1" && (e.reading.Temperature >= 23 || e.reading.Humidity < 20)
			},
		},
		{
			name: "incidents", operators: "numeric range, dead letters", queue: incidentsQueue,
			pattern: `{"source": ["rooms"], "detail": {"co2": [{"numeric": [">", 1500, "<=", 2050]}], "occupied": [false]}}`,
			matches: func(e *event) bool {
				return e.reading != nil && e.reading.CO2 > 1500 && e.reading.CO2 <= 2050 && !e.reading.Occupied
			},
		},
	}
}

func githubRules() []*rule {
	return []*rule{
		{
			name: "organizations", operators: "suffix, exists", queue: githubQueue, named: true,
			pattern: `{"source": [{"suffix": ".com"}], "detail": {"organization": {"login": [{"exists": true}]}}}`,
			matches: func(e *event) bool {
				return e.webhook != nil && e.webhook.Organization != nil && e.webhook.Organization.Login != nil
			},
		},
		{
			name: "people", operators: "equals-ignore-case, anything-but suffix", queue: githubQueue, named: true,
			pattern: `{"detail": {"sender": {"type": [{"equals-ignore-case": "USER"}], "login": [{"anything-but": {"suffix": "cat"}}]}}}`,
			matches: func(e *event) bool {
				if e.webhook == nil || e.webhook.Sender == nil || e.webhook.Sender.Type == nil || e.webhook.Sender.Login == nil {
					return false
				}
				return strings.EqualFold(*e.webhook.Sender.Type, "user") && !strings.HasSuffix(*e.webhook.Sender.Login, "cat")
			},
		},
		{
			name: "hello-world", operators: "wildcard", queue: githubQueue, named: true,
			pattern: `{"detail": {"repository": {"full_name": [{"wildcard": "*/Hello-World"}]}}}`,
			matches: func(e *event) bool {
				return e.webhook != nil && e.webhook.Repository != nil && e.webhook.Repository.FullName != nil &&
					strings.HasSuffix(*e.webhook.Repository.FullName, "/Hello-World")
			},
		},
		{
			name: "pull-requests", operators: "prefix", queue: reviewsQueue,
			pattern: `{"source": ["github.com"], "detail-type": [{"prefix": "pull_request"}]}`,
			matches: func(e *event) bool { return e.webhook != nil && strings.HasPrefix(e.detailType, "pull_request") },
		},
	}
}
