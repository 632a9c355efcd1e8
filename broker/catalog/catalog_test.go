package catalog_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/broker/catalog"
	"github.com/seed567880c8/turnout/internal/partition"
	"github.com/seed567880c8/turnout/internal/store"
	"github.com/seed567880c8/turnout/internal/store/pebblestore"
)

var (
	epoch    = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	scope    = turnout.Scope{Account: "000000000000", Region: "us-east-1"}
	orders   = turnout.BusName{Scope: scope, Name: "orders"}
	standard = turnout.BusName{Scope: scope, Name: turnout.DefaultBus}
)

// harness is a catalog over a store, driven batch by batch as the loop drives it.
type harness struct {
	t       require.TestingT
	fs      *pebblestore.Memory
	store   store.Store
	catalog *catalog.Catalog
}

func newHarness(t require.TestingT) *harness {
	h := &harness{t: t, fs: pebblestore.NewMemory()}
	h.open()
	return h
}

func (h *harness) open() {
	s, err := pebblestore.Open(pebblestore.Config{Dir: "data", FS: h.fs})
	require.NoError(h.t, err)
	h.store = s
	h.catalog, err = catalog.Load(s, epoch.Add(time.Hour))
	require.NoError(h.t, err)
}

func (h *harness) crash() {
	clone := h.fs.PowerLoss(0, nil)
	h.close()
	h.fs = clone
	h.open()
}

func (h *harness) close() { require.NoError(h.t, h.store.Close()) }

func (h *harness) batch(f func(tx *partition.Tx)) {
	tx := &partition.Tx{Now: epoch, Batch: h.store.NewBatch()}
	f(tx)
	if !tx.Batch.Empty() {
		require.NoError(h.t, h.store.Commit(tx.Batch))
	}
	require.NoError(h.t, tx.Batch.Close())
}

func (h *harness) putRule(r turnout.Rule) {
	compiled, err := catalog.NewRule(r, h.catalog.Rule(r.RuleName))
	require.NoError(h.t, err)
	h.batch(func(tx *partition.Tx) { h.catalog.PutRule(tx, compiled) })
}

func (h *harness) putTargets(name turnout.RuleName, targets ...turnout.Target) {
	compiled := make([]*catalog.Target, len(targets))
	for i, t := range targets {
		var err error
		compiled[i], err = catalog.NewTarget(t)
		require.NoError(h.t, err)
	}
	h.batch(func(tx *partition.Tx) { h.catalog.PutTargets(tx, name, compiled) })
}

// matched returns the names of the rules that match an event, in order.
func (h *harness) matched(bus turnout.BusName, event string) []string {
	v := h.catalog.View(bus)
	if v == nil {
		return nil
	}
	found, _, err := v.Match(nil, nil, []byte(event))
	require.NoError(h.t, err)
	names := make([]string, len(found))
	for i, r := range found {
		names[i] = r.Name
	}
	slices.Sort(names)
	return names
}

func (h *harness) compact() {
	for todo := h.catalog.View(orders).Compaction(1 << 20); todo != nil; todo = h.catalog.View(orders).Compaction(1 << 20) {
		todo.Do()
		h.catalog.Install(todo)
	}
}

func rule(bus turnout.BusName, name, pattern string) turnout.Rule {
	return turnout.Rule{RuleName: turnout.RuleName{Bus: bus, Name: name}, Pattern: pattern, State: turnout.RuleEnabled}
}

func queueTarget(id, queue string) turnout.Target {
	return turnout.Target{ID: id, ARN: turnout.QueueName{Scope: scope, Name: queue}.ARN()}
}

func TestEverySettingSurvivesARestart(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	defer func() { h.close() }()
	bus := turnout.Bus{
		BusName: orders, Description: "<orders> & more", Policy: `{"Version":"2012-10-17"}`, KMSKeyID: "alias/key",
		DeadLetterARN: turnout.QueueName{Scope: scope, Name: "bus-dlq"}.ARN(), LogConfig: json.RawMessage(`{"Level":"OFF"}`),
		Tags: map[string]string{"team": "a<b"}, CreatedAt: epoch, ModifiedAt: epoch.Add(time.Millisecond),
	}
	r := rule(orders, "big", `{"detail":{"total":[{"numeric":[">",100]}]}}`)
	r.State, r.Description, r.RoleARN, r.CreatedBy = turnout.RuleEnabledAllCloudTrail, "large", "arn:aws:iam::1:role/x", "000000000000"
	r.ManagedBy, r.Tags = "archive", map[string]string{"k": ""}
	target := queueTarget("t1", "big")
	target.RoleARN, target.MessageGroupID = "arn:aws:iam::1:role/y", "group"
	target.DeadLetterARN = turnout.QueueName{Scope: scope, Name: "dlq"}.ARN()
	target.Retry = &turnout.RetryPolicy{MaximumRetryAttempts: new(0), MaximumEventAge: new(90 * time.Second)}
	target.Other = json.RawMessage(`{"HttpParameters":{"HeaderParameters":{"a":"<&>"}}}`)
	constant, path, template := queueTarget("constant", "q"), queueTarget("path", "q"), queueTarget("template", "q")
	constant.Input = new(`{"a":1}`)
	path.InputPath = new("$.detail")
	template.InputTransformer = &turnout.InputTransformer{Paths: map[string]string{"n": "$.detail.n"}, Template: `{"n":<n>}`}

	h.batch(func(tx *partition.Tx) { h.catalog.PutBus(tx, bus) })
	h.putRule(r)
	h.putTargets(r.RuleName, target, constant, path, template)
	h.crash()

	got, ok := h.catalog.Bus(orders)
	require.True(t, ok)
	require.Equal(t, bus, got)
	require.Equal(t, "bus-dlq", h.catalog.View(orders).DeadLetter.Name)
	compiled := h.catalog.Rule(r.RuleName)
	r.CreatedAt = epoch
	require.Equal(t, r, compiled.Rule)
	targets := make([]turnout.Target, len(compiled.Targets))
	for i := range targets {
		targets[i] = compiled.Targets[i].Target
		require.EqualValues(t, i+1, compiled.Targets[i].Number)
	}
	require.Equal(t, []turnout.Target{target, constant, path, template}, targets, "targets come in the order of their first put")
	require.Equal(t, "dlq", compiled.Targets[0].DeadLetter.Name)
	require.Equal(t, []string{"big"}, h.matched(orders, `{"detail":{"total":101}}`))
	require.Empty(t, h.matched(orders, `{"detail":{"total":100}}`))

	h.batch(func(tx *partition.Tx) { h.catalog.RemoveTargets(tx, r.RuleName, []string{"template"}) })
	h.crash()
	h.putTargets(r.RuleName, template, queueTarget("constant", "elsewhere"), target)
	numbers := map[string]uint64{}
	for _, n := range h.catalog.Rule(r.RuleName).Targets {
		numbers[n.ID] = n.Number
	}
	require.Equal(t, map[string]uint64{"t1": 1, "constant": 6, "path": 3, "template": 5}, numbers,
		"a number stays with a target that goes to the same receiver and is not given again")
}

func TestTheDefaultBusExistsInEveryScope(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	defer func() { h.close() }()
	other := turnout.Scope{Account: "111111111111", Region: "eu-west-1"}
	for _, s := range []turnout.Scope{scope, other} {
		b, ok := h.catalog.Bus(turnout.BusName{Scope: s, Name: turnout.DefaultBus})
		require.True(t, ok)
		require.Equal(t, epoch.Add(time.Hour), b.CreatedAt)
		require.Len(t, h.catalog.Buses(s), 1)
	}
	h.putRule(rule(standard, "r", `{"source":["a"]}`))
	b, _ := h.catalog.Bus(standard)
	b.Tags = map[string]string{"k": "v"}
	h.batch(func(tx *partition.Tx) { h.catalog.PutBus(tx, b) })
	h.crash()
	b, _ = h.catalog.Bus(standard)
	require.Equal(t, map[string]string{"k": "v"}, b.Tags, "what is set on the default bus is kept")
	require.Equal(t, []string{"r"}, h.matched(standard, `{"source":"a"}`))
	require.Len(t, h.catalog.Buses(scope), 1)
	h.batch(func(tx *partition.Tx) { h.catalog.Reset(tx) })
	h.crash()
	require.Empty(t, h.matched(standard, `{"source":"a"}`), "a reset removes everything")
}

func TestAChangeGivesTheBusANewVersion(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	defer func() { h.close() }()
	versions := map[uint64]bool{}
	changed := func(what string) {
		v := h.catalog.Current(orders).Version()
		require.False(t, versions[v], "%s: version %d was there before", what, v)
		versions[v] = true
	}
	changed("no bus")
	h.batch(func(tx *partition.Tx) { h.catalog.PutBus(tx, turnout.Bus{BusName: orders}) })
	changed("create bus")
	r := rule(orders, "r", `{"source":["a"]}`)
	h.putRule(r)
	changed("put rule")
	h.putTargets(r.RuleName, queueTarget("1", "a"), queueTarget("2", "b"))
	changed("put targets")
	r.State = turnout.RuleDisabled
	h.putRule(r)
	changed("disable rule")
	require.Empty(t, h.matched(orders, `{"source":"a"}`), "a disabled rule matches nothing")
	require.Len(t, h.catalog.Rule(r.RuleName).Targets, 2, "a rule keeps its targets when it is put again")
	r.State = turnout.RuleEnabled
	r.Pattern = `{"source":["b"]}`
	h.putRule(r)
	changed("change pattern")
	require.Empty(t, h.matched(orders, `{"source":"a"}`))
	require.Equal(t, []string{"r"}, h.matched(orders, `{"source":"b"}`))
	h.batch(func(tx *partition.Tx) { h.catalog.RemoveTargets(tx, r.RuleName, []string{"1", "2", "none"}) })
	changed("remove targets")
	before := h.catalog.Current(orders).Version()
	h.compact()
	require.Equal(t, before, h.catalog.Current(orders).Version(), "a compaction changes nothing that matters")
	h.batch(func(tx *partition.Tx) { h.catalog.DeleteRule(tx, r.RuleName) })
	changed("delete rule")
	h.batch(func(tx *partition.Tx) { h.catalog.DeleteBus(tx, orders) })
	require.Zero(t, h.catalog.Current(orders).Version())
	h.batch(func(tx *partition.Tx) { h.catalog.PutBus(tx, turnout.Bus{BusName: orders}) })
	changed("create the bus again")
	h.crash()
	require.Empty(t, h.catalog.Rules(orders), "what was deleted stays deleted")
}

func TestAReplacedTargetKeepsItsPlace(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	defer func() { h.close() }()
	r := rule(standard, "r", `{"source":["a"]}`)
	h.putRule(r)
	h.putTargets(r.RuleName, queueTarget("b", "1"), queueTarget("a", "2"))
	h.putTargets(r.RuleName, queueTarget("c", "3"), queueTarget("b", "4"))
	h.batch(func(tx *partition.Tx) { h.catalog.RemoveTargets(tx, r.RuleName, []string{"a"}) })
	h.putTargets(r.RuleName, queueTarget("a", "5"))
	for range 2 {
		var got []string
		for _, target := range h.catalog.Rule(r.RuleName).Targets {
			got = append(got, target.ID+target.Queue.Name)
		}
		require.Equal(t, []string{"b4", "c3", "a5"}, got)
		h.crash()
	}
}

func TestLoadRefusesWhatItDoesNotUnderstand(t *testing.T) {
	t.Parallel()
	busKey := "cb000000000000\x00us-east-1\x00orders"
	for name, records := range map[string][][2]string{
		"an unknown kind":        {{"cz", "{}"}},
		"too few names":          {{"cbx", `{"v":1}`}},
		"a key that is too long": {{"cmx", `{"v":1}`}},
		"a newer version":        {{busKey, `{"v":2}`}},
		"a damaged record":       {{busKey, `{"v":1,`}},
		"a wrong type":           {{busKey, `{"v":1,"tags":3}`}},
		"a rule without a bus":   {{"cr000000000000\x00us-east-1\x00orders\x00r", `{"v":1}`}},
		"a target without a rule": {
			{busKey, `{"v":1}`}, {"ct000000000000\x00us-east-1\x00orders\x00r\x00t", `{"v":1}`},
		},
		"a pattern that is none": {
			{busKey, `{"v":1}`}, {"cr000000000000\x00us-east-1\x00orders\x00r", `{"v":1,"pattern":"{}"}`},
		},
		"a target that is none": {
			{busKey, `{"v":1}`},
			{"cr000000000000\x00us-east-1\x00orders\x00r", `{"v":1}`},
			{"ct000000000000\x00us-east-1\x00orders\x00r\x00t", `{"v":1,"arn":"x"}`},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHarness(t)
			defer func() { h.close() }()
			h.batch(func(tx *partition.Tx) {
				for _, r := range records {
					tx.Batch.Set([]byte(r[0]), []byte(r[1]))
				}
			})
			_, err := catalog.Load(h.store, epoch)
			require.ErrorContains(t, err, "catalog: ")
		})
	}
}

func TestNewRuleReportsAPatternAsAWSDoes(t *testing.T) {
	t.Parallel()
	_, err := catalog.NewRule(rule(orders, "r", `{"source":"a"}`), nil)
	require.ErrorContains(t, err, `Event pattern is not valid. Reason: "source" must be an object or an array`)
}

// TestCatalogModel changes the rules of a bus at random and compares what
// matches with a list of rules tried one by one.
func TestCatalogModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		h := newHarness(rt)
		defer func() { h.close() }()
		h.batch(func(tx *partition.Tx) { h.catalog.PutBus(tx, turnout.Bus{BusName: orders}) })
		want := map[string]turnout.Rule{}
		var pending []*catalog.Compaction
		for range rapid.IntRange(1, 60).Draw(rt, "changes") {
			name := fmt.Sprint("r", rapid.IntRange(0, 30).Draw(rt, "rule"))
			switch rapid.IntRange(0, 9).Draw(rt, "action") {
			case 0, 1, 2, 3, 4:
				r := rule(orders, name, fmt.Sprintf(`{"source":["s%d"]}`, rapid.IntRange(0, 3).Draw(rt, "source")))
				r.Description = fmt.Sprint(rapid.IntRange(0, 9).Draw(rt, "description"))
				if rapid.Bool().Draw(rt, "disabled") {
					r.State = turnout.RuleDisabled
				}
				h.putRule(r)
				r.CreatedAt = epoch
				want[name] = r
			case 5, 6:
				if r, ok := want[name]; ok {
					h.batch(func(tx *partition.Tx) { h.catalog.DeleteRule(tx, r.RuleName) })
					delete(want, name)
				}
			case 7: // a compaction that takes a while
				if todo := h.catalog.View(orders).Compaction(rapid.IntRange(1, 40).Draw(rt, "size")); todo != nil {
					todo.Do()
					pending = append(pending, todo)
				}
			case 8:
				if todo := h.catalog.View(orders).Merge(); todo != nil {
					todo.Do()
					pending = append(pending, todo)
				}
				for _, todo := range pending {
					h.catalog.Install(todo)
				}
				pending = nil
			case 9:
				h.crash()
				pending = nil
			}
			check(rt, h, want)
		}
	})
}

func check(rt *rapid.T, h *harness, want map[string]turnout.Rule) {
	for s := range 4 {
		var names []string
		for name, r := range want {
			if r.State == turnout.RuleEnabled && strings.Contains(r.Pattern, fmt.Sprint("s", s)) {
				names = append(names, name)
			}
		}
		slices.Sort(names)
		require.ElementsMatch(rt, names, h.matched(orders, fmt.Sprintf(`{"source":"s%d"}`, s)))
	}
	got := map[string]turnout.Rule{}
	for _, r := range h.catalog.Rules(orders) {
		got[r.Name] = r.Rule
	}
	require.Equal(rt, want, got)
}

func TestLayersStayFew(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	defer func() { h.close() }()
	h.batch(func(tx *partition.Tx) { h.catalog.PutBus(tx, turnout.Bus{BusName: orders}) })
	most := 0
	for i := range 1000 {
		h.putRule(rule(orders, fmt.Sprint(i), fmt.Sprintf(`{"source":["s%d"]}`, i)))
		h.compact()
		if i < 64 {
			require.Equal(t, 1, h.catalog.View(orders).LayerCount(), "a small bus is in one layer")
		}
		most = max(most, h.catalog.View(orders).LayerCount())
	}
	require.LessOrEqual(t, most, 5, "layers grow with the logarithm of the rules")
	for i := range 990 {
		name := turnout.RuleName{Bus: orders, Name: fmt.Sprint(i)}
		h.batch(func(tx *partition.Tx) { h.catalog.DeleteRule(tx, name) })
		h.compact()
	}
	require.LessOrEqual(t, h.catalog.View(orders).RuleCount(), 10+65, "deleted rules are forgotten")
	todo := h.catalog.View(orders).Merge()
	todo.Do()
	h.catalog.Install(todo)
	require.Equal(t, 1, h.catalog.View(orders).LayerCount())
	require.Equal(t, 10, h.catalog.View(orders).RuleCount())
	require.Nil(t, h.catalog.View(orders).Merge())
}

// BenchmarkPutRule measures what a change costs on a bus with many rules:
// compiling the rule, and the loop's part.
func BenchmarkPutRule(b *testing.B) {
	for _, n := range []int{10, 10_000} {
		b.Run(fmt.Sprintf("rules=%d", n), func(b *testing.B) {
			h := newHarness(b)
			defer func() { h.close() }()
			h.batch(func(tx *partition.Tx) {
				h.catalog.PutBus(tx, turnout.Bus{BusName: orders})
				for i := range n {
					r, err := catalog.NewRule(rule(orders, fmt.Sprint(i), fmt.Sprintf(`{"source":["s%d"],"detail":{"n":[{"numeric":[">",%d]}]}}`, i%10, i)), nil)
					require.NoError(b, err)
					h.catalog.PutRule(tx, r)
				}
			})
			todo := h.catalog.View(orders).Merge()
			todo.Do()
			h.catalog.Install(todo)
			tx := &partition.Tx{Now: epoch, Batch: h.store.NewBatch()}
			b.ReportAllocs()
			var loop time.Duration
			i := 0
			for b.Loop() {
				i++
				r := rule(orders, fmt.Sprint(i%n), fmt.Sprintf(`{"source":["s%d"]}`, i))
				compiled, err := catalog.NewRule(r, h.catalog.Rule(r.RuleName))
				require.NoError(b, err)
				began := time.Now()
				h.catalog.PutRule(tx, compiled)
				loop += time.Since(began)
				if todo := h.catalog.View(orders).Compaction(1024); todo != nil {
					todo.Do()
					h.catalog.Install(todo)
				}
			}
			b.ReportMetric(float64(loop.Nanoseconds())/float64(b.N), "loop-ns/op")
			require.NoError(b, tx.Batch.Close())
		})
	}
}

func FuzzSplitKey(f *testing.F) {
	f.Add([]byte("cm"))
	f.Add([]byte("cb1\x002\x003"))
	f.Add([]byte("ct1\x002\x003\x004\x005"))
	f.Fuzz(func(t *testing.T, key []byte) {
		kind, names, err := catalog.SplitKey(key)
		if err == nil {
			require.Equal(t, string(key), string(catalog.AppendKey(nil, kind, names...)), "a key is what its parts make")
		}
	})
}
