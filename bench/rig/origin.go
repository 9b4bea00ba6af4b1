package rig

import (
	"context"
	"fmt"
	"net"
	"time"

	"github.com/valyala/fasthttp"
)

// Bounds of the endpoint server.
const (
	// MostPayload is the largest body that it takes and sends back, bytes: the
	// gateway's own default.
	MostPayload = 10 << 20
	// originPatience is how long its connections get when it closes.
	originPatience = 5 * time.Second
)

// originAnswer is what a call without a body is answered.
var originAnswer = []byte(`{"id":42,"name":"an item of the endpoint server","tags":["bench","json"],"price":"9.90"}`)

// Origin is the endpoint server behind the gateways. It runs in the
// benchmark's own process, and costs as little as one can.
type Origin struct {
	server *fasthttp.Server
	addr   string
	served chan error
}

// OpenOrigin starts an endpoint server on a free port of loopback. It answers
// 200 to everything: the body that it was sent, if it was sent one or the method
// is POST, else a small JSON.
func OpenOrigin() (*Origin, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("the endpoint server: %w", err)
	}
	o := &Origin{
		server: &fasthttp.Server{
			Handler:               answer,
			NoDefaultServerHeader: true,
			MaxRequestBodySize:    MostPayload,
			CloseOnShutdown:       true,
		},
		addr:   ln.Addr().String(),
		served: make(chan error, 1),
	}
	go func() { o.served <- o.server.Serve(ln) }() // Close waits for it
	return o, nil
}

func answer(ctx *fasthttp.RequestCtx) {
	if body := ctx.Request.Body(); len(body) > 0 || ctx.IsPost() {
		ctx.SetContentType("application/octet-stream")
		ctx.SetBody(body)
		return
	}
	ctx.SetContentType("application/json")
	ctx.SetBody(originAnswer)
}

// Addr is its host:port.
func (o *Origin) Addr() string { return o.addr }

// URL is its base URL, without a slash at the end.
func (o *Origin) URL() string { return "http://" + o.addr }

// Close stops the server. Connections that do not end within seconds are an
// error, and left to the end of the process.
func (o *Origin) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), originPatience)
	defer cancel()
	if err := o.server.ShutdownWithContext(ctx); err != nil {
		return fmt.Errorf("the endpoint server does not stop within %v: %w", originPatience, err)
	}
	return <-o.served
}
