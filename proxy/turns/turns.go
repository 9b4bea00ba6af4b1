//go:build unix

package turns

import (
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"
)

// clients send a kind's requests at once, each of them so many in a round.
const clients, each = 8, 500

// Load is some clients that send one request over and over.
type Load struct {
	// Clients may be given other connections before the first round.
	Clients      []*Client
	request, end []byte
}

// NewLoad connects clients to an address. Their request is answered with
// something that ends as end does.
func NewLoad(b *testing.B, addr, request, end string) *Load {
	l := &Load{request: []byte(request), end: []byte(end)}
	for range clients {
		c := Dial(b, addr)
		b.Cleanup(func() { _ = c.Close() })
		l.Clients = append(l.Clients, c)
	}
	return l
}

// round sends some thousand requests and returns the process's CPU time for
// one of them, in µs.
func (l *Load) round(b *testing.B) float64 {
	before := CPUTime(b)
	var wg sync.WaitGroup
	for _, c := range l.Clients {
		wg.Go(func() {
			for range each {
				c.Ask(b, l.request, l.end)
			}
		})
	}
	wg.Wait()
	return float64((CPUTime(b) - before).Microseconds()) / float64(each*len(l.Clients))
}

// Take has the kinds take turns for as long as b wants, and gives one round of
// all, in µs a request, to each. Give a benchmark -benchtime 50x or more.
func Take(b *testing.B, kinds []*Load, round func(us []float64)) {
	us := make([]float64, len(kinds))
	for _, l := range kinds {
		l.round(b) // buffers find their size
	}
	for b.Loop() {
		for i, l := range kinds {
			us[i] = l.round(b)
		}
		round(us)
	}
	b.ReportMetric(0, "ns/op")
}

// Compare reports the medians of what a request costs without and with
// something, and of the second in percent of the first. What the client and the
// endpoint server take alone, direct, is not the gateway's, and is taken off.
func Compare(b *testing.B, direct, without, with *Load, nameWithout, nameWith string) {
	var off, on, ratio []float64
	Take(b, []*Load{direct, without, with}, func(us []float64) {
		off, on = append(off, us[1]-us[0]), append(on, us[2]-us[0])
		ratio = append(ratio, 100*(us[2]-us[0])/(us[1]-us[0]))
	})
	b.ReportMetric(Median(off), nameWithout+"-cpu-µs/req")
	b.ReportMetric(Median(on), nameWith+"-cpu-µs/req")
	b.ReportMetric(Median(ratio), nameWith+"-%-of-"+nameWithout)
}

// Median sorts the list.
func Median(list []float64) float64 {
	slices.Sort(list)
	return list[len(list)/2]
}

// CPUTime is what the process has taken so far.
func CPUTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
