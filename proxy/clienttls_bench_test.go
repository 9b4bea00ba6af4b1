//go:build unix

package proxy

import (
	"crypto/tls"
	"net"
	"testing"
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
	request, end := []byte("GET /plain/members/1?x=1"+usual), []byte("\r\n\r\nok")
	kinds := []*load{
		newLoad(b, server[len("http://"):], request, end),
		newLoad(b, bluntTLS(b, served, end), request, end),
		newLoad(b, plain.addr, request, end),
		newLoad(b, secure.addr, request, end),
	}
	for i, l := range kinds {
		if i%2 == 1 {
			for _, c := range l.clients {
				c.Conn = tls.Client(c.Conn, &tls.Config{RootCAs: ca.pool, ServerName: "a.example"})
			}
		}
		l.round(b) // buffers find their size
	}
	var without, with, ratio, both []float64
	for b.Loop() {
		var us [4]float64
		for i, l := range kinds {
			us[i] = l.round(b)
		}
		client := (us[1] - us[0]) / 2
		off, on := us[2]-us[0], us[3]-us[0]-client
		without, with, ratio = append(without, off), append(with, on), append(ratio, 100*on/off)
		both = append(both, us[3]-us[0])
	}
	b.ReportMetric(median(without), "plain-cpu-µs/req")
	b.ReportMetric(median(with), "tls-cpu-µs/req")
	b.ReportMetric(median(ratio), "tls-%-of-plain")
	b.ReportMetric(median(both), "tls-and-client-cpu-µs/req")
	b.ReportMetric(0, "ns/op")
}

// bluntTLS is blunt over TLS.
func bluntTLS(b *testing.B, cfg *tls.Config, end []byte) string {
	ln, err := tls.Listen("tcp", "127.0.0.1:0", cfg)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = ln.Close() })
	say := append([]byte("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nDate: Mon, 02 Jan 2006 15:04:05 GMT\r\nContent-Length: 2"), end...)
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func(c net.Conn) {
				defer c.Close()
				buf := make([]byte, 4<<10)
				for {
					if _, err := c.Read(buf); err != nil {
						return
					}
					if _, err := c.Write(say); err != nil {
						return
					}
				}
			}(c)
		}
	}()
	return ln.Addr().String()
}

// BenchmarkHandshake is what a new TLS connection and one request on it cost,
// client and gateway together.
func BenchmarkHandshake(b *testing.B) {
	ca := newAuthority(b)
	g := startGateway(b, secured(&tls.Config{Certificates: []tls.Certificate{ca.pair("a.example")}}), domainOf("plain", blunt(b), "GET /members/{id}"))
	request, end := []byte("GET /plain/members/1?x=1"+usual), []byte("\r\n\r\nok")
	before := cpuTime(b)
	for b.Loop() {
		c := newLean(b, g.addr)
		c.Conn = tls.Client(c.Conn, &tls.Config{RootCAs: ca.pool, ServerName: "a.example"})
		c.ask(b, request, end)
		_ = c.Close()
	}
	b.ReportMetric(float64((cpuTime(b)-before).Microseconds())/float64(b.N), "cpu-µs/op")
}
