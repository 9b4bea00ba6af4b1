package store

import (
	"bytes"
	"fmt"
	"io"
	"runtime"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tollgate/tollgate/store/catalog"
	"github.com/tollgate/tollgate/store/quota"
)

// TestSnapshotsStandStill: a snapshot that was taken at any place among commands
// is written as the state was then, however much is applied before and while it
// is written.
func TestSnapshotsStandStill(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		type kept struct {
			snapshot *snapshot
			want     []byte
		}
		var all []kept
		m := newMachine(func(string, uint64) {}, nil)
		for i := range rapid.IntRange(1, 30).Draw(t, "commands") {
			applied(t, m, uint64(i+1), genCommand(t))
			if rapid.Bool().Draw(t, "snapshot") {
				want := persisted(t, m)
				copied, err := m.snapshot()
				if err != nil {
					t.Fatal(err)
				}
				all = append(all, kept{copied, want})
			}
		}
		late := make(chan []byte, len(all))
		for _, k := range all {
			go func() {
				var b bytes.Buffer
				_, _ = k.snapshot.WriteTo(&b)
				if !bytes.Equal(b.Bytes(), k.want) {
					late <- b.Bytes()
				}
				late <- nil
			}()
		}
		for i := range 10 {
			applied(t, m, uint64(100+i), genCommand(t))
		}
		for range all {
			if b := <-late; b != nil {
				t.Fatalf("a snapshot has changed: %x", b)
			}
		}
	})
}

// crowd is a machine with so many domains, of so many counters and document
// bytes each; every counter has a window and a lease.
func crowd(t testing.TB, domains, counters, document int) *machine {
	t.Helper()
	m := newMachine(func(string, uint64) {}, nil)
	index, seq, id := uint64(0), uint64(0), uint64(0)
	do := func(c Command) {
		index++
		c.Time, c.Term = 1000, 3
		m.Apply(index, 3, c.Append(nil))
	}
	conditions := make([]quota.Condition, counters)
	for i := range conditions {
		conditions[i] = quota.Condition{Endpoint: fmt.Sprintf("GET /things/%d", i), Max: 1_000_000, ResetSeconds: 3600}
	}
	body := bytes.Repeat([]byte("{}"), document/2)
	for i := range domains {
		put := catalog.Put(catalog.Draft{Key: fmt.Sprintf("d%d", i), Document: body, Conditions: conditions}, true)
		do(Command{Kind: KindCatalog, Catalog: &put})
		for part := range slices.Chunk(conditions, 500) {
			seq++
			f := quota.Frame{Node: "n1", Incarnation: 1, Seq: seq}
			for range part {
				id++
				f.Takes = append(f.Takes, take(1, id))
				f.Reports = append(f.Reports, quota.Report{Counter: of(id), Want: 10})
			}
			do(Command{Kind: KindFrames, Leases: leasing, Frames: [][]byte{f.Append(nil)}})
		}
	}
	return m
}

// touch is an entry that changes some counters of the first domain.
func touch(m *machine, index, seq uint64) []byte {
	f := quota.Frame{Node: "n2", Incarnation: 1, Seq: seq}
	for id := range uint64(10) {
		f.Takes = append(f.Takes, take(1, id+1))
	}
	c := Command{Kind: KindFrames, Time: 1000, Term: 3, Leases: leasing, Frames: [][]byte{f.Append(nil)}}
	return c.Append(nil)
}

// allocated is how many bytes f allocates.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// TestSnapshotCost: taking a snapshot costs the same whatever there is to be
// taken; writing it needs little memory, and so does going on meanwhile.
func TestSnapshotCost(t *testing.T) {
	m := crowd(t, 100, 100, 10_000)
	size := uint64(len(persisted(t, m)))
	var s io.WriterTo
	if taking := allocated(func() { s = m.Snapshot() }); taking > 16<<10 {
		t.Errorf("taking a snapshot of %d bytes allocates %d", size, taking)
	}
	if going := allocated(func() { m.Apply(9999, 3, touch(m, 9999, 1)) }); going > 64<<10 {
		t.Errorf("the entry after a snapshot allocates %d bytes", going)
	}
	if writing := allocated(func() { _, _ = s.WriteTo(io.Discard) }); writing > size/4 {
		t.Errorf("writing a snapshot of %d bytes allocates %d", size, writing)
	}
}

// BenchmarkSnapshot is what a snapshot costs: how long Apply is held for it, in
// all, with the entry after it, and how much memory it takes by its size.
func BenchmarkSnapshot(b *testing.B) {
	for _, c := range []struct{ domains, counters, document int }{
		{3000, 33, 1000}, {3000, 334, 1000}, {1000, 10, 100_000},
	} {
		b.Run(fmt.Sprintf("domains=%d/counters=%d/document=%d", c.domains, c.domains*c.counters, c.document), func(b *testing.B) {
			m := crowd(b, c.domains, c.counters, c.document)
			var held, next, wrote time.Duration
			var memory float64
			seq := uint64(0)
			for b.Loop() {
				seq++
				entry := touch(m, 1<<40+seq, seq)
				begin := time.Now()
				s := m.Snapshot()
				took := time.Now()
				m.Apply(1<<40+seq, 3, entry)
				held, next = max(held, took.Sub(begin)), max(next, time.Since(took))
				begin = time.Now()
				var size int64
				bytes := allocated(func() { size, _ = s.WriteTo(io.Discard) })
				wrote, memory = time.Since(begin), float64(bytes)/float64(size)
			}
			b.ReportMetric(held.Seconds()*1e3, "held-ms")
			b.ReportMetric(next.Seconds()*1e3, "next-ms")
			b.ReportMetric(wrote.Seconds()*1e3, "write-ms")
			b.ReportMetric(memory, "memory/size")
		})
	}
}
