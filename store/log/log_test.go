package log

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/raft"
)

// patience is how long a test waits for a state before it fails.
const patience = 30 * time.Second

// tcp is a Network of one port.
type tcp struct{ net.Listener }

func (tcp) Dial(_, addr string, timeout time.Duration) (net.Conn, error) {
	return net.DialTimeout("tcp", addr, timeout)
}

// toy is a Machine that adds up numbers.
type toy struct {
	mu      sync.Mutex
	Entries uint64
	Sum     uint64
	Index   uint64
}

// number is a payload of a toy.
func number(n uint64) []byte { return binary.AppendUvarint(nil, n) }

func (m *toy) Apply(index, _ uint64, payload []byte) any {
	m.mu.Lock()
	defer m.mu.Unlock()
	n, read := binary.Uvarint(payload)
	if read <= 0 {
		panic("no number")
	}
	m.Entries, m.Sum, m.Index = m.Entries+1, m.Sum+n, index
	return m.Sum
}

func (m *toy) Snapshot() io.WriterTo {
	m.mu.Lock()
	defer m.mu.Unlock()
	b, _ := json.Marshal(m)
	return bytes.NewReader(b)
}

func (m *toy) Restore(r io.Reader) (uint64, error) {
	var kept toy
	if err := json.NewDecoder(r).Decode(&kept); err != nil {
		return 0, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.Entries, m.Sum, m.Index = kept.Entries, kept.Sum, kept.Index
	return kept.Index, nil
}

// state is what the toy has come to.
func (m *toy) state() [3]uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return [3]uint64{m.Entries, m.Sum, m.Index}
}

// replica is a log with a toy in it.
type replica struct {
	*Log
	toy *toy
}

// start opens a log in dir and starts a toy in it; set changes its Config.
func start(t *testing.T, id, dir string, set func(*Config)) *replica {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	cfg := Config{
		ID: id, Dir: dir, Network: tcp{ln}, Address: ln.Addr().String(),
		Logger: slog.New(slog.DiscardHandler), Clock: time.Now,
	}
	if set != nil {
		set(&cfg)
	}
	l, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Errorf("closing %s: %v", id, err)
		}
	})
	r := &replica{l, &toy{}}
	if err := l.Start(r.toy); err != nil {
		t.Fatal(err)
	}
	return r
}

// found starts a group of one, which leads.
func found(t *testing.T, id, dir string) *replica {
	t.Helper()
	r := start(t, id, dir, nil)
	if err := r.Bootstrap(); err != nil {
		t.Fatal(err)
	}
	lead(t, r)
	return r
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ok(); {
		if time.Now().After(deadline) {
			t.Fatalf("waited %v, and still not: %s", patience, what)
		}
		time.Sleep(2 * time.Millisecond) // between two looks, not for a state
	}
}

// lead waits until r leads and has applied what is committed.
func lead(t *testing.T, r *replica) {
	t.Helper()
	eventually(t, "the replica leads", func() bool {
		_, _, err := r.ReadIndex(t.Context())
		return err == nil
	})
}

// add proposes a number and returns the sum.
func (r *replica) add(ctx context.Context, n uint64) (uint64, error) {
	sum, err := r.Propose(number(n)).Wait(ctx)
	if err != nil {
		return 0, err
	}
	return sum.(uint64), nil
}

// TestTwoGroups: a second log, with a machine of its own, is a matter of opening
// it: two live side by side in one process, and each is read back by itself.
func TestTwoGroups(t *testing.T) {
	t.Parallel()
	dirs := [2]string{t.TempDir(), t.TempDir()}
	var want [2][3]uint64
	for i := range dirs {
		r := found(t, "n1", dirs[i])
		for n := range uint64(5 + i) {
			if _, err := r.add(t.Context(), n*10); err != nil {
				t.Fatal(err)
			}
		}
		if i == 0 {
			if err := r.Snapshot(); err != nil {
				t.Fatal(err)
			}
		}
		want[i] = r.toy.state()
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if want[0][1] != 100 || want[1][1] != 150 {
		t.Fatalf("the sums are %v", want)
	}
	for i := range dirs {
		r := start(t, "n1", dirs[i], nil)
		lead(t, r)
		if got := r.toy.state(); got != want[i] {
			t.Errorf("group %d: entries, sum, index are %v, were %v", i, got, want[i])
		}
		if r.Incarnation() != 2 || r.Applied() != want[i][2] {
			t.Errorf("group %d: incarnation %d, applied %d", i, r.Incarnation(), r.Applied())
		}
	}
}

// TestNotStarted: a log that was opened and not started closes, and keeps what
// was put beside it.
func TestNotStarted(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for i := range 2 {
		l, err := Open(Config{ID: "n1", Dir: dir, Logger: slog.New(slog.DiscardHandler), Clock: time.Now})
		if err != nil {
			t.Fatal(err)
		}
		v, err := l.Stable([]byte("key"))
		if err != nil || i == 0 && v != nil || i == 1 && string(v) != "value" {
			t.Errorf("start %d: %q, %v", i, v, err)
		}
		if err := errors.Join(l.SetStable([]byte("key"), []byte("value")), l.Close()); err != nil {
			t.Error(err)
		}
	}
}

// TestChangesAgainstAnOldConfiguration: a change of the membership that was
// checked against another configuration than the newest is none.
func TestChangesAgainstAnOldConfiguration(t *testing.T) {
	t.Parallel()
	r := found(t, "n1", t.TempDir())
	old := r.Servers()
	if old.Index == 0 || len(old.List) != 1 || !old.List[0].Voter {
		t.Fatalf("a founder's configuration is %+v", old)
	}
	joiner := start(t, "n2", t.TempDir(), nil)
	n2 := Server{ID: "n2", Address: joiner.cfg.Address}
	if err := r.Add(n2, old.Index); err != nil {
		t.Fatal(err)
	}
	now := r.Servers()
	if now.Index <= old.Index || *now.Find("n2") != n2 || now.Find("n3") != nil {
		t.Fatalf("after %+v comes %+v", old, now)
	}
	for name, err := range map[string]error{
		"remove": r.Remove("n2", old.Index),
		"add":    r.Add(Server{ID: "n3", Address: "127.0.0.1:1"}, old.Index),
		"move":   r.Add(Server{ID: "n2", Address: "127.0.0.1:1"}, old.Index),
	} {
		if err == nil {
			t.Errorf("%s was made", name)
		}
	}
	if got := r.Servers(); !reflect.DeepEqual(got, now) {
		t.Errorf("the configuration is %+v, was %+v", got, now)
	}
	if err := r.Remove("n2", now.Index); err != nil || r.Servers().Find("n2") != nil {
		t.Errorf("remove against the newest: %v; %+v", err, r.Servers())
	}
}

// TestTranslate: of each error of raft it is said whether something may have
// happened.
func TestTranslate(t *testing.T) {
	disk := errors.New("disk full")
	for from, want := range map[error]error{
		nil:                                    nil,
		raft.ErrNotLeader:                      ErrNotLeader,
		raft.ErrLeadershipTransferInProgress:   ErrNotLeader,
		raft.ErrEnqueueTimeout:                 ErrNotLeader,
		raft.ErrLeadershipLost:                 ErrUnknownOutcome,
		raft.ErrAbortedByRestore:               ErrUnknownOutcome,
		raft.ErrRaftShutdown:                   ErrClosed,
		disk:                                   ErrUnknownOutcome,
		fmt.Errorf("x: %w", raft.ErrNotLeader): ErrNotLeader,
	} {
		if got := translate(from); !errors.Is(got, want) {
			t.Errorf("%v is told as %v, want %v", from, got, want)
		}
	}
	if got := translate(disk); !strings.Contains(got.Error(), "disk full") {
		t.Errorf("%q does not say what happened", got)
	}
}

// TestLeaderMoved: who listens is told of a leader.
func TestLeaderMoved(t *testing.T) {
	t.Parallel()
	r := start(t, "n1", t.TempDir(), nil)
	if id, addr := r.Leader(); id != "" || addr != "" {
		t.Errorf("an empty log knows a leader: %s at %s", id, addr)
	}
	if err := r.Bootstrap(); err != nil {
		t.Fatal(err)
	}
	timeout := time.After(patience)
	for id := ""; id != "n1"; id, _ = r.Leader() {
		select {
		case <-r.LeaderMoved():
		case <-timeout:
			t.Fatal("nobody is told of the leader")
		}
	}
	lead(t, r)
	if !r.IsLeader() || r.Role() != "leader" || r.Term() == 0 {
		t.Errorf("leader %t, role %s, term %d", r.IsLeader(), r.Role(), r.Term())
	}
}

// TestProgress: everybody who waits for an index that is reached goes on,
// nobody else; and who has given up is forgotten.
func TestProgress(t *testing.T) {
	var p Progress
	ended := func(c <-chan struct{}) bool {
		select {
		case <-c:
			return true
		default:
			return false
		}
	}
	wait := func(i uint64) <-chan struct{} {
		c, _ := p.wait(i)
		return c
	}
	three, five, fiveToo := wait(3), wait(5), wait(5)
	if !ended(wait(0)) || ended(three) {
		t.Error("at 0, only waiting for 0 has ended")
	}
	p.Reach(4)
	if !ended(three) || ended(five) || !ended(wait(4)) {
		t.Error("at 4, waiting for 3 and 4 has ended, for 5 not")
	}
	p.Reach(2) // an index only grows
	if !ended(wait(4)) {
		t.Error("the index ran back")
	}
	p.Reach(7)
	if !ended(five) || !ended(fiveToo) || p.Index() != 7 {
		t.Error("at 7, waiting for 5 has ended for all")
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	for range 3 {
		if err := p.Wait(gone, 1<<40); err != context.Canceled {
			t.Errorf("waiting for what never comes: %v", err)
		}
	}
	if n := len(p.waits); n != 0 {
		t.Errorf("%d waits that were given up are kept", n)
	}
}

// TestNoStampBeforeTheClocks: a leader stamps nothing until it knows what time
// it is for the others. It asks them without a lock held: nobody who asks for
// something else waits for the answer.
func TestNoStampBeforeTheClocks(t *testing.T) {
	t.Parallel()
	r := start(t, "n1", t.TempDir(), nil)
	var known atomic.Bool
	asked, answer := make(chan struct{}, 100), make(chan struct{}, 100)
	r.CorrectClock(func() (time.Duration, bool) {
		asked <- struct{}{}
		<-answer
		return time.Hour, known.Load()
	})
	if err := r.Bootstrap(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the log leads", r.IsLeader)
	type stamped struct {
		Stamp
		err error
	}
	results := make(chan stamped, 2)
	for range 2 {
		go func() {
			s, err := r.Stamp()
			results <- stamped{s, err}
		}()
	}
	<-asked
	locked := make(chan struct{})
	go func() {
		r.stamps.mu.Lock()
		defer r.stamps.mu.Unlock()
		close(locked)
	}()
	select {
	case <-locked:
	case <-time.After(patience):
		t.Error("the others are asked with the lock held")
	}
	for range 2 {
		answer <- struct{}{}
	}
	for range 2 {
		if s := <-results; s.err != ErrNotLeader {
			t.Errorf("without a clock: %+v", s)
		}
	}
	known.Store(true)
	close(answer)
	lead(t, r)
	s, err := r.Stamp()
	if err != nil || s.Term != r.Term() || s.Time < time.Now().Add(time.Hour-time.Minute).UnixMilli() {
		t.Errorf("%+v, %v", s, err)
	}
	for len(asked) > 0 {
		<-asked
	}
	if _, err := r.Stamp(); err != nil || len(asked) != 0 {
		t.Errorf("asked again in the term, %v", err)
	}
}

// TestCloseWhileAsking: a log that is closed while it asks for the time lets go
// of who waits for a stamp.
func TestCloseWhileAsking(t *testing.T) {
	t.Parallel()
	r := start(t, "n1", t.TempDir(), nil)
	asked, answer := make(chan struct{}, 100), make(chan struct{})
	r.CorrectClock(func() (time.Duration, bool) {
		asked <- struct{}{}
		<-answer
		return 0, true
	})
	if err := r.Bootstrap(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the log leads", r.IsLeader)
	failed := make(chan error, 1)
	go func() {
		_, err := r.Stamp()
		failed <- err
	}()
	<-asked
	go func() { _ = r.Close() }()
	if err := <-failed; err != ErrClosed {
		t.Errorf("the stamp of a closed log: %v", err)
	}
	close(answer)
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}

// sink is a snapshot's destination that can fail.
type failingSink struct {
	bytes.Buffer
	writeErr, closeErr error
	cancelled, closed  int
}

func (b *failingSink) Write(p []byte) (int, error) {
	if b.writeErr != nil {
		n, _ := b.Buffer.Write(p[:len(p)/2])
		return n, b.writeErr
	}
	return b.Buffer.Write(p)
}
func (b *failingSink) Close() error  { b.closed++; return b.closeErr }
func (b *failingSink) Cancel() error { b.cancelled++; return nil }
func (b *failingSink) ID() string    { return "snapshot" }

// TestPersistCancels: a snapshot that could not be written whole must never
// look like one.
func TestPersistCancels(t *testing.T) {
	f := fsm{machine: &toy{}}
	persist := func(sink raft.SnapshotSink) error {
		s, err := f.Snapshot()
		if err != nil {
			t.Fatal(err)
		}
		defer s.Release()
		return s.Persist(sink)
	}
	full := errors.New("no space left on device")
	sink := &failingSink{writeErr: full}
	if err := persist(sink); !errors.Is(err, full) || sink.cancelled != 1 || sink.closed != 0 {
		t.Errorf("a write fails: %v; cancelled %d times, closed %d times", err, sink.cancelled, sink.closed)
	}
	sink = &failingSink{closeErr: full}
	if err := persist(sink); !errors.Is(err, full) || sink.closed != 1 {
		t.Errorf("the close fails: %v; closed %d times", err, sink.closed)
	}
	sink = &failingSink{}
	if err := persist(sink); err != nil || sink.closed != 1 || sink.cancelled != 0 {
		t.Errorf("%v; cancelled %d times, closed %d times", err, sink.cancelled, sink.closed)
	}
}

// closer notes that it was closed.
type closer struct {
	io.Reader
	closed bool
}

func (c *closer) Close() error { c.closed = true; return nil }

// TestRestore: who waits for an entry of the snapshot goes on, and the
// snapshot's file does not stay open, whatever is in it.
func TestRestore(t *testing.T) {
	f := fsm{machine: &toy{}}
	f.configured.Store(9)
	for _, text := range []string{"garbage", `{"Index":7}`} {
		source := &closer{Reader: strings.NewReader(text)}
		if err := f.Restore(source); (err == nil) != (text != "garbage") || !source.closed {
			t.Errorf("%s: %v, closed %t", text, err, source.closed)
		}
		want, configured := uint64(0), uint64(9)
		if text != "garbage" {
			want, configured = 7, 0
		}
		if got := f.applied.Index(); got != want || f.configured.Load() != configured {
			t.Errorf("%s: applied %d, membership of %d", text, got, f.configured.Load())
		}
	}
}
