// Package callstats counts calls for statistics: what happened to them, how long they
// took and what they carried, by domain and endpoint, until somebody takes it.
package callstats

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/tollgate/tollgate/proxy/envelope"
)

// Other is the endpoint of what is not told apart by endpoint.
const Other = "other"

// maxEndpoint bounds an endpoint's name in bytes. Calls of one that is longer count as
// Other: names are kept with each minute.
const maxEndpoint = 8 << 10

// Recorder has the series that are counted now. All methods may be called at any time
// from any goroutine, and those of a nil one do nothing.
type Recorder struct {
	mu sync.Mutex
	// live has the series that may have calls; the value tells whether the series
	// is retired.
	live map[*Series]bool
}

// New is a Recorder without series.
func New() *Recorder { return &Recorder{live: map[*Series]bool{}} }

// Outcome is what is counted of one call.
type Outcome struct {
	// Status is that of the answer, Code the result code of a refusal or 0.
	Status, Code int
	// ByGateway: no endpoint server has given the answer.
	ByGateway bool
	// Took is the time of the whole call, BytesOut is bytes of its answer's body.
	Took     time.Duration
	BytesOut int64
}

// Series counts the calls of one endpoint since they were last taken. A nil one counts
// nothing.
type Series struct {
	recorder         *Recorder
	domain, endpoint string

	successes, failures, byGateway atomic.Uint64
	micros, bytesOut               atomic.Uint64
	// refusals is by envelope.Place.
	refusals [envelope.MaxCodes]atomic.Uint32
	// times has the buckets by octave; one is nil before it has a time.
	times [octaves]atomic.Pointer[[perOctave]atomic.Uint32]
	// dropped: the recorder does not look here any more.
	dropped atomic.Bool
}

// Series begins a series. An endpoint is METHOD /pattern, or empty for the calls of a
// domain without one.
func (r *Recorder) Series(domain, endpoint string) *Series {
	if r == nil {
		return nil
	}
	if len(endpoint) > maxEndpoint {
		endpoint = Other
	}
	s := &Series{recorder: r, domain: domain, endpoint: endpoint}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.live[s] = false
	return s
}

// Retire says that a series gets no new calls. Those under way still count, however
// long they take; the recorder lets go of the series when it is quiet.
func (r *Recorder) Retire(s *Series) {
	if r == nil || s == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.live[s] = true
}

// Record counts a call that has ended. It allocates nothing, but for the first time in
// an octave.
func (s *Series) Record(o Outcome) {
	if s == nil {
		return
	}
	micros := uint64(max(0, o.Took.Microseconds()))
	s.count(bucketOf(micros))
	s.micros.Add(micros)
	if o.BytesOut > 0 {
		s.bytesOut.Add(uint64(o.BytesOut))
	}
	if o.ByGateway {
		s.byGateway.Add(1)
	}
	if o.Code != 0 {
		if i, ok := envelope.Place(o.Code); ok {
			s.refusals[i].Add(1)
		}
	}
	// These come last: a series whose calls are seen has the rest of them, too.
	if o.Status < 400 {
		s.successes.Add(1)
	} else {
		s.failures.Add(1)
	}
	// The recorder sets this before it looks for the last time, so that either it has
	// seen the call or the call sees this.
	if s.dropped.Load() {
		s.recorder.adopt(s)
	}
}

func (s *Series) count(bucket int) {
	octave := &s.times[bucket/perOctave]
	counts := octave.Load()
	if counts == nil {
		octave.CompareAndSwap(nil, new([perOctave]atomic.Uint32))
		counts = octave.Load()
	}
	counts[bucket%perOctave].Add(1)
}

// adopt takes a series back that a call has outlived.
func (r *Recorder) adopt(s *Series) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s.dropped.Store(false)
	r.live[s] = true
}

// Take hands out what was counted since the last time, and counts anew. A call that
// ends meanwhile is in one of the two, though its time and its bytes may be in the
// other. A domain and an endpoint may come more than once.
func (r *Recorder) Take(each func(domain, endpoint string, c *Counts)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for s, retired := range r.live {
		if s.quiet() {
			if !retired {
				continue
			}
			delete(r.live, s)
			s.dropped.Store(true)
		}
		if c := s.counts(swap64, swap32); !c.Empty() {
			each(s.domain, s.endpoint, &c)
		}
	}
}

// Read hands out what was counted of a domain since it was last taken, and leaves it
// there. An endpoint may come more than once.
func (r *Recorder) Read(domain string, each func(endpoint string, c *Counts)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for s := range r.live {
		if s.domain == domain && !s.quiet() {
			c := s.counts((*atomic.Uint64).Load, (*atomic.Uint32).Load)
			each(s.endpoint, &c)
		}
	}
}

func (s *Series) quiet() bool { return s.successes.Load()|s.failures.Load() == 0 }

func swap64(a *atomic.Uint64) uint64 { return a.Swap(0) }

// swap32 leaves a line of the cache alone where there is nothing to take.
func swap32(a *atomic.Uint32) uint32 {
	if a.Load() == 0 {
		return 0
	}
	return a.Swap(0)
}

// counts is what has been counted, got as the two functions get it.
func (s *Series) counts(get64 func(*atomic.Uint64) uint64, get32 func(*atomic.Uint32) uint32) Counts {
	c := Counts{Successes: get64(&s.successes), Failures: get64(&s.failures), ByGateway: get64(&s.byGateway), Micros: get64(&s.micros), BytesOut: get64(&s.bytesOut)}
	for i, code := range envelope.Codes { // in ascending order
		if n := get32(&s.refusals[i]); n > 0 {
			c.Refusals = append(c.Refusals, Count{uint32(code), uint64(n)})
		}
	}
	for octave := range s.times {
		counts := s.times[octave].Load()
		if counts == nil {
			continue
		}
		for rest := range counts {
			if n := get32(&counts[rest]); n > 0 {
				c.Times = append(c.Times, Count{uint32(octave*perOctave + rest), uint64(n)})
			}
		}
	}
	return c
}
