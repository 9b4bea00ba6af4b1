package body

import (
	"bytes"
	"errors"
	"io"
	"net/netip"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
)

var (
	alice = netip.MustParseAddr("192.0.2.1")
	bob   = netip.MustParseAddr("192.0.2.2")
)

// TestBudget: together and for each client, and what is given back is free.
func TestBudget(t *testing.T) {
	b := NewBudget(100, 60)
	for _, step := range []struct {
		client netip.Addr
		n      int
		want   bool
	}{
		{alice, 60, true}, {alice, 1, false}, {bob, 41, false}, {bob, 40, true}, {bob, 1, false},
		{alice, -10, true}, {bob, 11, false}, {bob, 10, true}, {bob, -50, true}, {alice, 10, true}, {alice, 1, false}, {alice, -60, true},
	} {
		if step.n < 0 {
			b.Of(step.client).Give(-step.n)
		} else if got := b.Of(step.client).Take(step.n); got != step.want {
			t.Errorf("%v takes %d: %v", step.client, step.n, got)
		}
	}
	if b.Held() != 0 || len(b.clients) != 0 {
		t.Errorf("%d held by %d clients in the end", b.Held(), len(b.clients))
	}
}

// TestCollect: a body is held as it came, in memory that is counted, and none
// of it is left afterwards.
func TestCollect(t *testing.T) {
	b := NewBudget(1<<20, 512<<10)
	s := NewStore(b)
	var h Held
	for _, length := range []int{1, SmallPiece, SmallPiece + 1, 4 * SmallPiece, 4*SmallPiece + 1, 300_000} {
		data := bytes.Repeat([]byte("0123456789abcdefg"), length/17+1)[:length]
		var r Reader
		r.Start(&script{data: data, step: 1000}, int64(length), Limits{})
		if err := h.Collect(s, b.Of(alice), &r, length); err != io.EOF {
			t.Fatalf("%d bytes: %v", length, err)
		}
		if got := bytes.Join(h.Pieces, nil); !bytes.Equal(got, data) {
			t.Errorf("%d bytes: held %d others", length, len(got))
		}
		held := Overhead
		for i := range h.Pieces {
			held += s.memory(i).size
		}
		if b.Held() != int64(held) || held-length >= Overhead+LargePiece {
			t.Errorf("%d bytes: %d counted, %d held", length, b.Held(), held)
		}
		h.Release()
		if b.Held() != 0 {
			t.Errorf("%d bytes: %d left behind", length, b.Held())
		}
	}
	var r Reader
	r.Start(&script{step: 1}, 10, Limits{})
	if err := h.Collect(s, b.Of(alice), &r, 10); err != io.ErrUnexpectedEOF || b.Held() != Overhead {
		t.Errorf("nothing came: %v, %d held", err, b.Held())
	}
	h.Release()
	h.Release()
}

// TestCollectSome: of a longer body a little more than asked for is held, a
// pause ends it early once something has come, and what follows is read into
// the one piece that is kept.
func TestCollectSome(t *testing.T) {
	b := NewBudget(1<<20, 512<<10)
	s := NewStore(b)
	data := bytes.Repeat([]byte("0123456789abcdefg"), 10_000)
	for name, tc := range map[string]struct {
		src       *script
		most      int
		err       error
		have, big int
	}{
		"more than is held": {&script{data: data, step: 1000}, 64 << 10, nil, 64<<10 + 1, 66_000},
		"a pause":           {&script{data: data, step: 1000, pauses: map[int]bool{0: true, 5000: true}}, 64 << 10, ErrPause, 5000, 5000},
	} {
		var h Held
		var r Reader
		r.Start(tc.src, int64(len(data)), Limits{})
		if err := h.Collect(s, b.Of(alice), &r, tc.most); err != tc.err {
			t.Fatalf("%s: %v", name, err)
		}
		got := bytes.Join(h.Pieces, nil)
		if len(got) < tc.have || len(got) > tc.big {
			t.Errorf("%s: %d bytes are held", name, len(got))
		}
		kept := h.Keep()
		if want := int64(Overhead + cap(kept)); b.Held() != want {
			t.Errorf("%s: %d counted, want %d", name, b.Held(), want)
		}
		for {
			n, err := r.Read(kept)
			got = append(got, kept[:n]...)
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
		if !bytes.Equal(got, data) || !r.Ended() {
			t.Errorf("%s: %d bytes came, ended %v", name, len(got), r.Ended())
		}
		h.Release()
		if b.Held() != 0 {
			t.Errorf("%s: %d left behind", name, b.Held())
		}
	}
}

// TestCollectTooMuch: a body that the budget has no room for is given up, and
// what it held is free again.
func TestCollectTooMuch(t *testing.T) {
	b := NewBudget(1<<20, 256<<10)
	s := NewStore(b)
	var h Held
	var r Reader
	r.Start(&dataOnly{}, 1<<30, Limits{})
	if err := h.Collect(s, b.Of(alice), &r, 1<<30); !errors.Is(err, ErrNoMemory) {
		t.Errorf("%v, want that the memory is used up", err)
	}
	if held := b.Held(); held > 256<<10 || held < 192<<10 {
		t.Errorf("%d bytes held at the end of the budget", held)
	}
	h.Release()
	if b.Held() != 0 {
		t.Errorf("%d left behind", b.Held())
	}
}

// dataOnly is a Source of zeros.
type dataOnly struct{ b [100]byte }

func (d *dataOnly) Buffered() []byte           { return d.b[:] }
func (d *dataOnly) Discard(int)                {}
func (d *dataOnly) Fill() error                { return nil }
func (d *dataOnly) Read(p []byte) (int, error) { return len(p), nil }

// TestMemoryGoesBack: what bodies have held is the system's again, without a
// garbage collection.
func TestMemoryGoesBack(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("memory is measured on Linux only")
	}
	const total = 64 << 20
	b := NewBudget(total, total)
	s := NewStore(b)
	before := resident(t)
	var bodies [8]Held
	var wg sync.WaitGroup
	for i := range bodies {
		wg.Go(func() {
			var r Reader
			r.Start(&dataOnly{}, 1<<30, Limits{})
			_ = bodies[i].Collect(s, b.Of(alice), &r, 1<<30)
			for _, p := range bodies[i].Pieces {
				for j := 0; j < len(p); j += 1 << 10 {
					p[j] = 1
				}
			}
		})
	}
	wg.Wait()
	full := resident(t)
	if grown := full - before; grown < total*3/4 || grown > total*5/4 {
		t.Errorf("bodies of %d MiB take %d MiB", total>>20, grown>>20)
	}
	for i := range bodies {
		bodies[i].Release()
	}
	if left := resident(t) - before; left > s.small.warmest+s.large.warmest+4<<20 {
		t.Errorf("%d KiB of %d MiB are left", left>>10, total>>20)
	}
}

// resident is the memory that this process has in use.
func resident(t testing.TB) int {
	t.Helper()
	raw, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Fatal(err)
	}
	pages, err := strconv.Atoi(strings.Fields(string(raw))[1])
	if err != nil {
		t.Fatal(err)
	}
	return pages * os.Getpagesize()
}

// TestAllocations: a body that is held costs none once pieces are there.
func TestAllocations(t *testing.T) {
	b := NewBudget(1<<20, 1<<20)
	s := NewStore(b)
	var h Held
	data := make([]byte, 100<<10)
	src := &script{data: data, step: 4 << 10}
	var r Reader
	if n := testing.AllocsPerRun(100, func() {
		src.r, src.w = 0, 0
		r.Start(src, int64(len(data)), Limits{})
		if err := h.Collect(s, b.Of(bob), &r, len(data)); err != io.EOF {
			t.Fatal(err)
		}
		h.Release()
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzCollect: a body that is held in part, and read on behind that, is the one
// that came, wherever it pauses; and one that is malformed or cut off is never
// whole.
func FuzzCollect(f *testing.F) {
	for _, s := range []string{"3\r\nabc\r\n0\r\n\r\n", "3;a=b\r\nabc\r\n14\r\n01234567890123456789\r\n0\r\nX: y\r\n\r\n", "3\r\nabc\r\n0\r\n", "3\r\nabcd\r\n0\r\n\r\n"} {
		f.Add([]byte(s), byte(1), byte(2), uint16(5))
		f.Add([]byte(s), byte(7), byte(3), uint16(0))
	}
	f.Fuzz(func(t *testing.T, data []byte, step, every byte, most uint16) {
		src := &script{data: data, step: max(1, int(step)), pauses: map[int]bool{}}
		for at := 0; every > 0 && at < len(data); at += int(every) {
			src.pauses[at] = true
		}
		b := NewBudget(1<<30, 1<<30)
		var r Reader
		r.Start(src, Chunked, testLimits)
		var h Held
		err := h.Collect(NewStore(b), b.Of(alice), &r, int(most))
		got := bytes.Join(h.Pieces, nil)
		if err == nil || err == ErrPause {
			if len(got) == 0 {
				t.Fatalf("%q: %v with nothing held", data, err)
			}
			buf := h.Keep()
			for err = nil; err == nil || err == ErrPause; {
				var n int
				n, err = r.Read(buf)
				got = append(got, buf[:n]...)
			}
		}
		want, _, whole := slowly(data, testLimits)
		if (err == io.EOF) != whole || whole && !bytes.Equal(got, want) {
			t.Fatalf("%q: %q, %v, want %q, %v", data, got, err, want, whole)
		}
		h.Release()
		if b.Held() != 0 {
			t.Fatalf("%q: %d bytes stay held", data, b.Held())
		}
	})
}
