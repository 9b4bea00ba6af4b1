package peers

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/tollgate/tollgate/bench/load"
	"github.com/tollgate/tollgate/bench/report"
)

const (
	// mostMicros is the end of the range of latencies, µs.
	mostMicros = 60_000_000
	// flushEvery is how often a caller's figures join those of the others.
	flushEvery = time.Second
	// errorPause keeps callers from spinning where nothing answers.
	errorPause = 10 * time.Millisecond
)

// closedLoop is a closed loop of calls that are not HTTP, which load.Run makes.
// Its fields are as those of load.Plan.
type closedLoop struct {
	callers       int
	warmup, slice time.Duration
	slices        int
	// patience bounds the wait for answers after the end.
	patience time.Duration
	// counter is what the calls count on, -1 for nothing: they are kept then.
	counter int
	// call makes one call for a caller. Callers call at the same time.
	call     func(ctx context.Context, caller int) load.Verdict
	onSlice  func(i int)
	progress func(load.Progress)

	began time.Time

	mu     sync.Mutex
	hists  []*hdrhistogram.Histogram // of the slices
	since  *hdrhistogram.Histogram   // since the last report
	failed uint64
	out    load.Outcome
}

// caller is one of those that call, with what it has not handed over yet.
type caller struct {
	loop    *closedLoop
	number  int
	hist    *hdrhistogram.Histogram
	slice   int // that hist and counts are of, -1 of none
	flushed time.Duration
	counts  report.Counts
	failed  uint64
	calls   []load.Call
}

func newLatencies() *hdrhistogram.Histogram { return hdrhistogram.New(1, mostMicros, 3) }

// whole is how long calls are begun.
func (l *closedLoop) whole() time.Duration {
	return l.warmup + time.Duration(l.slices)*l.slice
}

// run makes the load and returns once the last call is answered.
func (l *closedLoop) run(ctx context.Context) (*load.Outcome, error) {
	bounded, cancel := context.WithTimeout(ctx, l.whole()+l.patience)
	defer cancel()
	l.since = newLatencies()
	for range l.slices {
		l.hists = append(l.hists, newLatencies())
	}
	l.began = time.Now()
	var wg sync.WaitGroup
	for i := range l.callers {
		c := &caller{loop: l, number: i, hist: newLatencies(), slice: -1}
		wg.Go(func() { c.run(bounded) })
	}
	l.watch(ctx)
	wg.Wait()
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("load: %w", err)
	}
	return l.outcome(), nil
}

// watch calls onSlice and progress at their times, until all slices are over.
func (l *closedLoop) watch(ctx context.Context) {
	second := time.NewTicker(time.Second)
	defer second.Stop()
	reported := l.began
	for i := 0; ; {
		border := time.NewTimer(time.Until(l.began.Add(l.warmup + time.Duration(i)*l.slice)))
		select {
		case <-ctx.Done():
			border.Stop()
			return
		case now := <-second.C:
			border.Stop()
			l.report(now.Sub(reported))
			reported = now
			continue
		case <-border.C:
		}
		if l.onSlice != nil {
			l.onSlice(i)
		}
		if i == l.slices {
			return
		}
		i++
	}
}

// report tells how the load goes.
func (l *closedLoop) report(since time.Duration) {
	if l.progress == nil {
		return
	}
	elapsed := time.Since(l.began)
	p := load.Progress{Elapsed: elapsed, Whole: l.whole(), Warming: elapsed < l.warmup, Seconds: since.Seconds()}
	l.mu.Lock()
	p.Calls, p.Failed = uint64(l.since.TotalCount()), l.failed
	p.P99 = time.Duration(l.since.ValueAtQuantile(99)) * time.Microsecond
	l.since.Reset()
	l.mu.Unlock()
	l.progress(p)
}

// outcome is what the load showed, once all callers have handed over.
func (l *closedLoop) outcome() *load.Outcome {
	out := &l.out
	out.Latency = newLatencies()
	for _, h := range l.hists {
		out.Slices = append(out.Slices, report.Slice{
			Seconds: l.slice.Seconds(), Calls: uint64(h.TotalCount()),
			P50: float64(h.ValueAtQuantile(50)) / 1e3, P99: float64(h.ValueAtQuantile(99)) / 1e3,
		})
		out.Latency.Merge(h)
	}
	return out
}

// run calls until the time is over.
func (c *caller) run(ctx context.Context) {
	defer c.handOver(-1)
	l := c.loop
	for {
		begin := time.Since(l.began)
		if begin >= l.whole() || ctx.Err() != nil {
			return
		}
		verdict := l.call(ctx, c.number)
		end := time.Since(l.began)
		c.record(verdict, begin, end)
		if verdict == load.Unknown {
			pause := time.NewTimer(errorPause)
			select {
			case <-pause.C:
			case <-ctx.Done():
				pause.Stop()
			}
		}
	}
}

// record takes a call in. It belongs to the slice that it ended in.
func (c *caller) record(verdict load.Verdict, begin, end time.Duration) {
	l := c.loop
	slice := -1
	if measured := end - l.warmup; measured >= 0 && measured < time.Duration(l.slices)*l.slice {
		slice = int(measured / l.slice)
	}
	if slice != c.slice || end-c.flushed >= flushEvery {
		c.handOver(slice)
		c.flushed = end
	}
	if l.counter >= 0 {
		c.calls = append(c.calls, load.Call{Counter: int32(l.counter), Verdict: verdict, Begin: begin, End: end})
	}
	if verdict == load.Failed || verdict == load.Unknown {
		c.failed++
	}
	if verdict != load.Unknown {
		// Nothing in the range is refused.
		_ = c.hist.RecordValue(min(max((end-begin).Microseconds(), 1), mostMicros))
	}
	if slice < 0 {
		return
	}
	c.counts.Offered++
	switch verdict {
	case load.Admitted:
		c.counts.Admitted++
	case load.Refused:
		c.counts.Refused++
	case load.Undecided:
		c.counts.Undecided++
	case load.Failed:
		c.counts.Failed++
	default:
		c.counts.Unknown++
	}
}

// handOver adds the caller's figures to those of all, and begins with those of
// another slice.
func (c *caller) handOver(next int) {
	l := c.loop
	l.mu.Lock()
	defer l.mu.Unlock()
	if c.slice >= 0 {
		l.hists[c.slice].Merge(c.hist)
	}
	l.since.Merge(c.hist)
	c.hist.Reset()
	c.slice = next
	sum, own := &l.out.Counts, &c.counts
	sum.Offered += own.Offered
	sum.Admitted += own.Admitted
	sum.Refused += own.Refused
	sum.Undecided += own.Undecided
	sum.Failed += own.Failed
	sum.Unknown += own.Unknown
	*own = report.Counts{}
	l.failed += c.failed
	c.failed = 0
	l.out.Calls = append(l.out.Calls, c.calls...)
	c.calls = c.calls[:0]
}
