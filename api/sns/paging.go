package sns

import (
	"cmp"
	"encoding/base64"
	"slices"
	"strings"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/api/awswire"
)

// pageMax is how many topics or subscriptions AWS lists at once.
const pageMax = 100

// An order is how a list of one scope is cut into pages. A token names the
// last element shown, so that a list may change between two pages.
type order[T any] struct {
	compare func(a, b T) int
	token   func(T) string
	parse   func(token string) (T, bool)
}

func topicOrder(scope turnout.Scope) order[turnout.TopicName] {
	return order[turnout.TopicName]{
		compare: func(a, b turnout.TopicName) int { return strings.Compare(a.Name, b.Name) },
		token:   func(t turnout.TopicName) string { return t.Name },
		parse: func(token string) (turnout.TopicName, bool) {
			return turnout.TopicName{Scope: scope, Name: token}, token != ""
		},
	}
}

func subscriptionOrder() order[turnout.Subscription] {
	return order[turnout.Subscription]{
		compare: func(a, b turnout.Subscription) int {
			return cmp.Or(strings.Compare(a.Topic.Name, b.Topic.Name), strings.Compare(a.ID, b.ID))
		},
		token: func(s turnout.Subscription) string { return s.ARN() },
		parse: func(token string) (turnout.Subscription, bool) {
			name, ok := turnout.ParseSubscriptionARN(token)
			return turnout.Subscription{SubscriptionName: name}, ok
		},
	}
}

// page returns the part of list that NextToken asks for, and the token of the
// next part, "" behind the last.
func page[T any](r *awswire.Request, list []T, by order[T]) (part []T, next string, err error) {
	if !slices.IsSortedFunc(list, by.compare) {
		list = slices.Clone(list)
		slices.SortFunc(list, by.compare)
	}
	if token, _ := r.Form.Get("NextToken"); token != "" {
		text, err := base64.URLEncoding.DecodeString(token)
		last, ok := by.parse(string(text))
		if err != nil || !ok {
			return nil, "", invalid("NextToken")
		}
		i, found := slices.BinarySearchFunc(list, last, by.compare)
		if found {
			i++
		}
		list = list[i:]
	}
	if len(list) <= pageMax {
		return list, "", nil
	}
	part = list[:pageMax]
	return part, base64.URLEncoding.EncodeToString([]byte(by.token(part[pageMax-1]))), nil
}
