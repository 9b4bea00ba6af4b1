//go:build unix

package proxy

import (
	"context"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/tollgate/tollgate/proxy/accesslog"
)

// BenchmarkFullAgainstBare compares the CPU time of a request through every
// plugin with that of a bare proxy. The two take turns in one run, so that what
// else the machine does hits both; "direct" is the client and the endpoint
// server alone, which are in both figures and not the gateway's.
//
// It reports medians over the rounds: CPU µs a request of the gateway itself
// (less direct), and full in percent of bare. Give it -benchtime 50x or more.
func BenchmarkFullAgainstBare(b *testing.B) {
	g := leanGateway(b, nil)
	request := map[string][]byte{}
	for _, p := range paths {
		request[p.name] = []byte(p.request)
	}
	end := []byte("\r\n\r\nok")
	kinds := []*load{
		newLoad(b, blunt(b)[len("http://"):], request["plain"], end),
		newLoad(b, g.addr, request["plain"], end),
		newLoad(b, g.addr, request["full"], end),
	}
	for _, l := range kinds {
		l.round(b) // buffers find their size
	}
	var bare, full, ratio []float64
	for b.Loop() {
		var us [3]float64
		for i, l := range kinds {
			us[i] = l.round(b)
		}
		bare, full = append(bare, us[1]-us[0]), append(full, us[2]-us[0])
		ratio = append(ratio, 100*(us[2]-us[0])/(us[1]-us[0]))
	}
	b.ReportMetric(median(bare), "bare-cpu-µs/req")
	b.ReportMetric(median(full), "full-cpu-µs/req")
	b.ReportMetric(median(ratio), "full-%-of-bare")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkAccessLog compares the CPU time of a bare request with and without an
// access log in a file, in the same way: its writer is part of it.
func BenchmarkAccessLog(b *testing.B) {
	log, err := accesslog.Open(filepath.Join(b.TempDir(), "access.log"), slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = log.Close(context.Background()) }) // it takes everything
	request, end := []byte(paths[0].request), []byte(paths[0].end)
	kinds := []*load{
		newLoad(b, blunt(b)[len("http://"):], request, end),
		newLoad(b, leanGateway(b, nil).addr, request, end),
		newLoad(b, leanGateway(b, log).addr, request, end),
	}
	for _, l := range kinds {
		l.round(b)
	}
	var bare, logged, ratio []float64
	for b.Loop() {
		var us [3]float64
		for i, l := range kinds {
			us[i] = l.round(b)
		}
		bare, logged = append(bare, us[1]-us[0]), append(logged, us[2]-us[0])
		ratio = append(ratio, 100*(us[2]-us[0])/(us[1]-us[0]))
	}
	b.ReportMetric(median(bare), "bare-cpu-µs/req")
	b.ReportMetric(median(logged), "logged-cpu-µs/req")
	b.ReportMetric(median(ratio), "logged-%-of-bare")
	b.ReportMetric(0, "ns/op")
}

func median(list []float64) float64 {
	slices.Sort(list)
	return list[len(list)/2]
}

// load is some clients that send one request over and over.
type load struct {
	clients      []*lean
	request, end []byte
}

func newLoad(b *testing.B, addr string, request, end []byte) *load {
	l := &load{request: request, end: end}
	for range 8 {
		c := newLean(b, addr)
		b.Cleanup(func() { _ = c.Close() })
		l.clients = append(l.clients, c)
	}
	return l
}

// round sends some thousand requests and returns the process's CPU time for
// one of them, in µs.
func (l *load) round(b *testing.B) float64 {
	const each = 500
	before := cpuTime(b)
	var wg sync.WaitGroup
	for _, c := range l.clients {
		wg.Go(func() {
			for range each {
				c.ask(b, l.request, l.end)
			}
		})
	}
	wg.Wait()
	return float64((cpuTime(b) - before).Microseconds()) / float64(each*len(l.clients))
}

func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
