package sns

import (
	"cmp"
	"encoding/base64"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/api/awswire"
)

const (
	attributeNameMax = 256 // bytes
	typeString       = "String"
	typeNumber       = "Number"
	typeBinary       = "Binary"
)

// readAttributes reads the message attributes below a prefix of the form,
// which is "" or that of a batch entry with its dot, sorted by name. member is
// the place of the entry as AWS's validation names it, with its dot.
func readAttributes(f *awswire.Form, prefix, member string) ([]turnout.MessageAttribute, error) {
	names := f.Names(prefix + "MessageAttributes.entry")
	if len(names) == 0 {
		return nil, nil
	}
	attributes := make([]turnout.MessageAttribute, 0, len(names))
	for _, at := range names {
		a, err := readAttribute(f, at, member)
		if err != nil {
			return nil, err
		}
		attributes = append(attributes, a)
	}
	slices.SortStableFunc(attributes, func(a, b turnout.MessageAttribute) int { return cmp.Compare(a.Name, b.Name) })
	for i := 1; i < len(attributes); i++ {
		if attributes[i].Name == attributes[i-1].Name {
			return nil, attributeValueInvalid("The message attribute name '%s' is given twice.", attributes[i].Name)
		}
	}
	return attributes, nil
}

// readAttribute reads and checks the attribute at one place of the form.
func readAttribute(f *awswire.Form, at, member string) (a turnout.MessageAttribute, err error) {
	var typed bool
	a.Name, _ = f.Get(at + ".Name")
	if err := checkAttributeName(a.Name); err != nil {
		return a, err
	}
	if a.Type, typed = f.Get(at + ".Value.DataType"); !typed {
		return a, constraint("null", member+"messageAttributes."+a.Name+".member.dataType", "Member must not be null")
	}
	base, suffix, suffixed := strings.Cut(a.Type, ".")
	if base != typeString && base != typeNumber && base != typeBinary || suffixed && suffix == "" {
		return a, attributeValueInvalid(
			"The message attribute '%s' has an invalid message attribute type, the set of supported type prefixes is Binary, Number, and String.", a.Name)
	}
	if a.Value, err = readValue(f, at, &a, base == typeBinary); err != nil {
		return a, err
	}
	switch {
	case len(a.Value) == 0:
		return a, emptyAttribute(&a)
	case base == typeNumber && !isNumber(string(a.Value)):
		return a, attributeValueInvalid("Could not cast message attribute '%s' value to number.", a.Name)
	}
	return a, nil
}

// readValue reads the value of an attribute from the field that is for its type.
func readValue(f *awswire.Form, at string, a *turnout.MessageAttribute, binary bool) ([]byte, error) {
	text, hasText := f.Bytes(at + ".Value.StringValue")
	encoded, hasBinary := f.Get(at + ".Value.BinaryValue")
	switch {
	case !hasText && !hasBinary:
		return nil, emptyAttribute(a)
	case binary && hasBinary:
		value, err := base64.StdEncoding.DecodeString(encoded)
		if err != nil {
			return nil, turnout.Errorf(turnout.CodeMalformedRequest, "The binary value of the message attribute '%s' is not valid base64.", a.Name)
		}
		return value, nil
	case !binary && hasText:
		return text, nil
	}
	field := typeString
	if binary {
		field = typeBinary
	}
	return nil, attributeValueInvalid("The message attribute '%s' with type '%s' must use field '%s'.", a.Name, a.Type, field)
}

func emptyAttribute(a *turnout.MessageAttribute) error {
	return attributeValueInvalid("The message attribute '%s' must contain non-empty message attribute value for message attribute type '%s'.", a.Name, a.Type)
}

func checkAttributeName(name string) error {
	switch {
	case name == "":
		return attributeValueInvalid("The request must contain non-empty message attribute names.")
	case len(name) > attributeNameMax:
		return attributeValueInvalid("Length of message attribute name must be less than 256 bytes.")
	case name[0] == '.':
		return attributeValueInvalid("Invalid message attribute name starting with character '.' was found.")
	case name[len(name)-1] == '.':
		return attributeValueInvalid("Invalid message attribute name ending with character '.' was found.")
	}
	for i, c := range name {
		switch {
		case c == '.' && name[i-1] == '.':
			return attributeValueInvalid("Message attribute name can not have successive '.' character.")
		case c > '~' || !isAlphanumeric(byte(c)) && c != '-' && c != '_' && c != '.': //nolint:gosec // ASCII when it is looked at
			return attributeValueInvalid("Invalid non-alphanumeric character '%s' was found in the message attribute name. "+
				"Can only include alphanumeric characters, hyphens, underscores, or dots.", fmt.Sprintf("#x%X", c))
		}
	}
	return nil
}

// isNumber reports whether s is a decimal number, with an exponent or without.
func isNumber(s string) bool {
	for _, c := range []byte(s) {
		if (c < '0' || c > '9') && c != '+' && c != '-' && c != '.' && c != 'e' && c != 'E' {
			return false // ParseFloat knows more: hexadecimal, infinity, underscores
		}
	}
	_, err := strconv.ParseFloat(s, 64)
	return err == nil
}

// attributesSize is what SNS counts of attributes: names, types and values.
func attributesSize(attributes []turnout.MessageAttribute) (n int) {
	for i := range attributes {
		a := &attributes[i]
		n += len(a.Name) + len(a.Type) + len(a.Value)
	}
	return n
}
