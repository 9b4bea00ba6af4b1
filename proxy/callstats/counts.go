package callstats

import (
	"cmp"
	"math"
	"time"
)

// Counts is what is kept of the calls of one series in some time. Two of them add up.
type Counts struct {
	// Successes are answers with a status below 400, Failures the others.
	// ByGateway are those of both that no endpoint server has given.
	Successes, Failures, ByGateway uint64
	// Micros is the time of all calls together, in µs; BytesOut is bytes of the
	// bodies of their answers.
	Micros, BytesOut uint64
	// Refusals is by result code, Times by bucket: in ascending order, and none of
	// them is 0.
	Refusals, Times []Count
}

// Count is how many there are of a result code or of a bucket.
type Count struct {
	Of uint32
	N  uint64
}

// Total is how many calls there were.
func (c *Counts) Total() uint64 { return c.Successes + c.Failures }

// Empty tells whether there is nothing to be kept.
func (c *Counts) Empty() bool {
	return c.Successes|c.Failures|c.ByGateway|c.Micros|c.BytesOut == 0 && len(c.Refusals)+len(c.Times) == 0
}

// Add adds the other's calls. The lists of the other stay its own.
func (c *Counts) Add(other *Counts) {
	c.Successes += other.Successes
	c.Failures += other.Failures
	c.ByGateway += other.ByGateway
	c.Micros += other.Micros
	c.BytesOut += other.BytesOut
	c.Refusals = merge(c.Refusals, other.Refusals)
	c.Times = merge(c.Times, other.Times)
}

// merge is the sum of two lists in ascending order, in a list of its own.
func merge(a, b []Count) []Count {
	if len(b) == 0 {
		return a
	}
	sum := make([]Count, 0, len(a)+len(b))
	for len(a) > 0 && len(b) > 0 {
		switch cmp.Compare(a[0].Of, b[0].Of) {
		case -1:
			sum, a = append(sum, a[0]), a[1:]
		case 1:
			sum, b = append(sum, b[0]), b[1:]
		default:
			sum = append(sum, Count{a[0].Of, a[0].N + b[0].N})
			a, b = a[1:], b[1:]
		}
	}
	return append(append(sum, a...), b...)
}

// Mean is how long a call took on average; 0 without calls.
func (c *Counts) Mean() time.Duration {
	if c.Total() == 0 {
		return 0
	}
	return time.Duration(float64(c.Micros) / float64(c.Total()) * float64(time.Microsecond))
}

// Quantile is the time that the part q of the calls, 0 to 1, took at most: the middle
// of the bucket of that call, at most 1/32 off. It is 0 without calls.
func (c *Counts) Quantile(q float64) time.Duration {
	var n uint64
	for _, b := range c.Times {
		n += b.N
	}
	rank := uint64(math.Ceil(q * float64(n)))
	for _, b := range c.Times {
		if b.N >= rank {
			return middle(int(b.Of))
		}
		rank -= b.N
	}
	return 0
}
