//go:build !race

package hmacsign

import (
	"testing"
	"time"
)

// Not under the race detector, where a sync.Pool throws away every fourth thing
// it is given, on purpose.
func TestVerifyDoesNotAllocate(t *testing.T) {
	v := New(secret, time.Minute)
	target, timestamp := []byte(target), []byte(timestamp)
	for authorization, want := range map[string]Reason{
		signature: OK, "AAAA" + signature[4:]: Invalid, "short": Invalid, signature[:26] + "Z=": Invalid, "": AuthorizationEmpty,
	} {
		sent := []byte(authorization)
		allocs := testing.AllocsPerRun(1000, func() {
			if got := v.Verify("GET", target, timestamp, sent, instant); got != want {
				t.Errorf("%q: %v, want %v", authorization, got, want)
			}
		})
		if allocs != 0 {
			t.Errorf("%q: %v allocations", authorization, allocs)
		}
	}
}
