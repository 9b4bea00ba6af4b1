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
