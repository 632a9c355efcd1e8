package sqs

import (
	"errors"
	"net/http"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/api/awswire"
)

// entryID is the id of a batch entry.
type entryID struct {
	id    string
	given bool
}

// checkBatch checks what all batches have in common. count is the number of
// entries in the request, of which ids holds at most the first ten, and entry
// is what AWS calls an entry of the operation.
func checkBatch(entry string, count int, ids []entryID) error {
	switch {
	case count == 0:
		return turnout.Errorf(turnout.CodeBatchEmpty, "There should be at least one %s in the request.", entry)
	case count > turnout.BatchEntriesMax:
		return turnout.Errorf(turnout.CodeBatchTooManyEntries, "Maximum number of entries per request are %d. You have sent %d.", turnout.BatchEntriesMax, count)
	}
	for i := range ids {
		if !ids[i].given {
			return turnout.Errorf(turnout.CodeMissingParameter, "The request must contain the parameter %s.%d.Id.", entry, i+1)
		}
		if len(ids[i].id) > nameMax || !isNameText(ids[i].id) {
			return turnout.Errorf(turnout.CodeBatchIDInvalid,
				"A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at most 80 letters long.")
		}
		for _, earlier := range ids[:i] {
			if earlier.id == ids[i].id {
				return turnout.Errorf(turnout.CodeBatchIDsNotDistinct, "Id %s repeated.", ids[i].id)
			}
		}
	}
	return nil
}

// readEntries reads the Entries of a batch in JSON: each of the first ten by
// read, the others only to count them.
func readEntries(d *awswire.JSONReader, read func(i int, key []byte)) (count int) {
	if !d.Array() {
		return 0
	}
	for d.Elem() {
		if count++; count > turnout.BatchEntriesMax {
			d.Skip()
			continue
		}
		if !d.Object() {
			continue
		}
		for {
			key, ok := d.Key()
			if !ok {
				break
			}
			read(count-1, key)
		}
	}
	return count
}

// failure is a batch entry that was refused.
type failure struct {
	id  string
	err awswire.WireError
}

// failedList names the refused entries of a batch in each protocol.
//
//nolint:gochecknoglobals // constant
var failedList = awswire.List{JSON: "Failed", XML: "BatchResultErrorEntry", QueryJSON: "Failed"}

// fail makes a failure of err, in the words of the query protocol, as AWS answers in both.
func (a *API) fail(id string, p awswire.Protocol, err error) failure {
	e, ok := errors.AsType[*turnout.Error](err)
	if !ok {
		e = &turnout.Error{Code: turnout.CodeInternal}
	}
	return failure{id: id, err: a.wireError(e, p)}
}

// encodeFailures writes the refused entries; AWS leaves an empty list out.
func encodeFailures(e *awswire.Encoder, failed []failure) {
	if len(failed) == 0 {
		return
	}
	e.BeginList(failedList)
	for i := range failed {
		f := &failed[i]
		code := f.err.QueryCode
		if code == "" {
			code = f.err.Shape
		}
		e.BeginItem(failedList)
		e.String("Id", f.id)
		e.Bool("SenderFault", f.err.Status < http.StatusInternalServerError)
		e.String("Code", code)
		e.String("Message", f.err.Message)
		e.EndItem(failedList)
	}
	e.EndList()
}
