package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// endpointServer is the service behind the gateway. It tells callers what
// reached it, and counts, since its count is what a quota protects.
type endpointServer struct {
	server  *http.Server
	wg      sync.WaitGroup
	arrived atomic.Int64
}

// seen is what it answers.
type seen struct {
	Method  string            `json:"method"`
	Path    string            `json:"path"` // with the query, as on the request line
	Headers map[string]string `json:"headers"`
}

// openEndpointServer serves on addr until close.
func openEndpointServer(addr string) (*endpointServer, error) {
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("the endpoint server: %w", err)
	}
	s := &endpointServer{}
	s.server = &http.Server{Handler: s, ReadTimeout: 10 * time.Second, WriteTimeout: 10 * time.Second, IdleTimeout: time.Minute}
	s.wg.Go(func() { _ = s.server.Serve(ln) }) // ends with close
	return s, nil
}

// ServeHTTP answers any request with 200 and what was seen of it.
func (s *endpointServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.arrived.Add(1)
	headers := map[string]string{"Host": r.Host}
	for name, values := range r.Header {
		headers[name] = strings.Join(values, ", ")
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(seen{r.Method, r.RequestURI, headers}) // a caller that has gone is nobody's error
}

// close ends it: in good order, or at once when ctx ends.
func (s *endpointServer) close(ctx context.Context) {
	if s.server.Shutdown(ctx) != nil {
		s.server.Close()
	}
	s.wg.Wait()
}
