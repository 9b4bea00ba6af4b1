package cluster

import (
	"net"
	"testing"
	"time"

	"github.com/tollgate/tollgate/store"
)

// TestMedianOffset: the time that a new leader begins its term with.
func TestMedianOffset(t *testing.T) {
	const h, s, ms = time.Hour, time.Second, time.Millisecond
	for _, c := range []struct {
		name  string
		ahead []time.Duration // the others', and 0 for the leader's own
		want  time.Duration
	}{
		{"alone", []time.Duration{0}, 0},
		{"all agree", []time.Duration{3 * ms, 0, -900 * ms}, 0},
		{"the leader is far ahead", []time.Duration{-h, 0, -h + 20*ms}, -h + 20*ms},
		{"the leader is far behind", []time.Duration{h, 0, h + 20*ms}, h},
		{"another is far ahead", []time.Duration{h, 0, 5 * ms}, 0},
		{"another is far behind", []time.Duration{-h, 0, 5 * ms}, 0},
		{"one of two, the slower counts", []time.Duration{0, -2 * s}, -2 * s},
		{"one of two, the leader is slower", []time.Duration{0, 2 * s}, 0},
		{"five", []time.Duration{0, h, -h, 2 * s, 3 * s}, 2 * s},
	} {
		if got := medianOffset(c.ahead); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

// TestClocksOfAMajority: without the clocks of a majority, no offset is known: a
// leader that is cut off from them when its term begins must not stamp with its own.
func TestClocksOfAMajority(t *testing.T) {
	t.Parallel()
	c := testCluster(t)
	if offset, known := c.clockOffset(); offset != 0 || !known {
		t.Errorf("alone: %v %v", offset, known)
	}
	dead, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	dead.Close()
	// It cannot be committed without the new voter, but it counts at once.
	_ = c.store.Add(store.Server{ID: "n2", Address: dead.Addr().String(), Voter: true}, 0)
	if offset, known := c.clockOffset(); known {
		t.Errorf("with one clock of two: %v", offset)
	}
}
