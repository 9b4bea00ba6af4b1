package bench

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"
)

// Defaults and bounds of Config.
const (
	DefaultWarmup = time.Second
	DefaultSlice  = time.Second
	DefaultSlices = 5
	MostWarmup    = time.Hour
	LeastSlice    = 10 * time.Millisecond // CPU time is told in steps of that
	MostSlice     = time.Hour
	MostSlices    = 1000
)

// Config says how the benchmark is run. Validate tells of values beyond their
// bounds, by the names of the flags that set them.
type Config struct {
	// Scenarios are the names of what is measured; none means all.
	Scenarios []string
	// Binary is the file of the tollgate whose nodes are measured.
	Binary string
	// Dir is a directory, which must be there, to keep data and logs in while
	// the run lasts; empty means the system's for temporary files. What the run
	// makes in it, it removes.
	Dir string
	// Connections, 1 to MostConnections, and Rate, above 0 to MostRate, stand
	// for those of scenarios, except where these vary them and, of Rate, where
	// the loop is closed; 0 leaves the scenarios'.
	Connections int
	Rate        float64
	// Warmup, 0 to MostWarmup, is how long a load lasts before it is measured,
	// in Slices, 1 to MostSlices, of Slice, LeastSlice to MostSlice.
	Warmup, Slice time.Duration
	Slices        int
	// Peers has other gateways measured beside, where they are installed and a
	// scenario that they have part in is.
	Peers bool
	// Command is how the run was asked for, for its report.
	Command string
	// Progress gets how far the run is; Terminal says that it is a terminal,
	// where lines can be written again.
	Progress io.Writer
	Terminal bool
}

// Validate reports everything that is wrong at once.
func (c *Config) Validate() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	for i, name := range c.Scenarios {
		if _, ok := scenarioNamed(name); !ok {
			bad("there is no scenario %q; there are %s", name, strings.Join(scenarioNames(), ", "))
		}
		if slices.Contains(c.Scenarios[:i], name) {
			bad("scenario %q is given twice", name)
		}
	}
	if c.Dir != "" {
		if info, err := os.Stat(c.Dir); err != nil {
			bad("--dir: %w", err)
		} else if !info.IsDir() {
			bad("--dir %s: must be a directory", c.Dir)
		}
	}
	if c.Connections < 0 || c.Connections > MostConnections {
		bad("--connections %d: must be 1 to %d", c.Connections, MostConnections)
	}
	if !(c.Rate >= 0 && c.Rate <= MostRate) {
		bad("--rate %v: must be above 0 and at most %v calls a second", c.Rate, MostRate)
	}
	if c.Warmup < 0 || c.Warmup > MostWarmup {
		bad("--warmup %v: must be 0 to %v", c.Warmup, MostWarmup)
	}
	if c.Slice < LeastSlice || c.Slice > MostSlice {
		bad("--slice %v: must be %v to %v", c.Slice, LeastSlice, MostSlice)
	}
	if c.Slices < 1 || c.Slices > MostSlices {
		bad("--slices %d: must be 1 to %d", c.Slices, MostSlices)
	}
	return errors.Join(errs...)
}

// Listed is a scenario as people choose it.
type Listed struct {
	Name    string `json:"name"`
	Summary string `json:"summary"`
	// Points name its results.
	Points []string `json:"points"`
}

// List is the scenarios that are to be measured, in the order of the run.
func (c *Config) List() ([]Listed, error) {
	points, err := c.points()
	if err != nil {
		return nil, err
	}
	list := []Listed{}
	for i := range points {
		p := &points[i]
		if len(list) == 0 || list[len(list)-1].Name != p.scenario {
			s, _ := scenarioNamed(p.scenario)
			list = append(list, Listed{Name: s.Name, Summary: s.Summary})
		}
		last := &list[len(list)-1]
		last.Points = append(last.Points, p.name())
	}
	return list, nil
}

func scenarioNames() []string {
	names := make([]string, len(Scenarios))
	for i := range Scenarios {
		names[i] = Scenarios[i].Name
	}
	return names
}

func scenarioNamed(name string) (*Scenario, bool) {
	for i := range Scenarios {
		if Scenarios[i].Name == name {
			return &Scenarios[i], true
		}
	}
	return nil, false
}

// points lists what is to be measured, in the order of Scenarios.
func (c *Config) points() ([]point, error) {
	var list []point
	for i := range Scenarios {
		s := &Scenarios[i]
		if len(c.Scenarios) > 0 && !slices.Contains(c.Scenarios, s.Name) {
			continue
		}
		points, err := s.points()
		if err != nil {
			return nil, err
		}
		for _, p := range points {
			if c.Connections > 0 && s.Vary.Field != VaryConnections {
				p.Connections = c.Connections
			}
			if c.Rate > 0 && p.Rate > 0 && s.Vary.Field != VaryRate {
				p.Rate = c.Rate
			}
			list = append(list, p)
		}
	}
	return list, nil
}

// slicesOf is how many slices a point is measured in.
func (c *Config) slicesOf(p *point) int { return max(c.Slices, p.Slices) }

// warmupOf is how long a point is loaded before.
func (c *Config) warmupOf(p *point) time.Duration {
	if p.Cold {
		return 0
	}
	return c.Warmup
}

// loadTime is how long a point is loaded.
func (c *Config) loadTime(p *point) time.Duration {
	return c.warmupOf(p) + time.Duration(c.slicesOf(p))*c.Slice
}
