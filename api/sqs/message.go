package sqs

import (
	"cmp"
	"crypto/md5" //nolint:gosec // the digest that SQS defines; it protects against accidents, not attacks
	"encoding/base64"
	"encoding/binary"
	"slices"
	"strings"
	"unicode"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/api/awswire"
)

// AWS's limits on message attributes.
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-message-metadata.html
const (
	attributesMax       = 10
	attributeNameMax    = 256 // bytes
	attributeTypeMax    = 256 // bytes
	traceHeaderMax      = 500 // bytes
	messageIDTextMax    = 128 // characters of a group or deduplication id
	traceHeaderName     = "AWSTraceHeader"
	delaySecondsMax     = 900
	typeString          = "String"
	typeNumber          = "Number"
	typeBinary          = "Binary"
	errListValues       = "Message attribute list values in SendMessage operation are not supported."
	errMessageCharacter = "Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF"
)

// draft is a message as a request describes it, before it is checked.
type draft struct {
	id         string // of a batch entry
	idGiven    bool
	body       []byte
	groupID    string
	groupGiven bool
	dedupID    string
	dedupGiven bool
	delay      int // seconds
	attributes attributeList
	system     attributeList
}

// attributeList gathers message attributes, sorted by name once complete.
type attributeList struct {
	kept  []turnout.MessageAttribute
	count int   // those in the request, kept or not
	err   error // the first that is not allowed
}

// attributeValue is the value of a message attribute as a request gives it.
type attributeValue struct {
	dataType string
	text     []byte
	binary   []byte
	hasText  bool
	hasBytes bool
	lists    bool
}

// add checks an attribute and keeps it.
func (l *attributeList) add(name string, v *attributeValue) {
	l.count++
	if l.err != nil || l.count > attributesMax {
		return
	}
	if l.err = checkAttribute(name, v); l.err != nil {
		return
	}
	value := v.text
	if strings.HasPrefix(v.dataType, typeBinary) {
		value = v.binary
	}
	l.kept = append(l.kept, turnout.MessageAttribute{Name: name, Type: v.dataType, Value: value})
}

// sort brings the attributes into the order in which digests take them, and
// returns what is wrong with the list.
func (l *attributeList) sort() error {
	if l.count > attributesMax {
		return turnout.Errorf(turnout.CodeInvalidParameter,
			"Number of message attributes [%d] exceeds the allowed maximum [%d].", l.count, attributesMax)
	}
	if l.err != nil {
		return l.err
	}
	sortAttributes(l.kept)
	for i := 1; i < len(l.kept); i++ {
		if l.kept[i].Name == l.kept[i-1].Name {
			return turnout.Errorf(turnout.CodeInvalidParameter, "Message (user) attribute name '%s' is given twice.", l.kept[i].Name)
		}
	}
	return nil
}

func sortAttributes(attributes []turnout.MessageAttribute) {
	slices.SortFunc(attributes, func(a, b turnout.MessageAttribute) int { return cmp.Compare(a.Name, b.Name) })
}

func invalidAttribute(format string, args ...any) error {
	return turnout.Errorf(turnout.CodeInvalidParameter, format, args...)
}

// checkAttribute checks one user attribute.
func checkAttribute(name string, v *attributeValue) error {
	if err := checkAttributeName(name); err != nil {
		return err
	}
	if v.lists {
		return turnout.Errorf(turnout.CodeUnsupportedOperation, errListValues)
	}
	if err := checkAttributeType(name, v); err != nil {
		return err
	}
	switch base, _, _ := strings.Cut(v.dataType, "."); {
	case base == typeBinary && len(v.binary) == 0, base != typeBinary && len(v.text) == 0:
		return invalidAttribute("Message (user) attribute '%s' must contain a non-empty value of type '%s'.", name, base)
	case base == typeNumber && !isNumber(v.text):
		return invalidAttribute("Can't cast the value of message (user) attribute '%s' to a number.", name)
	case base != typeBinary && !isXMLText(v.text):
		return turnout.Errorf(turnout.CodeInvalidMessageContents, "Invalid characters found in the value of message (user) attribute '%s'.", name)
	}
	return nil
}

func checkAttributeName(name string) error {
	lower := strings.ToLower(name)
	switch {
	case name == "":
		return invalidAttribute("The request must contain non-empty message (user) attribute names.")
	case len(name) > attributeNameMax:
		return invalidAttribute("Message (user) attribute name must be shorter than 256 bytes.")
	case strings.HasPrefix(lower, "aws.") || strings.HasPrefix(lower, "amazon."):
		return invalidAttribute("You can't use message attribute names beginning with 'AWS.' or 'Amazon.'. These strings are reserved for internal use.")
	case name[0] == '.' || name[len(name)-1] == '.' || strings.Contains(name, ".."):
		return invalidAttribute("Invalid message (user) attribute name '%s'. It can't start or end with a period, or have periods in succession.", name)
	}
	for _, c := range name {
		// AWS takes letters beyond ASCII, whatever its documentation says.
		if !unicode.IsLetter(c) && !unicode.IsDigit(c) && c != '-' && c != '_' && c != '.' {
			return invalidAttribute("Invalid message (user) attribute name. " +
				"Message (user) attributes name can only contain upper and lower score characters, digits, periods, hyphens and underscores. ")
		}
	}
	return nil
}

func checkAttributeType(name string, v *attributeValue) error {
	base, _, _ := strings.Cut(v.dataType, ".")
	switch {
	case v.dataType == "" && !v.hasText && !v.hasBytes:
		return invalidAttribute("The message (user) attribute '%s' must contain a non-empty message attribute value.", name)
	case v.dataType == "":
		return invalidAttribute("The message (user) attribute '%s' must contain a non-empty message attribute type.", name)
	case len(v.dataType) > attributeTypeMax:
		return invalidAttribute("Message (user) attribute type must be shorter than 256 bytes.")
	case base != typeString && base != typeNumber && base != typeBinary:
		return invalidAttribute("The type of message (user) attribute '%s' is invalid. You must use only the following supported type prefixes: Binary, Number, String.", name)
	case !isXMLText([]byte(v.dataType)):
		return turnout.Errorf(turnout.CodeInvalidMessageContents, "Invalid characters found in the type of message (user) attribute '%s'.", name)
	}
	return nil
}

// addSystem checks a system attribute and keeps it. AWSTraceHeader is the only one that a sender may set.
func (l *attributeList) addSystem(name string, v *attributeValue) {
	l.count++
	switch {
	case l.err != nil:
	case name != traceHeaderName:
		l.err = invalidAttribute("Message system attribute name '%s' is invalid.", name)
	case v.dataType != typeString:
		l.err = invalidAttribute("The type of message system attribute '%s' is invalid. It must be String.", name)
	case len(v.text) == 0 || len(v.text) > traceHeaderMax || !isXMLText(v.text):
		l.err = invalidAttribute("The value of message system attribute '%s' is invalid. It must be text of 1 to %d bytes.", name, traceHeaderMax)
	default:
		l.kept = append(l.kept, turnout.MessageAttribute{Name: name, Type: v.dataType, Value: v.text})
	}
}

// isNumber reports whether s is a decimal number: sign, digits, fraction, exponent.
func isNumber(s []byte) bool {
	i := 0
	digits := func() (n int) {
		for i < len(s) && s[i] >= '0' && s[i] <= '9' {
			i++
			n++
		}
		return n
	}
	sign := func() {
		if i < len(s) && (s[i] == '-' || s[i] == '+') {
			i++
		}
	}
	sign()
	n := digits()
	if i < len(s) && s[i] == '.' {
		i++
		n += digits()
	}
	if n == 0 {
		return false
	}
	if i < len(s) && (s[i] == 'e' || s[i] == 'E') {
		i++
		sign()
		if digits() == 0 {
			return false
		}
	}
	return i == len(s)
}

// isXMLText reports whether s, which is UTF-8, has only the characters that XML
// 1.0 and so SQS can carry: #x9 #xA #xD #x20–#xD7FF #xE000–#xFFFD #x10000–#x10FFFF.
func isXMLText(s []byte) bool {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	for i := 0; i < len(s); i++ {
		if i+8 <= len(s) {
			// Eight bytes of printable ASCII need no closer look. A byte below
			// a space borrows and so has its high bit set here, as has one beyond ASCII.
			x := binary.LittleEndian.Uint64(s[i:])
			if (x|(x-ones*' '))&highs == 0 {
				i += 7
				continue
			}
		}
		c := s[i]
		if c < ' ' && c != '\t' && c != '\n' && c != '\r' {
			return false
		}
		if c == 0xEF && i+2 < len(s) && s[i+1] == 0xBF && s[i+2] >= 0xBE { // U+FFFE and U+FFFF
			return false
		}
	}
	return true
}

// isIDText reports whether s can be a message group or deduplication id: 1–128
// alphanumeric characters and punctuation.
func isIDText(s string) bool {
	if s == "" || len(s) > messageIDTextMax {
		return false
	}
	for _, c := range []byte(s) {
		if c <= ' ' || c > '~' {
			return false
		}
	}
	return true
}

// digest is an MD5 sum as SQS shows it to clients, which check it.
type digest struct {
	sum   [md5.Size]byte
	given bool
}

func digestOf(body []byte) digest { return digest{sum: md5.Sum(body), given: true} } //nolint:gosec // see the import

// digestAttributes digests attributes sorted by name as SQS does: for each the
// length and text of its name and type, 1 for text or 2 for bytes, and the
// length and bytes of its value.
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-message-metadata.html#sqs-attributes-md5-message-digest-calculation
func digestAttributes(attributes []turnout.MessageAttribute) digest {
	if len(attributes) == 0 {
		return digest{}
	}
	size := 0
	for i := range attributes {
		a := &attributes[i]
		size += 3*4 + 1 + len(a.Name) + len(a.Type) + len(a.Value)
	}
	var small [512]byte
	b := small[:0]
	if size > len(small) {
		b = make([]byte, 0, size)
	}
	for i := range attributes {
		a := &attributes[i]
		b = binary.BigEndian.AppendUint32(b, uint32(len(a.Name)))
		b = append(b, a.Name...)
		b = binary.BigEndian.AppendUint32(b, uint32(len(a.Type)))
		b = append(b, a.Type...)
		if strings.HasPrefix(a.Type, typeBinary) {
			b = append(b, 2)
		} else {
			b = append(b, 1)
		}
		b = binary.BigEndian.AppendUint32(b, uint32(len(a.Value)))
		b = append(b, a.Value...)
	}
	return digestOf(b)
}

// encode writes the digest if there is one.
func (d *digest) encode(e *awswire.Encoder, name string) {
	if d.given {
		e.Hex(name, d.sum[:])
		return
	}
	e.Optional(name, "")
}

// readJSON reads the member called key of a message; known is false when a message has no such member.
func (m *draft) readJSON(d *awswire.JSONReader, key []byte) (known bool) {
	switch string(key) {
	case "MessageBody":
		m.body, _ = d.String()
	case "MessageAttributes":
		readAttributes(d, m.attributes.add)
	case "MessageSystemAttributes":
		readAttributes(d, m.system.addSystem)
	case "MessageGroupId":
		m.groupID, m.groupGiven = readString(d)
	case "MessageDeduplicationId":
		m.dedupID, m.dedupGiven = readString(d)
	case "DelaySeconds":
		m.delay, _ = d.Int()
	case "Id":
		m.id, m.idGiven = readString(d)
	default:
		return false
	}
	return true
}

func readString(d *awswire.JSONReader) (string, bool) {
	s, ok := d.String()
	return string(s), ok
}

// readAttributes reads a map of message attributes.
func readAttributes(d *awswire.JSONReader, add func(name string, v *attributeValue)) {
	if !d.Object() {
		return
	}
	for {
		key, ok := d.Key()
		if !ok {
			return
		}
		var v attributeValue
		readAttributeValue(d, &v)
		if d.Err() == nil {
			add(string(key), &v)
		}
	}
}

func readAttributeValue(d *awswire.JSONReader, v *attributeValue) {
	if !d.Object() {
		return
	}
	for {
		key, ok := d.Key()
		if !ok {
			return
		}
		switch string(key) {
		case "DataType":
			v.dataType, _ = readString(d)
		case "StringValue":
			v.text, v.hasText = d.String()
		case "BinaryValue":
			var text []byte
			if text, v.hasBytes = d.String(); v.hasBytes {
				v.binary, ok = decodeBase64(text)
			}
			if !ok {
				d.Fail(errBase64)
			}
		case "StringListValues", "BinaryListValues":
			v.lists = isNotEmptyList(d) || v.lists
		default:
			d.Skip()
		}
	}
}

var errBase64 = turnout.Errorf(turnout.CodeMalformedRequest, "A BinaryValue is not valid base64.")

func isNotEmptyList(d *awswire.JSONReader) (some bool) {
	if !d.Array() {
		return false
	}
	for d.Elem() {
		some = true
		d.Skip()
	}
	return some
}

func decodeBase64(text []byte) ([]byte, bool) {
	b, err := base64.StdEncoding.AppendDecode(make([]byte, 0, base64.StdEncoding.DecodedLen(len(text))), text)
	return b, err == nil
}

// readForm reads a message whose parameters begin with prefix, such as "" or SendMessageBatchRequestEntry.1. with its dot.
func (m *draft) readForm(f *awswire.Form, prefix string) (err error) {
	m.id, m.idGiven = f.Get(prefix + "Id")
	m.body, _ = f.Bytes(prefix + "MessageBody")
	m.groupID, m.groupGiven = f.Get(prefix + "MessageGroupId")
	m.dedupID, m.dedupGiven = f.Get(prefix + "MessageDeduplicationId")
	if text, ok := f.Get(prefix + "DelaySeconds"); ok && text != "" {
		if m.delay, err = awswire.ParseFormInt(text); err != nil {
			return err
		}
	}
	if err := formAttributes(f, prefix+"MessageAttribute", m.attributes.add); err != nil {
		return err
	}
	return formAttributes(f, prefix+"MessageSystemAttribute", m.system.addSystem)
}

// formAttributes reads message attributes flattened under prefix.
func formAttributes(f *awswire.Form, prefix string, add func(name string, v *attributeValue)) error {
	for _, element := range f.Names(prefix) {
		name, _ := f.Get(element + ".Name")
		var v attributeValue
		v.dataType, _ = f.Get(element + ".Value.DataType")
		v.text, v.hasText = f.Bytes(element + ".Value.StringValue")
		var text []byte
		if text, v.hasBytes = f.Bytes(element + ".Value.BinaryValue"); v.hasBytes {
			var ok bool
			if v.binary, ok = decodeBase64(text); !ok {
				return errBase64
			}
		}
		v.lists = len(f.Names(element+".Value.StringListValue")) > 0 || len(f.Names(element+".Value.BinaryListValue")) > 0
		add(name, &v)
	}
	return nil
}
