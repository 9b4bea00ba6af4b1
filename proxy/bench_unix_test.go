//go:build unix

package proxy

import (
	"context"
	"log/slog"
	"path/filepath"
	"testing"

	"github.com/tollgate/tollgate/proxy/accesslog"
	"github.com/tollgate/tollgate/proxy/callstats"
	"github.com/tollgate/tollgate/proxy/turns"
)

// BenchmarkFullAgainstBare compares the CPU time of a request through every
// plugin with that of a bare proxy. "Direct" is the client and the endpoint
// server alone, which are in both figures and not the gateway's.
//
// It reports medians over the rounds: CPU µs a request of the gateway itself
// (less direct), and full in percent of bare. Give it -benchtime 50x or more.
func BenchmarkFullAgainstBare(b *testing.B) {
	g := leanGateway(b, nil, nil)
	request := map[string]string{}
	for _, p := range paths {
		request[p.name] = p.request
	}
	const end = "\r\n\r\nok"
	turns.Compare(b, turns.NewLoad(b, turns.Serve(b, "ok"), request["plain"], end),
		turns.NewLoad(b, g.addr, request["plain"], end), turns.NewLoad(b, g.addr, request["full"], end), "bare", "full")
}

// BenchmarkAccessLog compares the CPU time of a bare request with and without an
// access log in a file, in the same way: its writer is part of it.
func BenchmarkAccessLog(b *testing.B) {
	log, err := accesslog.Open(filepath.Join(b.TempDir(), "access.log"), slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = log.Close(context.Background()) }) // it takes everything
	request, end := paths[0].request, paths[0].end
	turns.Compare(b, turns.NewLoad(b, turns.Serve(b, "ok"), request, end),
		turns.NewLoad(b, leanGateway(b, nil, nil).addr, request, end), turns.NewLoad(b, leanGateway(b, log, nil).addr, request, end), "bare", "logged")
}

// BenchmarkStats compares the CPU time of a bare request with and without statistics,
// in the same way.
func BenchmarkStats(b *testing.B) {
	request, end := paths[0].request, paths[0].end
	turns.Compare(b, turns.NewLoad(b, turns.Serve(b, "ok"), request, end),
		turns.NewLoad(b, leanGateway(b, nil, nil).addr, request, end), turns.NewLoad(b, leanGateway(b, nil, callstats.New()).addr, request, end), "bare", "counted")
}
