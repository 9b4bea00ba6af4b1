package load

import (
	"errors"
	"fmt"
	"math"
	"net"
	"time"
)

// check reports the first field that no load can be made of.
func (p *Plan) check() error {
	if len(p.Addresses) == 0 {
		return errors.New("load plan: Addresses is empty: must have one host:port or more")
	}
	for _, a := range p.Addresses {
		if _, _, err := net.SplitHostPort(a); err != nil {
			return fmt.Errorf("load plan: Addresses has %q: must be host:port", a)
		}
	}
	if p.Connections < 1 || p.Connections > MostConnections {
		return fmt.Errorf("load plan: Connections is %d: must be 1 to %d", p.Connections, MostConnections)
	}
	// A rate below one call an hour is taken for a mistake.
	if p.Rate != 0 && !(p.Rate >= 1.0/3600 && p.Rate <= MostRate) {
		return fmt.Errorf("load plan: Rate is %v: must be 1 an hour to %v a second, or 0 for a closed loop", p.Rate, MostRate)
	}
	if p.Slices < 1 || p.Slices > MostSlices {
		return fmt.Errorf("load plan: Slices is %d: must be 1 to %d", p.Slices, MostSlices)
	}
	for _, d := range []struct {
		name       string
		value      time.Duration
		least, top time.Duration
	}{
		{"Warmup", p.Warmup, 0, 24 * time.Hour},
		{"Slice", p.Slice, time.Millisecond, 24 * time.Hour},
		{"Timeout", p.timeout(), time.Millisecond, MostTimeout},
	} {
		if d.value < d.least || d.value > d.top {
			return fmt.Errorf("load plan: %s is %v: must be %v to %v", d.name, d.value, d.least, d.top)
		}
	}
	if p.Prepare == nil {
		return errors.New("load plan: Prepare is nil: must make the calls ready")
	}
	if p.Counters < 0 || p.Counters > math.MaxInt32 {
		return fmt.Errorf("load plan: Counters is %d: must be 0 to %d", p.Counters, math.MaxInt32)
	}
	return nil
}

func (p *Plan) timeout() time.Duration {
	if p.Timeout == 0 {
		return defaultTimeout
	}
	return p.Timeout
}

// whole is how long the load lasts.
func (p *Plan) whole() time.Duration { return p.Warmup + time.Duration(p.Slices)*p.Slice }
