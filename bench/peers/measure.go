package peers

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/tollgate/tollgate/bench/load"
	"github.com/tollgate/tollgate/bench/report"
)

// Config says how to measure.
type Config struct {
	// Dir is a folder for the peers' files. It must be there.
	Dir string
	// Origin is the host:port of the endpoint server, which answers 200 to a
	// GET of any path.
	Origin string
	// Connections is how many calls may be under way at once, 1 or more.
	Connections int
	// Warmup, Slice, Slices and Timeout are as in load.Plan. The scenario
	// shared-exact has no warm-up, since a window's first calls are part of it.
	Warmup, Slice time.Duration
	Slices        int
	Timeout       time.Duration
	// Limit is the units an hour of the quota that shared-exact goes past, up to
	// 10^9; 0 means 10,000.
	Limit uint64
	// Scenarios are those to measure, of ScenarioProxy and so on; empty means all.
	Scenarios []string
	// Speed, if not nil, tells just before a load how fast the machine is, as
	// report.Result.Speed.
	Speed func() float64
	// Log, if not nil, is told what is done.
	Log func(string)
	// Progress, if not nil, is called about once a second of a load.
	Progress func(load.Progress)

	folders []string // instead of Folders, for tests
	peers   []Peer   // instead of Peers, for tests
}

func (c *Config) check() error {
	switch {
	case c.Dir == "":
		return errors.New("peers: Dir is empty: must be a folder")
	case c.Origin == "":
		return errors.New("peers: Origin is empty: must be the host:port of the endpoint server")
	case c.Connections < 1:
		return fmt.Errorf("peers: Connections is %d: must be 1 or more", c.Connections)
	case c.Slices < 1:
		return fmt.Errorf("peers: Slices is %d: must be 1 or more", c.Slices)
	case c.Slice <= 0:
		return fmt.Errorf("peers: Slice is %v: must be above 0", c.Slice)
	case c.Warmup < 0:
		return fmt.Errorf("peers: Warmup is %v: must be 0 or more", c.Warmup)
	case c.Limit > mostLimit:
		return fmt.Errorf("peers: Limit is %d: must be at most %d", c.Limit, uint64(mostLimit))
	case c.Timeout < 0:
		return fmt.Errorf("peers: Timeout is %v: must be 0, which means %v, or more", c.Timeout, defaultTimeout)
	}
	return nil
}

const (
	// defaultTimeout bounds the wait for an answer.
	defaultTimeout = 10 * time.Second
	// defaultLimit and mostLimit are of Limit.
	defaultLimit = 10_000
	mostLimit    = 1_000_000_000
)

// Measure measures every peer that is installed and has part in the scenarios
// asked for, one after the other. What is
// not installed is named in missing, once; a peer that does not start, or does
// not do its work, is a result that has Failed. How exact a peer is, is a
// finding and no failure. An error says that the configuration is none, or that
// ctx has ended; no peer runs any more in any case.
func Measure(ctx context.Context, cfg Config) (results []report.Result, missing []report.Missing, err error) {
	if err := cfg.check(); err != nil {
		return nil, nil, err
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = defaultTimeout
	}
	if cfg.Limit == 0 {
		cfg.Limit = defaultLimit
	}
	if cfg.folders == nil {
		cfg.folders = Folders()
	}
	if cfg.peers == nil {
		cfg.peers = Peers
	}
	for i := range cfg.peers {
		peer := &cfg.peers[i]
		trials := cfg.trials(peer.Duty)
		if len(trials) == 0 {
			continue
		}
		own, err := cfg.measure(ctx, peer, trials)
		if ctx.Err() != nil {
			return nil, nil, ctx.Err()
		}
		var absent *MissingError
		if errors.As(err, &absent) {
			m := report.Missing{System: peer.Name, Why: absent.Error()}
			if !slices.Contains(missing, m) {
				missing = append(missing, m)
				cfg.log(peer.Name + " is missing: " + m.Why)
			}
			continue
		}
		results = append(results, own...)
	}
	return results, missing, nil
}

// trials are those of a duty that are asked for.
func (c *Config) trials(duty Duty) (asked []trial) {
	for _, t := range trials[duty] {
		if len(c.Scenarios) == 0 || slices.Contains(c.Scenarios, t.scenario) {
			asked = append(asked, t)
		}
	}
	return asked
}

func (c *Config) log(line string) {
	if c.Log != nil {
		c.Log(line)
	}
}

// measure makes the results of one peer. The error is a *MissingError.
func (c *Config) measure(ctx context.Context, peer *Peer, trials []trial) ([]report.Result, error) {
	instances := 1
	if peer.Duty != Proxy {
		instances = quotaInstances
	}
	var results []report.Result
	for _, t := range trials {
		results = append(results, report.Result{Scenario: t.scenario, System: peer.Name, Notes: slices.Clone(peer.Notes)})
	}
	running, err := peer.Start(ctx, Site{
		Folders: c.folders, Dir: filepath.Join(c.Dir, peer.Name+"-"+results[0].Scenario), Origin: c.Origin,
		Instances: instances, Limit: c.Limit,
	})
	if err != nil {
		var absent *MissingError
		if errors.As(err, &absent) {
			return nil, err
		}
		c.log(peer.Name + " does not start: " + err.Error())
		for i := range results {
			results[i].Failed = []string{"it does not start: " + err.Error()}
		}
		return results, nil
	}
	for i, t := range trials {
		r := &results[i]
		r.Notes = append([]string{peer.Name + " " + running.Version}, r.Notes...)
		c.log(t.scenario + " of " + peer.Name + " " + running.Version)
		if err := c.try(ctx, peer.Duty, t, running, r); err != nil {
			r.Failed = append(r.Failed, err.Error())
		}
		if err := running.dead(); err != nil {
			r.Failed = append(r.Failed, err.Error())
		}
	}
	if err := running.Stop(); err != nil {
		c.log(peer.Name + ": " + err.Error()) // its figures are what they were
	}
	return results, nil
}
