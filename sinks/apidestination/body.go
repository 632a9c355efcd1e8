package apidestination

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
)

// errBodyNotObject is why body parameters cannot be added.
var errBodyNotObject = errors.New("the connection adds body parameters, but what the target gets is not a JSON object")

// mergeBody returns a JSON object with members added; those that it has
// already under the same name are replaced. An empty body is an empty object.
func mergeBody(body []byte, members []parameter) ([]byte, error) {
	if len(members) == 0 {
		return body, nil
	}
	out := bytes.NewBuffer(make([]byte, 0, len(body)+64*len(members)))
	out.WriteByte('{')
	if len(bytes.TrimSpace(body)) > 0 {
		if err := copyMembers(out, body, members); err != nil {
			return nil, err
		}
	}
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	for i, m := range members {
		if slices.ContainsFunc(members[i+1:], func(later parameter) bool { return later.key == m.key }) {
			continue // the last one wins
		}
		if out.Len() > 1 {
			out.WriteByte(',')
		}
		if err := errors.Join(encoder.Encode(m.key), colon(out), encoder.Encode(m.value.Reveal())); err != nil {
			return nil, err
		}
		out.Truncate(out.Len() - 1) // the encoder ends with a new line
	}
	out.WriteByte('}')
	return out.Bytes(), nil
}

// colon puts one in place of the new line that an encoder ended a name with.
func colon(out *bytes.Buffer) error {
	out.Truncate(out.Len() - 1)
	return out.WriteByte(':')
}

// copyMembers appends the members of a JSON object that are not replaced, their values as they are.
func copyMembers(out *bytes.Buffer, body []byte, replaced []parameter) error {
	decoder := json.NewDecoder(bytes.NewReader(body))
	if first, err := decoder.Token(); err != nil || first != json.Delim('{') {
		return errBodyNotObject
	}
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	for decoder.More() {
		token, err := decoder.Token()
		if err != nil {
			return errBodyNotObject
		}
		key, _ := token.(string) // the decoder allows nothing else here
		var value json.RawMessage
		if err := decoder.Decode(&value); err != nil {
			return errBodyNotObject
		}
		if slices.ContainsFunc(replaced, func(r parameter) bool { return r.key == key }) {
			continue
		}
		if out.Len() > 1 {
			out.WriteByte(',')
		}
		if err := errors.Join(encoder.Encode(key), colon(out)); err != nil {
			return err
		}
		out.Write(value)
	}
	if _, err := decoder.Token(); err != nil {
		return errBodyNotObject
	}
	if decoder.More() {
		return errBodyNotObject
	}
	return nil
}
