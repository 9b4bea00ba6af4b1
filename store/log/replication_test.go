package log

import (
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/raft"
)

// faultyLog is a log that refuses or holds up writes.
type faultyLog struct {
	raft.LogStore
	refuse atomic.Int64 // so many writes
	held   atomic.Pointer[chan struct{}]
}

var errFull = errors.New("no space left on device")

func (f *faultyLog) StoreLogs(l []*raft.Log) error {
	if held := f.held.Load(); held != nil {
		<-*held
	}
	if f.refuse.Add(-1) >= 0 {
		return errFull
	}
	return f.LogStore.StoreLogs(l)
}

// faulty starts a log that is faulty at will.
func faulty(t *testing.T, id string) (*replica, *faultyLog) {
	t.Helper()
	f := &faultyLog{}
	return start(t, id, t.TempDir(), func(cfg *Config) {
		cfg.DiskTimeout = 300 * time.Millisecond
		cfg.wrapLog = func(l raft.LogStore) raft.LogStore {
			f.LogStore = l
			return f
		}
	}), f
}

// trio is three replicas of one group, n1 founded it.
func trio(t *testing.T) (group [3]*replica, logs [3]*faultyLog) {
	t.Helper()
	for i, id := range []string{"n1", "n2", "n3"} {
		group[i], logs[i] = faulty(t, id)
	}
	together(t, group)
	return group, logs
}

// together makes one group of three.
func together(t *testing.T, group [3]*replica) {
	t.Helper()
	if err := group[0].Bootstrap(); err != nil {
		t.Fatal(err)
	}
	lead(t, group[0])
	for _, r := range group[1:] {
		eventually(t, r.cfg.ID+" is a member", func() bool {
			return leaderOf(t, group[:]).Add(Server{ID: r.cfg.ID, Address: r.cfg.Address, Voter: true}, 0) == nil
		})
	}
}

// leaderOf waits until one of the replicas leads.
func leaderOf(t *testing.T, group []*replica) (leader *replica) {
	t.Helper()
	eventually(t, "a leader", func() bool {
		for _, s := range group {
			if s.IsLeader() {
				leader = s
			}
		}
		return leader != nil
	})
	return leader
}

// TestRejectedEntry: a follower that rejects entries in the middle of a load, as
// with a full disk, gets them again, and the load goes on. Where raft pipelines,
// the follower is left without entries, and with two of them nothing is committed
// any more.
func TestRejectedEntry(t *testing.T) {
	t.Parallel()
	group, logs := trio(t)
	stop := make(chan struct{})
	var load sync.WaitGroup
	var committed atomic.Int64
	for range 64 {
		load.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				tried := false
				for _, s := range group {
					if s.IsLeader() {
						tried = true
						if _, err := s.add(t.Context(), 1); err == nil {
							committed.Add(1)
						}
					}
				}
				if !tried {
					time.Sleep(time.Millisecond) // leave the cores to the election
				}
			}
		})
	}
	for range 300 {
		for i, s := range group {
			if !s.IsLeader() {
				logs[i].refuse.Store(1)
			}
		}
		before := committed.Load()
		eventually(t, "the load goes on", func() bool { return committed.Load() > before+5 })
	}
	close(stop)
	load.Wait()
	for i := range logs {
		logs[i].refuse.Store(0)
	}
	eventually(t, "all have all of the log", func() bool {
		for _, s := range group[1:] {
			if s.toy.state() != group[0].toy.state() {
				return false
			}
		}
		return true
	})
}

// TestStalls: a member that answers and stands still while the log grows is found,
// once, and nobody else is.
func TestStalls(t *testing.T) {
	t.Parallel()
	members := []raft.Server{{ID: "n2"}}
	for _, c := range []struct {
		name string
		// matched and last are the member's index and the log's end at second s,
		// silent whether it answers.
		matched, last func(s uint64) uint64
		silent        bool
		found         bool
	}{
		{"it follows", func(s uint64) uint64 { return 10 * s }, func(s uint64) uint64 { return 10*s + 5 }, false, false},
		{"it stands still", func(uint64) uint64 { return 7 }, func(s uint64) uint64 { return 10 + s }, false, true},
		{"it has all", func(uint64) uint64 { return 7 }, func(uint64) uint64 { return 7 }, false, false},
		{"nothing is written", func(uint64) uint64 { return 7 }, func(uint64) uint64 { return 9 }, false, false},
		{"it is down", func(uint64) uint64 { return 7 }, func(s uint64) uint64 { return 10 + s }, true, false},
		{"it moves now and then", func(s uint64) uint64 { return s / 2 }, func(s uint64) uint64 { return 10 + s }, false, false},
	} {
		var seen stalls
		var found int
		begin := time.Now()
		for s := range uint64(20) {
			now := begin.Add(time.Duration(s) * time.Second)
			newly, standing := seen.look(now, 3, c.last(s), members, func(raft.ServerID, uint64) peerProgress {
				p := peerProgress{term: 3, matched: c.matched(s), answered: now}
				if c.silent {
					p.answered = begin.Add(-time.Hour)
				}
				return p
			})
			found += len(newly)
			if c.found && s > 10 && standing != 1 {
				t.Errorf("%s: %d stand still", c.name, standing)
			}
		}
		if want := map[bool]int{true: 1}[c.found]; found != want {
			t.Errorf("%s: found %d times, want %d", c.name, found, want)
		}
	}
}

// TestReset: a reset closes the connections to one node.
func TestReset(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	n := newRaftNetwork(Config{ID: "n1", Network: tcp{ln}}, nil)
	dial := func(id string) net.Conn {
		c, err := n.Dial(raft.ServerAddress(named(id, ln.Addr().String())), patience)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c
	}
	reset, other := dial("n2"), dial("n3")
	n.reset("n2")
	if _, err := reset.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
		t.Errorf("after the reset: %v", err)
	}
	if _, err := other.Write([]byte("x")); err != nil {
		t.Errorf("the other node's: %v", err)
	}
	if _, err := n.Dial("127.0.0.1:1", patience); !errors.Is(err, errNoServer) {
		t.Errorf("an address without an ID: %v", err)
	}
}

// TestHungDisk: a leader whose disk hangs is given up; a follower is not, because
// nobody waits for it.
func TestHungDisk(t *testing.T) {
	t.Parallel()
	group, logs := trio(t)
	leader := leaderOf(t, group[:])
	for i, s := range group {
		if s == leader {
			held := make(chan struct{})
			logs[i].held.Store(&held)
			defer close(held)
			defer logs[i].held.Store(nil)
		}
	}
	go func() { _, _ = leader.add(t.Context(), 1) }()
	select {
	case err := <-leader.Failed():
		if !errors.Is(err, ErrDiskHung) {
			t.Error(err)
		}
	case <-time.After(patience):
		t.Error("the leader goes on leading")
	}
	for _, s := range group {
		if s != leader && len(s.Failed()) > 0 {
			t.Errorf("%s was given up", s.cfg.ID)
		}
	}
}

// TestTransferToNobody: leadership that is to go to a member that is down stays, and the
// leader goes on to take entries, however often it is asked. Raft waits for that
// member's sender, and takes no entries while a transfer is under way.
func TestTransferToNobody(t *testing.T) {
	t.Parallel()
	group, _ := trio(t)
	leader := leaderOf(t, group[:])
	var down *replica
	for _, r := range group {
		if r != leader {
			down = r
		}
	}
	if err := down.Close(); err != nil {
		t.Fatal(err)
	}
	to := Server{ID: down.cfg.ID, Address: down.cfg.Address, Voter: true}
	for range 4 {
		term, refused := uint64(0), 0
		eventually(t, "an entry is taken", func() bool {
			leader = leaderOf(t, group[:])
			if _, err := leader.add(t.Context(), 1); err == nil {
				return true
			}
			if now := leader.Term(); now != term {
				term, refused = now, 0
			}
			if refused++; refused > 1000 { // a transfer ends within 300 ms
				t.Fatalf("%s leads in term %d, and takes no entries", leader.cfg.ID, term)
			}
			return false
		})
		if err := leader.Transfer(&to); err == nil && leader.IsLeader() {
			t.Error("leadership went to a member that is down")
		}
	}
}
