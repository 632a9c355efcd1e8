package catalog

import (
	"fmt"
	"strings"

	"github.com/seed567880c8/turnout"
)

// The keys. Names are joined by NUL, which none of them may contain.
//
//	'c' 'b' account region bus             → busRecord
//	'c' 'm'                                → metaRecord
//	'c' 'r' account region bus rule        → ruleRecord
//	'c' 't' account region bus rule target → targetRecord
//
// In this order a scan meets a bus before its rules and a rule before its targets.
const (
	prefix     = 'c'
	kindBus    = 'b'
	kindMeta   = 'm'
	kindRule   = 'r'
	kindTarget = 't'

	separator = 0
)

// parts is how many names follow a kind.
func parts(kind byte) (n int, known bool) {
	switch kind {
	case kindBus:
		return 3, true
	case kindMeta:
		return 0, true
	case kindRule:
		return 4, true
	case kindTarget:
		return 5, true
	}
	return 0, false
}

func appendKey(dst []byte, kind byte, names ...string) []byte {
	dst = append(dst, prefix, kind)
	for i, name := range names {
		if i > 0 {
			dst = append(dst, separator)
		}
		dst = append(dst, name...)
	}
	return dst
}

func busKey(b turnout.BusName) []byte {
	return appendKey(nil, kindBus, b.Account, b.Region, b.Name)
}

func ruleKey(r turnout.RuleName) []byte {
	return appendKey(nil, kindRule, r.Bus.Account, r.Bus.Region, r.Bus.Name, r.Name)
}

func targetKey(r turnout.RuleName, id string) []byte {
	return appendKey(nil, kindTarget, r.Bus.Account, r.Bus.Region, r.Bus.Name, r.Name, id)
}

// splitKey returns the kind of a key and the names in it.
func splitKey(key []byte) (kind byte, names []string, err error) {
	if len(key) < 2 || key[0] != prefix {
		return 0, nil, fmt.Errorf("catalog: key %q has an unknown form", key)
	}
	want, known := parts(key[1])
	if want > 0 {
		names = strings.Split(string(key[2:]), string(rune(separator)))
	}
	if !known || len(names) != want || want == 0 && len(key) != 2 {
		return 0, nil, fmt.Errorf("catalog: key %q has an unknown form", key)
	}
	return key[1], names, nil
}

func busOf(names []string) turnout.BusName {
	return turnout.BusName{Scope: turnout.Scope{Account: names[0], Region: names[1]}, Name: names[2]}
}

func ruleOf(names []string) turnout.RuleName {
	return turnout.RuleName{Bus: busOf(names), Name: names[3]}
}

// ValidName reports whether s can be part of a key: it is not empty and holds
// no NUL. The APIs allow much less.
func ValidName(s string) bool { return s != "" && strings.IndexByte(s, separator) < 0 }
