package log

import (
	"sync"
	"time"

	"github.com/hashicorp/raft"
)

// snapshots is a store of snapshots that knows the newest one.
type snapshots struct {
	raft.SnapshotStore
	// written is called when a snapshot is whole, before raft cuts the log.
	written func()

	mu    sync.Mutex
	index uint64
	term  uint64
	size  int64
	took  time.Duration
}

func newSnapshots(store raft.SnapshotStore, written func()) (*snapshots, error) {
	list, err := store.List()
	s := &snapshots{SnapshotStore: store, written: written}
	if len(list) > 0 {
		s.index, s.term, s.size = list[0].Index, list[0].Term, list[0].Size
	}
	return s, err
}

// newest is the index and the size of the newest snapshot; 0 where there is none.
func (s *snapshots) newest() (index uint64, size int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.index, s.size
}

// end is the index and the term of the entry that the newest snapshot ends with.
func (s *snapshots) end() (index, term uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.index, s.term
}

// duration is how long the newest snapshot took to write, 0 where this process
// has written none.
func (s *snapshots) duration() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.took
}

// Create implements raft.SnapshotStore.
func (s *snapshots) Create(version raft.SnapshotVersion, index, term uint64, configuration raft.Configuration, configurationIndex uint64, trans raft.Transport) (raft.SnapshotSink, error) {
	sink, err := s.SnapshotStore.Create(version, index, term, configuration, configurationIndex, trans)
	if err != nil {
		return nil, err
	}
	return &measured{SnapshotSink: sink, store: s, index: index, term: term, begin: time.Now()}, nil
}

// measured is a snapshot that is being written.
type measured struct {
	raft.SnapshotSink
	store *snapshots
	index uint64
	term  uint64
	size  int64
	begin time.Time
	// closed is set once it is whole.
	closed bool
}

// Write implements io.Writer.
func (m *measured) Write(b []byte) (int, error) {
	n, err := m.SnapshotSink.Write(b)
	m.size += int64(n)
	return n, err
}

// Close implements io.Closer: the snapshot is whole. Raft closes some twice.
func (m *measured) Close() error {
	err := m.SnapshotSink.Close()
	if err != nil || m.closed {
		return err
	}
	m.closed = true
	m.store.mu.Lock()
	m.store.index, m.store.term, m.store.size, m.store.took = m.index, m.term, m.size, time.Since(m.begin)
	m.store.mu.Unlock()
	m.store.written()
	return nil
}
