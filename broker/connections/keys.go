package connections

import (
	"fmt"
	"strings"

	"github.com/seed567880c8/turnout"
)

// The keys. Names are joined by NUL, which none of them may contain.
//
//	'n' 'c' account region name → connectionRecord
//	'n' 'd' account region name → destinationRecord
//	'n' 's' account region name → secretsRecord of the connection, sealed
//
// In this order a scan meets a connection before its secrets.
const (
	prefix          = 'n'
	kindConnection  = 'c'
	kindDestination = 'd'
	kindSecrets     = 's'

	separator = 0
)

func key(kind byte, scope turnout.Scope, name string) []byte {
	k := make([]byte, 0, 4+len(scope.Account)+len(scope.Region)+len(name))
	k = append(k, prefix, kind)
	k = append(append(k, scope.Account...), separator)
	k = append(append(k, scope.Region...), separator)
	return append(k, name...)
}

func connectionKey(n turnout.ConnectionName) []byte { return key(kindConnection, n.Scope, n.Name) }

func destinationKey(n turnout.APIDestinationName) []byte {
	return key(kindDestination, n.Scope, n.Name)
}

func secretsKey(n turnout.ConnectionName) []byte { return key(kindSecrets, n.Scope, n.Name) }

// splitKey returns the kind of a key and what it names.
func splitKey(k []byte) (kind byte, scope turnout.Scope, name string, err error) {
	if len(k) > 2 && k[0] == prefix {
		names := strings.Split(string(k[2:]), string(rune(separator)))
		if len(names) == 3 && (k[1] == kindConnection || k[1] == kindDestination || k[1] == kindSecrets) {
			return k[1], turnout.Scope{Account: names[0], Region: names[1]}, names[2], nil
		}
	}
	return 0, turnout.Scope{}, "", fmt.Errorf("key %q has an unknown form", k)
}

// validName reports whether a name can be part of a key and of an ARN. The API
// allows less.
func validName(scope turnout.Scope, name string) bool {
	for _, s := range []string{scope.Account, scope.Region, name} {
		if s == "" || strings.ContainsAny(s, "\x00/:") {
			return false
		}
	}
	return true
}
