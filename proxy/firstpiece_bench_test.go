package proxy

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"slices"
	"testing"
	"time"
)

// BenchmarkFirstPiece measures how long the first piece of an answer in chunks
// takes, from the endpoint server's write to the client's read, while the rest
// is still to come.
func BenchmarkFirstPiece(b *testing.B) {
	sent := make(chan time.Time, 1)
	next := make(chan bool)
	up := startRecorder(b, func(c net.Conn, _ int, _ string) bool {
		sent <- time.Now()
		_, _ = io.WriteString(c, inChunks+"5\r\nfirst\r\n")
		<-next
		_, err := io.WriteString(c, "0\r\n\r\n")
		return err == nil
	})
	g := startGateway(b, func(c *Config) { c.UpstreamHold = 0 }, domainOf("test", up.url(), everything...))
	c, err := net.Dial("tcp", g.addr)
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	r := bufio.NewReader(c)
	var took []time.Duration
	for b.Loop() {
		if _, err := io.WriteString(c, "GET /test/a HTTP/1.1\r\nHost: h\r\n\r\n"); err != nil {
			b.Fatal(err)
		}
		resp, err := http.ReadResponse(r, nil)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadFull(resp.Body, make([]byte, 5)); err != nil {
			b.Fatal(err)
		}
		took = append(took, time.Since(<-sent))
		next <- true
		if _, err := io.Copy(io.Discard, resp.Body); err != nil {
			b.Fatal(err)
		}
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1e3, "ms-median")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1e3, "ms-p99")
}
