package load

import (
	"net"
	"testing"

	"github.com/valyala/fasthttp"
)

// serve starts an HTTP server on loopback, for as long as the test runs.
func serve(t testing.TB, handler fasthttp.RequestHandler) (addr string) {
	t.Helper()
	ln := listen(t)
	s := &fasthttp.Server{Handler: handler, Logger: silent{}}
	done := make(chan error, 1)
	go func() { done <- s.Serve(ln) }()
	t.Cleanup(func() {
		if err := s.Shutdown(); err != nil {
			t.Error(err)
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return ln.Addr().String()
}

func listen(t testing.TB) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return ln
}

// silent is a logger that says nothing.
type silent struct{}

func (silent) Printf(string, ...any) {}
