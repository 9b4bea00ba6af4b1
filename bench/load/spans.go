package load

import (
	"slices"
	"time"
)

// overAnchored is by how much a burst goes past what windows can admit that
// follow one another from b.opened on: before the n-th of them is over, n × limit.
// Where the burst is of one window, that is exact; where it is of several, it is
// what remains certain, together with overSliding.
func overAnchored(b *burst, limit uint64, window time.Duration) (over uint64) {
	ends := make([]time.Duration, len(b.calls))
	for i := range b.calls {
		ends[i] = b.calls[i].End
	}
	slices.Sort(ends)
	before := 0 // how many of ends lie before the end of the n-th window
	for n := uint64(1); before < len(ends); n++ {
		end := surely(b.opened, time.Duration(n)*window)
		if n == 1 && b.ended < end {
			return above(uint64(len(ends)), limit)
		}
		for before < len(ends) && ends[before] < end {
			before++
		}
		over = max(over, above(uint64(before), n*limit))
	}
	return max(over, overSliding(b.calls, ends, limit, window))
}

// overSliding is by how much admissions go past what windows can admit, wherever
// those lie: a span shorter than n windows touches at most n + 1. calls are
// sorted by Begin, ends are theirs, sorted.
func overSliding(calls []Call, ends []time.Duration, limit uint64, window time.Duration) (over uint64) {
	for n := uint64(1); n <= 2; n++ {
		before := 0 // how many were over before the span was
		for began := range calls {
			end := surely(calls[began].Begin, time.Duration(n)*window)
			for before < len(ends) && ends[before] < end {
				before++
			}
			// Of those, as many at most as were begun before the span was.
			over = max(over, above(uint64(max(before-began, 0)), (n+1)*limit))
		}
	}
	return over
}
