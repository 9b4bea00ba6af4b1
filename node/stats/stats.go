// Package stats keeps what happened to a node's calls in time: of each endpoint by
// minute, ten minutes and day, on the node's disk. It answers for this node alone;
// Merge adds the answers of several nodes up.
//
// See DESIGN.md.
package stats

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.etcd.io/bbolt"

	"github.com/tollgate/tollgate/proxy/callstats"
)

const (
	// fileName is the file in the data directory.
	fileName = "stats.db"
	// look is how often the clock is looked at, besides when a minute should end: it may
	// be set.
	look = time.Second
	// maxPending bounds the minutes that wait for a disk that fails.
	maxPending = 10
)

// Config is what a Stats is opened with; all fields are required.
type Config struct {
	// Dir is the node's data directory.
	Dir string
	// MaxBytes bounds the file in it.
	MaxBytes int64
	// Recorder is where calls are counted; nobody else takes from it.
	Recorder *callstats.Recorder
	// Clock is the node's.
	Clock      func() time.Time
	Logger     *slog.Logger
	Registerer prometheus.Registerer
}

// Stats is the statistics of one node. All methods may be called at any time from any
// goroutine. A disk that fails costs statistics, and nothing else.
type Stats struct {
	cfg     Config
	metrics metrics

	// writing is held by whoever writes; it is taken before mu.
	writing sync.Mutex

	// mu keeps together what is counted, pending and in the file: each call is in
	// exactly one of the three for who holds it.
	mu      sync.Mutex
	minute  int64 // that is running, in Unix seconds
	number  uint64
	pending []*batch // that the file does not have, or has only just got, the oldest first
	file    *file    // nil: it cannot be opened; changed with writing held, too
	failing bool     // the last write was no success
	damage  error    // for which the file is to be set aside

	stop      context.CancelFunc
	wg        sync.WaitGroup
	closeOnce sync.Once
	closeErr  error
}

// Open begins to keep statistics. Its only error is that metrics are there already: a
// file that is damaged is set aside, and one that cannot be opened is tried again with
// each minute.
func Open(cfg Config) (*Stats, error) {
	ctx, stop := context.WithCancel(context.Background())
	s := &Stats{cfg: cfg, stop: stop, minute: floor(cfg.Clock().Unix(), minute)}
	if err := s.metrics.register(cfg.Registerer, s.size); err != nil {
		stop()
		return nil, err
	}
	s.writing.Lock()
	defer s.writing.Unlock()
	if err := s.open(); err != nil {
		s.fails(err)
	} else if s.file.left > 0 {
		cfg.Logger.Warn("this node did not stop in good order: its statistics lack what it had counted since", "since", time.Unix(s.file.left, 0).UTC())
	}
	s.wg.Go(func() { s.run(ctx) })
	return s, nil
}

func (s *Stats) path() string { return filepath.Join(s.cfg.Dir, fileName) }

// open opens the file, and a new one where it is damaged. writing is held.
func (s *Stats) open() error {
	f, err := openFile(s.path(), s.cfg.MaxBytes)
	if errors.Is(err, errDamaged) {
		if err = s.setAside(err); err == nil {
			f, err = openFile(s.path(), s.cfg.MaxBytes)
		}
	}
	if err != nil {
		return err
	}
	_ = f.mark(s.cfg.Clock()) // a disk that fails is told of with the first write
	s.mu.Lock()
	defer s.mu.Unlock()
	s.file, s.damage = f, nil
	if s.number < f.opened { // what waited for it while nobody could read must be newer
		s.number = f.opened
		for _, b := range s.pending {
			s.number++
			b.number = s.number
		}
	}
	return nil
}

// setAside gives a damaged file another name, over one that was set aside before.
func (s *Stats) setAside(damage error) error {
	to := s.path() + damagedSuffix
	s.cfg.Logger.Error("the statistics of this node are damaged: their file is set aside, and a new one begun", "file", s.path(), "setAside", to, "error", damage)
	if err := os.Rename(s.path(), to); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil // somebody has taken it away
}

// run ends minutes as their time comes.
func (s *Stats) run(ctx context.Context) {
	for {
		now := s.cfg.Clock()
		rest := time.Unix(floor(now.Unix(), minute)+minute, 0).Sub(now)
		timer := time.NewTimer(min(look, rest))
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
		s.Flush(false)
	}
}

// Flush writes the minutes that have ended, and the running one too if all is true.
func (s *Stats) Flush(all bool) {
	s.writing.Lock()
	defer s.writing.Unlock()
	now := s.cfg.Clock()
	s.mu.Lock()
	ended := all || floor(now.Unix(), minute) != s.minute
	if ended {
		s.take(floor(now.Unix(), minute))
	}
	todo, healthy := slices.Clone(s.pending), s.file != nil && s.damage == nil
	s.mu.Unlock()
	if !ended || len(todo) == 0 && healthy {
		return // what waits for the disk is tried with each minute
	}
	if err := s.write(todo, now); err != nil {
		s.metrics.failures.Inc()
		s.fails(err)
	} else if s.failing {
		s.failing = false
		s.cfg.Logger.Info("the statistics of this node are written again", "file", s.path())
	}
}

// take makes a batch of what has been counted, for the minute that ends; the next one
// begins. mu is held.
func (s *Stats) take(next int64) {
	counts := map[string]*callstats.Counts{}
	s.cfg.Recorder.Take(func(domain, endpoint string, c *callstats.Counts) {
		key := keyOf(domain, endpoint)
		if to := counts[key]; to != nil {
			to.Add(c)
		} else {
			counts[key] = c
		}
	})
	if len(counts) > 0 {
		s.number++
		s.pending = append(s.pending, &batch{s.number, s.minute, counts})
	}
	s.minute = next
	if over := len(s.pending) - maxPending; over > 0 {
		s.metrics.lost.Add(float64(over))
		s.pending = slices.Delete(s.pending, 0, over)
	}
}

// write writes batches until one fails. writing is held.
func (s *Stats) write(todo []*batch, now time.Time) error {
	s.mu.Lock()
	damage := s.damage
	s.mu.Unlock()
	if damage != nil {
		if err := s.setAside(damage); err != nil {
			return err
		}
		s.mu.Lock()
		s.file, s.damage = nil, nil // not closed: see guarded
		s.mu.Unlock()
	}
	if s.file == nil {
		if err := s.open(); err != nil {
			return err
		}
	}
	for _, b := range todo {
		if err := s.file.write(b, now); err != nil {
			s.note(err)
			return err
		}
		// From its commit to here, who reads finds its number in the file.
		s.mu.Lock()
		s.pending = slices.DeleteFunc(s.pending, func(p *batch) bool { return p == b })
		s.mu.Unlock()
	}
	return nil
}

// note has a damaged file set aside with the next write.
func (s *Stats) note(err error) {
	if errors.Is(err, errDamaged) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.damage = err
	}
}

// fails tells once that statistics cannot be written. writing is held.
func (s *Stats) fails(err error) {
	if !s.failing {
		s.failing = true
		s.cfg.Logger.Error("the statistics of this node cannot be written; it is tried again each minute, and calls are served as before", "file", s.path(), "keptMinutes", maxPending, "error", err)
	}
}

// Query answers for this node: from the file, and with what it does not have yet, up to
// this moment. The error may be ErrTooMany.
func (s *Stats) Query(q Query) ([]Point, error) {
	if !q.whole() {
		return nil, fmt.Errorf("no question for statistics: %+v", q)
	}
	g := gather(q)
	s.mu.Lock()
	if s.file == nil || s.damage != nil {
		s.mu.Unlock()
		return nil, errors.New("this node's statistics cannot be read now")
	}
	tx, err := s.file.begin()
	if err != nil {
		s.mu.Unlock()
		s.note(err)
		return nil, err
	}
	pending, running := slices.Clone(s.pending), s.minute
	s.cfg.Recorder.Read(q.Domain, func(endpoint string, c *callstats.Counts) {
		if err == nil {
			err = g.add(running, endpoint, c)
		}
	})
	s.mu.Unlock()
	if err == nil {
		err = collect(tx, g, pending)
	}
	if errors.Is(err, errDamaged) {
		s.note(err) // and the view is left as it is: see guarded
		return nil, err
	}
	if err := errors.Join(err, tx.Rollback()); err != nil {
		return nil, err
	}
	return g.points(), nil
}

// collect gathers what a view of the file has, and those of the batches that it has not.
func collect(tx *bbolt.Tx, g *gathered, pending []*batch) error {
	written, err := last(tx)
	if err != nil {
		return err
	}
	for _, b := range pending {
		if b.number <= written {
			continue
		}
		for key, c := range b.counts {
			if domain, endpoint := split(key); domain == g.query.Domain {
				if err := g.add(b.at, endpoint, c); err != nil {
					return err
				}
			}
		}
	}
	return read(tx, g)
}

// Close writes what has been counted, however long the disk takes. It is idempotent.
// What is counted later is lost.
func (s *Stats) Close() error {
	s.closeOnce.Do(func() {
		s.stop()
		s.wg.Wait()
		s.Flush(true)
		s.closeErr = s.close()
	})
	return s.closeErr
}

func (s *Stats) close() error {
	s.writing.Lock()
	defer s.writing.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.file
	if s.file = nil; f == nil || s.damage != nil {
		return nil
	}
	return f.close()
}

// size is that of the file in bytes.
func (s *Stats) size() float64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.file == nil {
		return 0
	}
	return float64(s.file.size())
}

// metrics is what operators are told.
type metrics struct{ failures, lost prometheus.Counter }

func (m *metrics) register(reg prometheus.Registerer, size func() float64) error {
	m.failures = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "tollgate_stats_write_failures_total", Help: "Attempts to write a minute of the statistics to the disk that failed; it is tried again with the next minute.",
	})
	m.lost = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "tollgate_stats_lost_minutes_total", Help: "Minutes of the statistics that were given up because the disk went on failing.",
	})
	bytes := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "tollgate_stats_file_bytes", Help: "Size of the file of this node's statistics, of --stats-max-bytes.",
	}, size)
	return errors.Join(reg.Register(m.failures), reg.Register(m.lost), reg.Register(bytes))
}
