package stats

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/tollgate/tollgate/proxy/callstats"
)

// noon is a time at which a minute, ten minutes and an hour begin, but no day.
const noon = 1_700_049_600 // 2023-11-15T12:00:00Z

// bench is statistics whose clock the test sets. Its run looks at the clock, too: that
// does no harm.
type bench struct {
	*Stats
	t        *testing.T
	dir      string
	maxBytes int64
	now      atomic.Int64
	logs     bytes.Buffer
	mu       sync.Mutex
	recorder *callstats.Recorder
}

// Write is for the log.
func (b *bench) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.logs.Write(p)
}

func (b *bench) logged() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.logs.String()
}

func newBench(t *testing.T) *bench {
	b := &bench{t: t, dir: t.TempDir(), maxBytes: 1 << 30}
	b.now.Store(noon)
	b.start()
	t.Cleanup(func() { b.stop() })
	return b
}

// start opens the statistics in the directory, as a node's start does.
func (b *bench) start() {
	b.t.Helper()
	b.recorder = callstats.New()
	var err error
	b.Stats, err = Open(Config{
		Dir: b.dir, MaxBytes: b.maxBytes, Recorder: b.recorder, Registerer: prometheus.NewRegistry(),
		Clock:  func() time.Time { return time.Unix(b.now.Load(), 0) },
		Logger: slog.New(slog.NewTextHandler(b, nil)),
	})
	if err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) stop() {
	b.t.Helper()
	if err := b.Close(); err != nil {
		b.t.Error(err)
	}
}

// kill ends the statistics as kill -9 does, for their file.
func (b *bench) kill() {
	b.Stats.stop()
	b.wg.Wait()
	if err := b.file.db.Close(); err != nil {
		b.t.Error(err)
	}
	b.file = nil
}

// calls records n calls of 5 ms each, of which a part fails as it is said.
func (b *bench) calls(domain, endpoint string, n, failed int) {
	s := b.recorder.Series(domain, endpoint)
	for i := range n {
		o := callstats.Outcome{Status: 200, Took: 5 * time.Millisecond, BytesOut: 100}
		if i < failed {
			o.Status, o.Code, o.ByGateway = 403, 20004, true
		}
		s.Record(o)
	}
	b.recorder.Retire(s)
}

// at sets the clock and has what ends until then written.
func (b *bench) at(now int64) {
	b.now.Store(now)
	b.Flush(false)
}

// ask asks for the shop from noon on, for a day.
func (b *bench) ask(step int64, endpoint string) []Point {
	b.t.Helper()
	q := Query{Domain: "shop", Endpoint: endpoint, From: noon, To: noon + 86400, Step: step}
	q.Complete(time.Unix(b.now.Load(), 0))
	points, err := b.Query(q)
	if err != nil {
		b.t.Fatal(err)
	}
	return points
}

// check compares points as "minutes behind noon, endpoint: total/failures".
func (b *bench) check(step int64, endpoint string, want ...string) {
	b.t.Helper()
	var got []string
	for _, p := range b.ask(step, endpoint) {
		got = append(got, fmt.Sprintf("%d %s: %d/%d", (p.At-noon)/60, p.Endpoint, p.Total(), p.Failures))
	}
	if !reflect.DeepEqual(got, want) {
		b.t.Errorf("step %d, %q:\n got %q\nwant %q", step, endpoint, got, want)
	}
}

// TestSteps: calls are told at once, and in all steps, through minutes, ten minutes,
// restarts in good order, and kills, which lose the running minute alone.
func TestSteps(t *testing.T) {
	b := newBench(t)
	b.calls("shop", "GET /b", 3, 1)
	b.calls("shop", "GET /a", 2, 2)
	b.calls("shop", "", 1, 1)
	b.calls("shop2", "GET /a", 50, 0)
	b.calls("sho", "GET /a", 50, 0)
	first := []string{"0 : 1/1", "0 GET /a: 2/2", "0 GET /b: 3/1"}
	b.check(60, "", first...)
	b.at(noon + 59)
	b.check(60, "", first...)
	b.at(noon + 61)
	b.check(60, "", first...)
	b.calls("shop", "GET /a", 10, 0)
	b.check(60, "", append(first, "1 GET /a: 10/0")...)
	b.check(600, "", "0 : 1/1", "0 GET /a: 12/2", "0 GET /b: 3/1")
	b.stop()
	b.start()
	b.calls("shop", "GET /a", 5, 0) // in the same minute
	b.check(60, "GET /a", "0 GET /a: 2/2", "1 GET /a: 15/0")
	b.check(60, "GET /nope")
	b.at(noon + 700)
	b.calls("shop", "GET /a", 1, 0)
	b.check(600, "GET /a", "0 GET /a: 17/2", "10 GET /a: 1/0")
	b.check(60, "GET /a", "0 GET /a: 2/2", "1 GET /a: 15/0", "11 GET /a: 1/0")
	b.at(noon + 780)
	b.calls("shop", "GET /a", 100, 0)
	b.kill()
	b.start()
	b.check(600, "GET /a", "0 GET /a: 17/2", "10 GET /a: 1/0")
	b.at(noon + 86400)
	b.calls("shop", "GET /b", 7, 0)
	b.check(86400, "", "-720 : 1/1", "-720 GET /a: 18/2", "-720 GET /b: 3/1", "720 GET /b: 7/0")
	got := b.ask(86400, "GET /a")[0]
	want := callstats.Counts{Successes: 16, Failures: 2, ByGateway: 2, Micros: 18 * 5000, BytesOut: 1800, Refusals: []callstats.Count{{Of: 20004, N: 2}}, Times: got.Times}
	if !reflect.DeepEqual(got.Counts, want) || got.Mean() != 5*time.Millisecond || (got.Quantile(0.99)-5*time.Millisecond).Abs() > 5*time.Millisecond/32 {
		t.Errorf("%+v", got)
	}
	b.at(noon - 600) // a clock that is set back
	b.calls("shop", "GET /b", 1, 0)
	b.at(noon)
	b.check(86400, "GET /b", "-720 GET /b: 4/1", "720 GET /b: 7/0")
}

// TestGap: after a kill the log says since when there are no statistics, and after a stop
// in good order it says nothing.
func TestGap(t *testing.T) {
	b := newBench(t)
	b.calls("shop", "GET /a", 3, 0)
	b.at(noon + 70)
	b.stop()
	b.start()
	if text := b.logged(); strings.Contains(text, "good order") {
		t.Errorf("after a stop: %s", text)
	}
	b.calls("shop", "GET /a", 3, 0)
	b.at(noon + 130)
	b.calls("shop", "GET /a", 5, 0) // these are lost
	b.kill()
	b.start()
	if text := b.logged(); !strings.Contains(text, "did not stop in good order") || !strings.Contains(text, "since=2023-11-15T12:02:00.000Z") {
		t.Errorf("after a kill: %s", text)
	}
}

// TestFrom: from is told, to is not.
func TestFrom(t *testing.T) {
	b := newBench(t)
	for i := range 5 {
		b.calls("shop", "GET /a", i+1, 0)
		b.at(noon + 60*int64(i+1))
	}
	points, err := b.Query(Query{Domain: "shop", From: noon + 60, To: noon + 180, Step: 60})
	if err != nil || len(points) != 2 || points[0].At != noon+60 || points[1].Total() != 3 {
		t.Errorf("%+v, %v", points, err)
	}
}

// TestRetention: what is too old goes, by step, and days stay for two years.
func TestRetention(t *testing.T) {
	b := newBench(t)
	b.calls("shop", "GET /a", 1, 0)
	count := func() (n [3]int) {
		for i, s := range Steps {
			points, err := b.Query(Query{Domain: "shop", From: 0, To: floor(noon+1000*86400, s.Seconds), Step: s.Seconds})
			if err != nil {
				t.Fatal(err)
			}
			n[i] = len(points)
		}
		return n
	}
	for _, c := range []struct {
		after time.Duration
		want  [3]int
	}{
		{time.Minute, [3]int{2, 1, 1}},
		{day, [3]int{3, 2, 2}},
		{day + 2*time.Minute, [3]int{2, 2, 2}},
		{90*day + 20*time.Minute, [3]int{1, 2, 3}},
		{729 * day, [3]int{1, 1, 4}},
		{732 * day, [3]int{1, 2, 3}},
	} {
		b.at(noon + int64(c.after.Seconds()))
		b.calls("shop", "GET /a", 1, 0)
		b.Flush(true)
		if got := count(); got != c.want {
			t.Errorf("after %v: %v points, want %v", c.after, got, c.want)
		}
	}
}

// TestBytes: the file keeps to its bound, the oldest of the finest step goes first, and
// a bound that has become smaller holds from the next start on.
func TestBytes(t *testing.T) {
	b := newBench(t)
	b.stop()
	b.maxBytes = 2 << 20
	b.start()
	const minutes, endpoints = 120, 300
	for i := range int64(minutes) {
		for e := range endpoints {
			b.calls("shop", fmt.Sprintf("GET /things/%d", e), 1, 0)
		}
		b.at(noon + 60*(i+1))
	}
	if size := b.size(); size > float64(b.maxBytes) || size < float64(b.maxBytes)/2 {
		t.Errorf("%v bytes of %d", size, b.maxBytes)
	}
	check := func() {
		t.Helper()
		if n := testutil.ToFloat64(b.metrics.failures); n > 0 {
			t.Fatalf("%v writes failed: %s", n, b.logged())
		}
		ones, tens, days := b.ask(60, ""), b.ask(600, ""), b.ask(86400, "")
		sum := Sum(days)
		if sum.Total() != minutes*endpoints || len(tens) != endpoints*minutes/10 || len(ones) < endpoints || len(ones)%endpoints != 0 || len(ones) == minutes*endpoints ||
			ones[len(ones)-1].At != noon+60*(minutes-1) {
			t.Errorf("%d calls, %d points of ten minutes, %d of one", sum.Total(), len(tens), len(ones))
		}
	}
	check()
	b.stop()
	b.maxBytes = 1 << 20
	b.start()
	if size := b.size(); size > float64(b.maxBytes) {
		t.Errorf("%v bytes of %d", size, b.maxBytes)
	}
	if sum := Sum(b.ask(86400, "")); sum.Total() != minutes*endpoints {
		t.Errorf("%d calls", sum.Total())
	}
}

// TestBytesOfManySteps: where much is kept of the longer steps, the last hour of minutes
// stays.
func TestBytesOfManySteps(t *testing.T) {
	b := newBench(t)
	b.stop()
	b.maxBytes = 1 << 20
	b.start()
	const tens, endpoints = 160, 150
	for i := range int64(tens) {
		for e := range endpoints {
			b.calls("shop", fmt.Sprintf("GET /things/%d", e), 1, 0)
		}
		b.at(noon + 600*(i+1))
	}
	count := func(from, step int64) int {
		points, err := b.Query(Query{Domain: "shop", From: from, To: noon + 600*tens, Step: step})
		if err != nil {
			t.Fatal(err)
		}
		return len(points)
	}
	const last = noon + 600*(tens-1)
	if n := count(last-3540, 60); n != 6*endpoints {
		t.Errorf("%d points in the last hour, want %d", n, 6*endpoints)
	}
	if all, lately := count(noon, 600), count(last-600*59, 600); lately != 60*endpoints || all == tens*endpoints {
		t.Errorf("%d points of ten minutes, %d of the last ten hours", all, lately)
	}
	if size := b.size(); size > float64(b.maxBytes) || testutil.ToFloat64(b.metrics.failures) > 0 {
		t.Errorf("%v bytes: %s", size, b.logged())
	}
}

// TestDamagedFile: a file that is none, cut off, or scribbled over keeps nobody from
// starting: it is set aside, which the log tells.
func TestDamagedFile(t *testing.T) {
	for name, damage := range map[string]func(path string, size int64) error{
		"garbage": func(path string, size int64) error {
			return os.WriteFile(path, bytes.Repeat([]byte("x"), int(size)), 0o600)
		},
		"short":              func(path string, _ int64) error { return os.WriteFile(path, []byte("no"), 0o600) },
		"no more than begun": func(path string, _ int64) error { return os.Truncate(path, 4096) },
		"cut off":            func(path string, size int64) error { return os.Truncate(path, size/2) },
		"scribbled over": func(path string, size int64) error {
			f, err := os.OpenFile(path, os.O_WRONLY, 0)
			if err != nil {
				return err
			}
			defer f.Close()
			_, err = f.WriteAt(bytes.Repeat([]byte{0xa5}, int(size)-8192), 8192)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			for i := range 500 {
				b.calls("shop", fmt.Sprintf("GET /%d", i), 1, 0)
			}
			b.stop()
			path := filepath.Join(b.dir, fileName)
			info, err := os.Stat(path)
			if err == nil {
				err = damage(path, info.Size())
			}
			if err != nil {
				t.Fatal(err)
			}
			b.start()
			b.calls("shop", "GET /a", 3, 0)
			b.at(noon + 60)
			b.check(60, "", "0 GET /a: 3/0")
			if _, err := os.Stat(path + damagedSuffix); err != nil || !strings.Contains(b.logged(), "set aside") {
				t.Errorf("%v, the log: %s", err, b.logged())
			}
		})
	}
}

// TestDamagedWhileOpen: a file that turns out to be damaged later is set aside too, and
// until then the node does not answer with a part of the truth.
func TestDamagedWhileOpen(t *testing.T) {
	b := newBench(t)
	for i := range 500 {
		b.calls("shop", fmt.Sprintf("GET /%d", i), 1, 0)
	}
	b.at(noon + 60)
	if err := os.Truncate(filepath.Join(b.dir, fileName), 4096); err != nil {
		t.Fatal(err)
	}
	if points, err := b.Query(Query{Domain: "shop", From: noon, To: noon + 600, Step: 60}); err == nil {
		t.Errorf("%d points", len(points))
	}
	b.calls("shop", "GET /a", 3, 0)
	b.at(noon + 120)
	b.check(60, "", "1 GET /a: 3/0")
}

// TestFailingDisk: what cannot be written waits, within bounds, is told as far as the
// file can be read, is written once the disk works, and the log says each once.
func TestFailingDisk(t *testing.T) {
	b := newBench(t)
	b.calls("shop", "GET /a", 1, 0)
	b.at(noon + 60)
	if err := b.file.db.Close(); err != nil { // every write fails from now on
		t.Fatal(err)
	}
	for i := range int64(maxPending + 2) {
		b.calls("shop", "GET /a", 1, 0)
		b.at(noon + 60*(i+2))
	}
	if failures, lost := testutil.ToFloat64(b.metrics.failures), testutil.ToFloat64(b.metrics.lost); failures != maxPending+2 || lost != 2 || strings.Count(b.logged(), "level=") != 1 {
		t.Errorf("%v failures, %v minutes lost: %s", failures, lost, b.logged())
	}
	b.writing.Lock()
	err := b.open()
	b.writing.Unlock()
	if err != nil {
		t.Fatal(err)
	}
	b.at(noon + 3600)
	if sum := Sum(b.ask(600, "")); sum.Total() != 1+maxPending || strings.Count(b.logged(), "level=") != 2 || len(b.pending) > 0 {
		t.Errorf("%d calls: %s", sum.Total(), b.logged())
	}
}

// TestNoFile: a file that cannot be opened is tried again with each minute, and what has
// waited for it is added to what it has.
func TestNoFile(t *testing.T) {
	b := newBench(t)
	for i := range int64(5) {
		b.calls("shop", "GET /a", 1, 0)
		b.at(noon + 10*86400 + 60*(i+1))
	}
	b.stop()
	path := filepath.Join(b.dir, fileName)
	away := path + ".away"
	if err := errors.Join(os.Rename(path, away), os.Mkdir(path, 0o700)); err != nil {
		t.Fatal(err)
	}
	b.now.Store(noon)
	b.start()
	b.calls("shop", "GET /a", 4, 0)
	b.at(noon + 60)
	if _, err := b.Query(Query{Domain: "shop", From: noon, To: noon + 600, Step: 60}); err == nil {
		t.Error("it answers without what it has kept")
	}
	if err := errors.Join(os.Remove(path), os.Rename(away, path)); err != nil {
		t.Fatal(err)
	}
	b.now.Store(noon + 120)
	b.writing.Lock()
	err := b.open()
	b.writing.Unlock()
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // before it is written, and behind
		b.check(600, "", "0 GET /a: 5/0") // one of them is from before
		b.Flush(false)
	}
}

// TestWhileWriting: with calls, minutes that end and questions at once, each answer has
// at least what was recorded before it and never more than was recorded at all.
func TestWhileWriting(t *testing.T) {
	b := newBench(t)
	s := b.recorder.Series("shop", "GET /a")
	var begun, done atomic.Uint64
	var wg sync.WaitGroup
	over := make(chan struct{})
	wg.Go(func() {
		for {
			select {
			case <-over:
				return
			default:
				begun.Add(1)
				s.Record(callstats.Outcome{Status: 200})
				done.Add(1)
			}
		}
	})
	wg.Go(func() {
		defer close(over)
		for i := range int64(50) {
			b.at(noon + 60*(i+1))
		}
	})
	defer wg.Wait()
	for asking := true; asking; {
		select {
		case <-over:
			asking = false
		default:
		}
		least := done.Load()
		points, err := b.Query(Query{Domain: "shop", From: 0, To: floor(noon+1000*86400, 86400), Step: 86400})
		if err != nil {
			t.Fatal(err)
		}
		if sum := Sum(points); sum.Total() < least || sum.Total() > begun.Load() {
			t.Fatalf("%d calls, of %d to %d", sum.Total(), least, begun.Load())
		}
	}
}
