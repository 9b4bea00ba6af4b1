package node_test

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/tollgate/tollgate/node/nodetest"
)

// BenchmarkHTTP is a call through the gateway to an endpoint server, three
// nodes and 32 connections: without a quota, with a quota of a million an hour
// on the domain and on the endpoint, and with one of 10,000 a second that is
// always at its end. Everything shares this machine's cores.
func BenchmarkHTTP(b *testing.B) {
	server := endpointServer(b)
	for _, c := range []struct {
		name             string
		domain, endpoint [][2]int
	}{
		{"bare", nil, nil},
		{"quota=1000000per3600s", [][2]int{{1_000_000, 3600}}, [][2]int{{1_000_000, 3600}}},
		{"quota=10000per1s", [][2]int{{10_000, 1}}, nil},
	} {
		b.Run(c.name, func(b *testing.B) {
			cl := nodetest.Start(b, 3)
			doc := strings.Replace(document(c.domain, c.endpoint), "http://127.0.0.1:1", server, 1)
			doc = strings.Replace(doc, `"MOCK":{"statusCode":200,"headers":{},"body":"ok"}`, "", 1)
			doc = strings.Replace(doc, `{"plugins":{,`, `{"plugins":{`, 1)
			cl.Deploy(doc)
			for _, n := range cl.Nodes {
				n.WaitReady()
			}
			b.ResetTimer()
			took, refused := hammer(b, cl)
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "calls/s")
			b.ReportMetric(float64(refused)/b.Elapsed().Seconds(), "refused/s")
			reportPercentiles(b, took)
		})
	}
}

// endpointServer answers everything with a little JSON.
func endpointServer(b *testing.B) string {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	s := &fasthttp.Server{Handler: func(ctx *fasthttp.RequestCtx) { ctx.SetBodyString(`{"ok":true}`) }}
	go func() { _ = s.Serve(ln) }()
	b.Cleanup(func() { _ = s.Shutdown() })
	return fmt.Sprintf("http://%s", ln.Addr())
}

// hammer makes b.N calls over 32 connections, spread over the nodes.
func hammer(b *testing.B, c *nodetest.Cluster) (took []time.Duration, refused int) {
	const connections = 32
	each := make([][]time.Duration, connections)
	refusals := make([]int, connections)
	next := make(chan struct{}, connections)
	var wg sync.WaitGroup
	for i := range connections {
		client := &fasthttp.HostClient{Addr: c.Nodes[i%len(c.Nodes)].ProxyAddr()}
		wg.Go(func() {
			req, resp := fasthttp.AcquireRequest(), fasthttp.AcquireResponse()
			req.SetRequestURI("http://gateway/d/x/1")
			for range next {
				begin := time.Now()
				if err := client.Do(req, resp); err != nil {
					b.Error(err)
				}
				each[i] = append(each[i], time.Since(begin))
				switch resp.StatusCode() {
				case 200:
				case 403:
					refusals[i]++
				default:
					b.Errorf("%d %s", resp.StatusCode(), resp.Body())
				}
			}
		})
	}
	for range b.N {
		next <- struct{}{}
	}
	close(next)
	wg.Wait()
	for _, n := range refusals {
		refused += n
	}
	return slices.Concat(each...), refused
}
