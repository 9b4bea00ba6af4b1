package peers

import (
	"errors"
	"fmt"

	"github.com/tollgate/tollgate/bench/process"
	"github.com/tollgate/tollgate/bench/report"
)

// cpuSlices reads what a peer has used at the borders of slices.
type cpuSlices struct {
	running *Running
	used    []float64 // CPU seconds at each border
	err     error
}

// at is a Plan's OnSlice.
func (c *cpuSlices) at(int) {
	used, err := c.running.CPU()
	c.used = append(c.used, used)
	if c.err == nil {
		c.err = err
	}
}

// fill gives each slice of the result what was used in it.
func (c *cpuSlices) fill(r *report.Result) error {
	slices := r.Slices
	if errors.Is(c.err, process.ErrNoProc) {
		r.Notes = append(r.Notes, "no CPU time: "+process.ErrNoProc.Error())
		return nil
	}
	if c.err != nil {
		return fmt.Errorf("the peer's CPU time: %w", c.err)
	}
	if len(c.used) != len(slices)+1 {
		return fmt.Errorf("the peer's CPU time was read %d times at the borders of %d slices", len(c.used), len(slices))
	}
	for i := range slices {
		slices[i].CPUSeconds = c.used[i+1] - c.used[i]
	}
	return nil
}
