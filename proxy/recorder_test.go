package proxy

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"regexp"
	"sync"
	"testing"
)

// recorder is an endpoint server on raw TCP that records what it gets.
type recorder struct {
	net.Listener
	mu    sync.Mutex
	heard []string
	conns int
	live  map[net.Conn]bool
	wg    sync.WaitGroup
}

// reply writes the answer to the n-th request (from 1) of a connection; false
// closes the connection.
type reply func(c net.Conn, n int, request string) bool

// says replies with the same bytes to every request.
func says(raw string) reply {
	return func(c net.Conn, _ int, _ string) bool {
		_, err := io.WriteString(c, raw)
		return err == nil
	}
}

const ok200 = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

func startRecorder(t testing.TB, how reply) *recorder {
	t.Helper()
	return startRecorderAt(t, "127.0.0.1:0", how)
}

// startRecorderAt is startRecorder at an address, such as that of one that was
// killed.
func startRecorderAt(t testing.TB, addr string, how reply) *recorder {
	t.Helper()
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	r := &recorder{Listener: ln, live: map[net.Conn]bool{}}
	r.wg.Add(1)
	go func() {
		defer r.wg.Done()
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			r.mu.Lock()
			r.conns++
			r.live[c] = true
			r.mu.Unlock()
			r.wg.Add(1)
			go r.serve(c, how)
		}
	}()
	t.Cleanup(r.kill)
	return r
}

// kill ends it as a process ends: nobody listens, and all connections are
// closed.
func (r *recorder) kill() {
	_ = r.Close()
	r.closeConns()
	r.wg.Wait()
}

func (r *recorder) serve(c net.Conn, how reply) {
	defer r.wg.Done()
	defer func() {
		_ = c.Close()
		r.mu.Lock()
		delete(r.live, c)
		r.mu.Unlock()
	}()
	var seen bytes.Buffer
	br := bufio.NewReader(io.TeeReader(c, &seen))
	for n := 1; ; n++ {
		req, err := http.ReadRequest(br)
		if err == nil {
			_, err = io.Copy(io.Discard, req.Body)
		}
		request := seen.String()
		seen.Reset()
		if err != nil {
			if request != "" {
				r.record("BROKEN " + request)
			}
			return
		}
		r.record(request)
		if !how(c, n, request) {
			return
		}
	}
}

// madeID is an X-Request-Id that the gateway has made.
var madeID = regexp.MustCompile(`X-Request-Id: [0-9a-f]{32}\r\n`)

// record leaves the ID out that each request has: it is tested by itself.
func (r *recorder) record(request string) {
	request = madeID.ReplaceAllString(request, "")
	r.mu.Lock()
	defer r.mu.Unlock()
	r.heard = append(r.heard, request)
}

// requests returns what was received so far, and forgets it.
func (r *recorder) requests() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	heard := r.heard
	r.heard = nil
	return heard
}

func (r *recorder) open() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.live)
}

func (r *recorder) accepted() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.conns
}

func (r *recorder) closeConns() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for c := range r.live {
		_ = c.Close()
	}
}

func (r *recorder) url() string { return "http://" + r.Addr().String() }
