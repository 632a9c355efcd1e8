package awswire

// The query protocol has two forms of lists and maps. In the flattened one,
// which SQS uses, an element repeats; List and Map are for that. In the other,
// which SNS uses, a list holds elements named member, and a map elements named
// entry with a key and a value. The JSON formats do not tell them apart, but
// for maps, which are objects here.

// BeginMembers opens a list that is not flattened.
func (e *Encoder) BeginMembers(name string) {
	e.open(name)
	if e.format != XML {
		e.buf = append(e.buf, '[')
		e.comma = false
	}
}

// EndMembers closes what BeginMembers opened.
func (e *Encoder) EndMembers(name string) {
	if e.format != XML {
		e.buf = append(e.buf, ']')
		e.comma = true
	}
	e.close(name)
}

// BeginMember opens a structure in the list that BeginMembers opened.
func (e *Encoder) BeginMember() { e.BeginItem(List{XML: "member"}) }

// EndMember closes what BeginMember opened.
func (e *Encoder) EndMember() { e.EndItem(List{XML: "member"}) }

// BeginEntries opens a map of strings that is not flattened.
func (e *Encoder) BeginEntries(name string) { e.Begin(name) }

// EndEntries closes what BeginEntries opened.
func (e *Encoder) EndEntries(name string) { e.End(name) }

// StringEntry writes an entry of the map that BeginEntries opened.
func (e *Encoder) StringEntry(key, value string) {
	if e.format == XML {
		e.open("entry")
		e.String("key", key)
		e.String("value", value)
		e.close("entry")
		return
	}
	e.sep()
	e.buf = AppendJSONString(e.buf, key)
	e.buf = append(e.buf, ':')
	e.buf = AppendJSONString(e.buf, value)
}
