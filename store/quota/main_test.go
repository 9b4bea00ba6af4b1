package quota

import (
	"flag"
	"os"
	"testing"
)

// TestMain has rapid try more than its usual hundred cases: they are cheap
// here, and this is the heart of the product.
func TestMain(m *testing.M) {
	flag.Parse()
	if f := flag.Lookup("rapid.checks"); f.Value.String() == f.DefValue {
		if err := f.Value.Set("5000"); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}

// condition is one of a number of calls in so many seconds.
func condition(endpoint string, limit uint64, seconds uint32) Condition {
	return Condition{Endpoint: endpoint, Max: limit, ResetSeconds: seconds}
}

// of is the counter of all calls of a rule.
func of(rule uint64) ID { return ID{Rule: rule} }

// take is n calls on counters of all calls.
func take(n uint32, rules ...uint64) Take {
	t := Take{N: n, Units: 1}
	for _, id := range rules {
		t.Items = append(t.Items, Item{ID: of(id)})
	}
	return t
}

// byIP is a condition by address, of so many calls a minute, in the domain.
func byIP(limit uint64) Condition {
	return Condition{Max: limit, ResetSeconds: 60, By: ByIP, MaxCallers: 3}
}
