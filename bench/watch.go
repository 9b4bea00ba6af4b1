package bench

import (
	"context"
	"errors"
	"sync"

	"github.com/tollgate/tollgate/bench/load"
	"github.com/tollgate/tollgate/bench/process"
	"github.com/tollgate/tollgate/bench/report"
	"github.com/tollgate/tollgate/bench/rig"
)

// watch reads the nodes' figures while they are loaded. But for the CPU time
// they are read aside: the load does not wait for them.
type watch struct {
	ctx     context.Context // of the load
	cluster *rig.Cluster
	slices  int
	// faulty: at the end of the load a node may be down, so that figures are
	// to be read later.
	faulty bool
	wg     sync.WaitGroup // of those who read

	cpu           []float64 // at each border of slices
	untold        bool      // the system does not tell CPU times
	before, after rig.Figures

	mu  sync.Mutex
	err error // the first
}

// onSlice is the load's.
func (w *watch) onSlice(i int) {
	used, err := w.cluster.CPU()
	if errors.Is(err, process.ErrNoProc) {
		w.untold, err = true, nil
	}
	w.cpu = append(w.cpu, used)
	w.failed(err)
	switch {
	case i == 0:
		w.read(&w.before)
	case i == w.slices && !w.faulty:
		w.read(&w.after)
	}
}

// read reads the nodes' figures into f.
func (w *watch) read(f *rig.Figures) {
	w.wg.Go(func() {
		figures, err := w.cluster.Figures(w.ctx)
		w.failed(err)
		*f = figures
	})
}

func (w *watch) failed(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err == nil {
		w.err = err
	}
}

// fill puts what the nodes did meanwhile into a result that has its slices.
func (w *watch) fill(r *report.Result) {
	if w.untold {
		r.Notes = append(r.Notes, "CPU time, memory and disk bytes are not known: they are read from /proc, which is Linux's")
	} else {
		for i := range r.Slices {
			r.Slices[i].CPUSeconds = w.cpu[i+1] - w.cpu[i]
		}
	}
	did := w.after.Since(w.before)
	nodes, nonvoters := w.cluster.Size()
	r.Cluster = &report.Cluster{
		Nodes: nodes, Nonvoters: nonvoters,
		LogEntries: did.LogEntries, DiskBytes: did.DiskBytes, Decisions: did.Decisions, PeakMemory: did.PeakMemory,
	}
}

// fill puts what a load showed into a result.
func fill(r *report.Result, out *load.Outcome) {
	r.Slices, r.Counts = out.Slices, out.Counts
	r.Latency = load.Summarize(out.Latency)
	if out.Lateness != nil {
		late := load.Summarize(out.Lateness)
		r.Lateness = &late
	}
}
