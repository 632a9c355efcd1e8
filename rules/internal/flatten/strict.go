package flatten

import "github.com/seed567880c8/turnout/rules/internal/rawjson"

// ReadChecked is Read for an event that has not passed [rawjson.Scan]: it checks the whole event in the same pass. It
// reports whether the event is an object within the limits. False may also mean that it leaves the event to Scan and
// Read, one after the other: those with escaped keys or many keys in one object.
func (r *Reader) ReadChecked(event []byte, limits rawjson.Limits) bool {
	r.begin(event)
	c := &r.checker
	c.Reset(event, limits)
	i := c.Space(0)
	if i >= len(event) || event[i] != '{' {
		return false
	}
	i = r.checkedObject(i, 0, 0)
	return i >= 0 && c.Space(i) == len(event)
}

// checkedObject is object, checking.
func (r *Reader) checkedObject(i int, n nodeID, e ElementID) int {
	c, b := &r.checker, r.b
	f, ok := c.Open()
	if !ok {
		return -1
	}
	i = c.Space(i + 1)
	if i < len(b) && b[i] == '}' {
		c.Close(f)
		return i + 1
	}
	for {
		end := c.Name(&f, i)
		if end < 0 {
			return -1
		}
		at, wanted := r.step(n, b[i+1:end], false)
		i = c.Colon(end)
		if wanted {
			i = r.checkedValue(i, at, e)
		} else {
			i = c.Value(i)
		}
		if i < 0 {
			return -1
		}
		if i = c.Space(i); i >= len(b) || b[i] != ',' {
			break
		}
		i = c.Space(i + 1)
	}
	c.Close(f)
	if i >= len(b) || b[i] != '}' {
		return -1
	}
	return i + 1
}

// checkedValue is value, checking.
func (r *Reader) checkedValue(i int, n nodeID, e ElementID) int {
	if i >= len(r.b) {
		return -1
	}
	at := &r.tree.nodes[n]
	switch kind := rawjson.KindOf(r.b[i]); {
	case kind == rawjson.ObjectStart && len(at.children) > 0:
		return r.checkedObject(i, n, e)
	case kind == rawjson.ArrayStart:
		return r.checkedArray(i, n, e)
	default:
		end := r.checker.Value(i)
		if end >= 0 && at.field >= 0 && kind != rawjson.ObjectStart {
			r.leaf(at.field, kind, i, end, e)
		}
		return end
	}
}

// checkedArray is array, checking.
func (r *Reader) checkedArray(i int, n nodeID, e ElementID) int {
	c, b := &r.checker, r.b
	f, ok := c.Open()
	if !ok {
		return -1
	}
	number := r.newArray(n, e)
	i = c.Space(i + 1)
	if i < len(b) && b[i] == ']' {
		c.Close(f)
		return i + 1
	}
	for {
		if i = r.checkedValue(i, n, r.elementAt(i, n, e, number)); i < 0 {
			return -1
		}
		if i = c.Space(i); i >= len(b) || b[i] != ',' {
			break
		}
		i = c.Space(i + 1)
	}
	c.Close(f)
	if i >= len(b) || b[i] != ']' {
		return -1
	}
	return i + 1
}
