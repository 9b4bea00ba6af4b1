package proxy

import (
	"sync/atomic"
	"time"

	"github.com/tollgate/tollgate/proxy/callstats"
	"github.com/tollgate/tollgate/proxy/envelope"
)

// series is what is counted of the calls of one endpoint. Its numbers are plain
// atomics, which Prometheus reads when it asks: every call changes several.
type series struct {
	domain, endpoint string
	// stats counts them for statistics; nil: nobody keeps any.
	stats *callstats.Series

	// statuses counts answers, by class and then by the rest of the status. A
	// class is nil before it has occurred.
	statuses [6]atomic.Pointer[[100]atomic.Uint64]
	// refusals is by envelope.Place.
	refusals [envelope.MaxCodes]atomic.Uint64
	seconds  timing
	// in and out are bytes of bodies.
	in, out atomic.Uint64
	targets atomic.Pointer[[]*target]
}

// answered counts an answer.
func (s *series) answered(status int) { countStatus(&s.statuses, status) }

func countStatus(statuses *[6]atomic.Pointer[[100]atomic.Uint64], status int) {
	class := status / 100
	if class < 1 || class >= len(statuses) {
		return
	}
	counts := statuses[class].Load()
	if counts == nil {
		statuses[class].CompareAndSwap(nil, new([100]atomic.Uint64))
		counts = statuses[class].Load()
	}
	counts[status%100].Add(1)
}

// refused counts a refusal by the gateway.
func (s *series) refused(code int) {
	if i, ok := envelope.Place(code); ok {
		s.refusals[i].Add(1)
	}
}

// ended counts what is known at the end of an answer.
func (s *series) ended(took time.Duration, in, out int64) {
	s.seconds.observe(took)
	if in > 0 {
		s.in.Add(uint64(in))
	}
	if out > 0 {
		s.out.Add(uint64(out))
	}
}

// target is an endpoint server as the calls of one endpoint have seen it.
type target struct {
	name     string
	statuses [6]atomic.Pointer[[100]atomic.Uint64]
	// failed is by the place of the code that was answered instead.
	failed [envelope.MaxCodes]atomic.Uint64
}

// maxTargets bounds the targets of one endpoint that are told apart.
const maxTargets = 256

// called counts a call of an endpoint server; code is that of the refusal where
// no answer came that could be passed on, or 0.
func (s *series) called(name string, status, code int) {
	t := s.target(name)
	if t == nil {
		return
	}
	if i, ok := envelope.Place(code); ok {
		t.failed[i].Add(1)
		return
	}
	countStatus(&t.statuses, status)
}

// target finds one by its name, or makes it; nil: there are too many.
func (s *series) target(name string) *target {
	for {
		had := s.targets.Load()
		var list []*target
		if had != nil {
			list = *had
		}
		for _, t := range list {
			if t.name == name {
				return t
			}
		}
		if len(list) == maxTargets {
			return nil
		}
		t := &target{name: name}
		next := append(append([]*target(nil), list...), t)
		if s.targets.CompareAndSwap(had, &next) {
			return t
		}
	}
}

// timing is a histogram of times.
type timing struct {
	// buckets are by the places of upstreamBuckets, the last is beyond those.
	buckets [maxBuckets]atomic.Uint64
	nanos   atomic.Int64
}

// maxBuckets is at least one more than there are bounds.
const maxBuckets = 16

// bounds are upstreamBuckets as times.
var bounds = func() (b []time.Duration) {
	for _, seconds := range upstreamBuckets {
		b = append(b, time.Duration(seconds*float64(time.Second)))
	}
	return b
}()

func (t *timing) observe(took time.Duration) {
	i := 0
	for i < len(bounds) && took > bounds[i] {
		i++
	}
	t.buckets[i].Add(1)
	t.nanos.Add(int64(took))
}

// read returns what a Prometheus histogram consists of.
func (t *timing) read() (count uint64, sum float64, cumulative map[float64]uint64) {
	cumulative = make(map[float64]uint64, len(upstreamBuckets))
	for i := range len(upstreamBuckets) + 1 {
		count += t.buckets[i].Load()
		if i < len(upstreamBuckets) {
			cumulative[upstreamBuckets[i]] = count
		}
	}
	return count, time.Duration(t.nanos.Load()).Seconds(), cumulative
}
