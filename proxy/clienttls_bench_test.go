//go:build unix

package proxy

import (
	"crypto/tls"
	"testing"

	"github.com/tollgate/tollgate/proxy/turns"
)

// BenchmarkTLSAgainstPlain compares the CPU time of a request over a kept TLS
// connection with that of one over a plain connection. They take turns in one
// run. What clients and endpoint server take is measured without the gateway,
// plain and over TLS, and taken off: of TLS, half is the client's.
//
// It reports medians over the rounds. Give it -benchtime 50x or more.
func BenchmarkTLSAgainstPlain(b *testing.B) {
	ca := newAuthority(b)
	served := &tls.Config{Certificates: []tls.Certificate{ca.pair("a.example")}, NextProtos: []string{"http/1.1"}, MinVersion: tls.VersionTLS12}
	server := blunt(b)
	plain := startGateway(b, nil, domainOf("plain", server, "GET /members/{id}"))
	secure := startGateway(b, secured(served), domainOf("plain", server, "GET /members/{id}"))
	const request, end = "GET /plain/members/1?x=1" + usual, "\r\n\r\nok"
	kinds := []*turns.Load{
		turns.NewLoad(b, server[len("http://"):], request, end),
		turns.NewLoad(b, bluntTLS(b, served), request, end),
		turns.NewLoad(b, plain.addr, request, end),
		turns.NewLoad(b, secure.addr, request, end),
	}
	for i, l := range kinds {
		if i%2 == 1 {
			for _, c := range l.Clients {
				c.Conn = tls.Client(c.Conn, &tls.Config{RootCAs: ca.pool, ServerName: "a.example"})
			}
		}
	}
	var without, with, ratio, both []float64
	turns.Take(b, kinds, func(us []float64) {
		client := (us[1] - us[0]) / 2
		off, on := us[2]-us[0], us[3]-us[0]-client
		without, with, ratio = append(without, off), append(with, on), append(ratio, 100*on/off)
		both = append(both, us[3]-us[0])
	})
	b.ReportMetric(turns.Median(without), "plain-cpu-µs/req")
	b.ReportMetric(turns.Median(with), "tls-cpu-µs/req")
	b.ReportMetric(turns.Median(ratio), "tls-%-of-plain")
	b.ReportMetric(turns.Median(both), "tls-and-client-cpu-µs/req")
}

// bluntTLS is an endpoint server's address over TLS.
func bluntTLS(b *testing.B, cfg *tls.Config) string {
	ln, err := tls.Listen("tcp", "127.0.0.1:0", cfg)
	if err != nil {
		b.Fatal(err)
	}
	turns.ServeOn(b, ln, "ok")
	return ln.Addr().String()
}

// BenchmarkHandshake is what a new TLS connection and one request on it cost,
// client and gateway together.
func BenchmarkHandshake(b *testing.B) {
	ca := newAuthority(b)
	g := startGateway(b, secured(&tls.Config{Certificates: []tls.Certificate{ca.pair("a.example")}}), domainOf("plain", blunt(b), "GET /members/{id}"))
	request, end := []byte("GET /plain/members/1?x=1"+usual), []byte("\r\n\r\nok")
	before := turns.CPUTime(b)
	for b.Loop() {
		c := turns.Dial(b, g.addr)
		c.Conn = tls.Client(c.Conn, &tls.Config{RootCAs: ca.pool, ServerName: "a.example"})
		c.Ask(b, request, end)
		_ = c.Close()
	}
	b.ReportMetric(float64((turns.CPUTime(b)-before).Microseconds())/float64(b.N), "cpu-µs/op")
}
