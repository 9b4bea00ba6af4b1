package ledger

import (
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// scaleTally is what a fleet counts.
type scaleTally struct {
	// Calls by what became of them, but for those on windows that end:
	// admitted from a lease, decided in the log, or by nobody in time.
	local, logged, undecided uint64
	// Frames that the leader received, those that were sent again among them,
	// and frames that were answered, with the time that took, ns.
	frames, retries, answered uint64
	round                     int64
	// What was in the frames, as they were sent; of the reports, asks are by
	// nodes without a lease, and idle give a lease back of which nothing was
	// spent since the report before.
	takes, reports, asks, idle uint64
	// Entries, and how many took the time they took because of their own way,
	// of the leader's cores and of its wire.
	entries, byPath, byCores, byWire uint64
	// Bytes into the leader and out of it, and of entries.
	in, out, written uint64
	// Time that the leader's cores worked, and that it applied, ns.
	cpu, applying int64
}

// sent counts what is in a frame.
func (t *scaleTally) sent(r *round) {
	t.takes += uint64(len(r.frame.Takes))
	t.reports += uint64(len(r.frame.Reports))
	for _, rep := range r.frame.Reports {
		switch {
		case rep.Window == 0:
			t.asks++
		case rep.Back > 0 && rep.Spent == 0:
			t.idle++
		}
	}
}

// count counts an entry.
func (t *scaleTally) count(e *scaleEntry) {
	t.entries++
	t.written += uint64(e.bytes)
	t.out += uint64(e.out())
	t.in += uint64(e.followers) * messageBytes
	t.cpu += e.cpu()
	t.applying += e.applyTime()
	switch path, cores, wire := e.bounds(); {
	case path >= max(cores, wire):
		t.byPath++
	case cores >= wire:
		t.byCores++
	default:
		t.byWire++
	}
}

// scaleFigures is what a simulation shows, all of it in virtual time: the same
// seed gives the same.
type scaleFigures struct {
	// scaleTally is of the time that was measured.
	scaleTally
	// calls is the waits of all calls decided in it, waits of those that
	// waited, tail of those that waited on a window after it began to drain.
	calls, waits, tail scaleWaits
	ends               scaleEnds
	exactness          scaleExactness
	// settled: all calls were answered, and all leases given back, in time.
	settled bool
	// snapshot is the bytes of the state's snapshot while leases were out.
	snapshot int
}

// scaleWaits is a distribution of waits, ms.
type scaleWaits struct {
	n             int64
	p50, p99, max float64
}

func waitsOf(h *hdrhistogram.Histogram) scaleWaits {
	at := func(p float64) float64 { return float64(h.ValueAtPercentile(p)) / 1000 }
	return scaleWaits{h.TotalCount(), at(50), at(99), float64(h.Max()) / 1000}
}

// scaleWall is what took real time: decoding and applying frames, ns a frame and
// ns for each of the things in them, by entry. Their medians do not show what else
// the machine did.
type scaleWall struct{ perFrame, perItem *hdrhistogram.Histogram }

func newScaleWall() scaleWall {
	upTo := time.Second.Nanoseconds()
	return scaleWall{hdrhistogram.New(1, upTo, 3), hdrhistogram.New(1, upTo, 3)}
}

// applied: an entry was, and took so long.
func (w *scaleWall) applied(took time.Duration, e *scaleEntry) {
	for h, n := range map[*hdrhistogram.Histogram]int{w.perFrame: len(e.frames), w.perItem: max(e.items, 1)} {
		_ = h.RecordValues(min(took.Nanoseconds()/int64(n), h.HighestTrackableValue()), int64(n))
	}
}
