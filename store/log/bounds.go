package log

import (
	"errors"
	"runtime/debug"
	"sync"
	"time"

	"github.com/hashicorp/raft"
)

// bounds are what a log may take, in bytes: entries are from some dozens of bytes
// to a hundred thousand and more.
type bounds struct {
	// snapshot is how much the log may grow until a snapshot is taken. Where a
	// snapshot is larger, the log may become as large as that: else more would
	// be written for the snapshots than for the log.
	snapshot int
	// trailing is what is kept of the log before a snapshot, for followers
	// that are a little behind.
	trailing int
	// memory is what is kept of the newest entries in memory: they are about
	// to be sent and applied.
	memory int
}

var defaultBounds = bounds{snapshot: 8 << 20, trailing: 4 << 20, memory: 2 << 20}

const (
	// maxExchange is what one request carries to a follower, in bytes, unless
	// a single entry is larger. At 20 Mbit/s it takes 52 ms: heartbeats wait
	// for no more than that.
	maxExchange = 128 << 10

	// boundsPoll is between two looks at the size of the log.
	boundsPoll = time.Second
)

// entryBytes is what an entry takes beside its payload, about.
const entryBytes = 64

// entrySize is what an entry takes.
func entrySize(e *raft.Log) int { return entryBytes + len(e.Data) + len(e.Extensions) }

// recent is a log whose newest entries are in memory too, in so many bytes, and
// that knows the sizes of the newest ones. It stands before the disk: what it
// has is on the disk.
type recent struct {
	raft.LogStore
	limit int

	mu sync.Mutex
	// entries are the newest ones, without a gap; they have so many bytes.
	entries []*raft.Log
	bytes   int
	// sizes are those of the entries last seen, by their index modulo its
	// length; the sizes of others are not known.
	sizes [trailingLogs]struct {
		index uint64
		bytes int
	}
	last uint64 // the newest index

	// snapshot is the index and the term of the newest snapshot's last entry; nil in tests.
	snapshot func() (index, term uint64)
}

func newRecent(store raft.LogStore, limit int) (*recent, error) {
	last, err := store.LastIndex()
	return &recent{LogStore: store, limit: limit, last: last}, err
}

// IsMonotonic implements raft.MonotonicLogStore.
func (r *recent) IsMonotonic() bool { return isMonotonic(r.LogStore) }

// isMonotonic reports whether a log takes no gaps, as WAL.
func isMonotonic(store raft.LogStore) bool {
	m, ok := store.(raft.MonotonicLogStore)
	return ok && m.IsMonotonic()
}

// GetLog implements raft.LogStore. Where the log begins behind the newest snapshot, it knows
// index and term of the entry that the snapshot ends with: a follower compares them with
// those of the entry before what it is sent. Raft knows them only while the follower has no
// entry behind the snapshot. One whose answer to the first entries is lost would reject them
// ever after, and be sent the snapshot again. No leader sends the entry: to do so, it needs
// the one before.
func (r *recent) GetLog(index uint64, entry *raft.Log) error {
	r.mu.Lock()
	if n := len(r.entries); n > 0 && index >= r.entries[0].Index && index <= r.entries[n-1].Index {
		*entry = *r.entries[index-r.entries[0].Index]
		r.mu.Unlock()
		return nil
	}
	r.mu.Unlock()
	err := r.LogStore.GetLog(index, entry)
	if err == nil {
		r.mu.Lock()
		r.measure(entry)
		r.mu.Unlock()
	}
	if errors.Is(err, raft.ErrLogNotFound) && r.snapshot != nil && index > 1 {
		if at, term := r.snapshot(); at == index {
			*entry = raft.Log{Index: index, Term: term}
			return nil
		}
	}
	return err
}

// StoreLog implements raft.LogStore.
func (r *recent) StoreLog(entry *raft.Log) error { return r.StoreLogs([]*raft.Log{entry}) }

// StoreLogs implements raft.LogStore.
func (r *recent) StoreLogs(entries []*raft.Log) error {
	if err := r.LogStore.StoreLogs(entries); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range entries {
		if n := len(r.entries); n > 0 && e.Index != r.entries[n-1].Index+1 {
			r.forget()
		}
		r.entries, r.bytes, r.last = append(r.entries, e), r.bytes+entrySize(e), e.Index
		r.measure(e)
	}
	drop := 0
	for ; r.bytes > r.limit; drop++ {
		r.bytes -= entrySize(r.entries[drop])
		r.entries[drop] = nil
	}
	r.entries = r.entries[drop:] // append moves the rest to a new array now and then
	return nil
}

// DeleteRange implements raft.LogStore.
func (r *recent) DeleteRange(least, most uint64) error {
	r.mu.Lock()
	if n := len(r.entries); n > 0 && most >= r.entries[0].Index {
		r.forget()
	}
	r.mu.Unlock()
	if err := r.LogStore.DeleteRange(least, most); err != nil {
		return err
	}
	last, err := r.LogStore.LastIndex()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last = last
	return err
}

func (r *recent) forget() { r.entries, r.bytes = nil, 0 }

func (r *recent) measure(e *raft.Log) {
	s := &r.sizes[e.Index%trailingLogs]
	s.index, s.bytes = e.Index, entrySize(e)
}

// since is how many bytes the known entries after an index take.
func (r *recent) since(index uint64) (bytes int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := r.last; i > index; i-- {
		s := &r.sizes[i%trailingLogs]
		if s.index != i {
			break
		}
		bytes += s.bytes
	}
	return bytes
}

// within is how many of the newest entries take no more than so many bytes.
func (r *recent) within(bytes int) (entries uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for ; entries < min(trailingLogs, r.last); entries++ {
		s := &r.sizes[(r.last-entries)%trailingLogs]
		if bytes -= s.bytes; s.index != r.last-entries || bytes < 0 {
			break
		}
	}
	return entries
}

// watchBounds has a snapshot taken once the log has grown by its bound.
func (l *Log) watchBounds() {
	tick := time.NewTicker(boundsPoll)
	defer tick.Stop()
	for {
		select {
		case <-l.closed:
			return
		case <-tick.C:
		}
		index, size := l.snapshots.newest()
		if l.recent.since(index) < max(l.cfg.bounds.snapshot, int(size)) {
			continue
		}
		if err := l.Snapshot(); err != nil {
			if l.raft.State() != raft.Shutdown {
				l.cfg.Logger.Warn("the log has grown by its bound, but no snapshot could be taken; this is tried again", "error", err)
			}
			continue
		}
		// What grew it is garbage now, and a process that has little to do
		// would keep it for minutes.
		debug.FreeOSMemory()
	}
}

// boundTrail sets what raft keeps of the log as a snapshot is whole.
func (l *Log) boundTrail() {
	r := l.running.Load()
	if r == nil {
		return
	}
	l.reload(r, func(conf *raft.ReloadableConfig) {
		conf.TrailingLogs = max(1, l.recent.within(l.cfg.bounds.trailing))
	})
}
