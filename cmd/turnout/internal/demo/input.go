package demo

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"embed"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
)

//go:embed testdata/*.gz
var recorded embed.FS

// The sources of the input's events.
const (
	roomSource   = "rooms"
	githubSource = "github.com"
	readingType  = "reading"
)

// event is one event to publish. N is its position in the whole input; it
// travels with the event as a resource, so that each copy can be told.
type event struct {
	n          int
	source     string
	detailType string
	detail     []byte
	time       time.Time // zero: now
	reading    *reading  // set for a room's event
	webhook    *webhook  // set for a webhook
}

// reading is one line of room-sensors.jsonl.gz.
type reading struct {
	Device      string    `json:"device"`
	Time        time.Time `json:"time"`
	Temperature float64   `json:"temperature"` // °C
	Humidity    float64   `json:"humidity"`    // relative, %
	Light       float64   `json:"light"`       // lux
	CO2         float64   `json:"co2"`         // ppm
	Occupied    bool      `json:"occupied"`
}

// webhook holds what the routes ask of a payload. A nil pointer is a field
// that is absent (or null, which the input does not have in these places).
type webhook struct {
	Organization *struct {
		Login *string `json:"login"`
	} `json:"organization"`
	Repository *struct {
		FullName *string `json:"full_name"`
	} `json:"repository"`
	Sender *struct {
		Login *string `json:"login"`
		Type  *string `json:"type"`
	} `json:"sender"`
}

// loadInput reads the recorded events, readings first, each file in its order.
func loadInput() ([]*event, error) {
	var events []*event
	err := eachLine("testdata/room-sensors.jsonl.gz", func(line []byte) error {
		r := new(reading)
		if err := json.Unmarshal(line, r); err != nil {
			return err
		}
		events = append(events, &event{
			n: len(events), source: roomSource, detailType: readingType, detail: line, time: r.Time, reading: r,
		})
		return nil
	})
	if err != nil {
		return nil, err
	}
	err = eachLine("testdata/github-webhooks.jsonl.gz", func(line []byte) error {
		var entry struct{ Source, DetailType, Detail string }
		if err := json.Unmarshal(line, &entry); err != nil {
			return err
		}
		w := new(webhook)
		if err := json.Unmarshal([]byte(entry.Detail), w); err != nil {
			return err
		}
		events = append(events, &event{
			n: len(events), source: entry.Source, detailType: entry.DetailType, detail: []byte(entry.Detail), webhook: w,
		})
		return nil
	})
	return events, err
}

// eachLine calls f with each line of a recorded file; f may keep the line.
func eachLine(name string, f func(line []byte) error) error {
	file, err := recorded.Open(name)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }() // embedded: there is nothing to lose
	unzipped, err := gzip.NewReader(file)
	if err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	lines := bufio.NewScanner(unzipped)
	lines.Buffer(nil, 1<<20)
	for n := 1; lines.Scan(); n++ {
		if err := f(bytes.Clone(lines.Bytes())); err != nil {
			return fmt.Errorf("read %s, line %d: %w", name, n, err)
		}
	}
	return lines.Err()
}

const resourcePrefix = "turnout:demo:event/"

// resource is the name under which an event's position travels.
func (e *event) resource() string { return resourcePrefix + strconv.Itoa(e.n) }

// eventNumber is the inverse of resource.
func eventNumber(resource string) (int, bool) {
	s, ok := strings.CutPrefix(resource, resourcePrefix)
	if !ok {
		return 0, false
	}
	n, err := strconv.Atoi(s)
	return n, err == nil
}
