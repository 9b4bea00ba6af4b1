package load

import (
	"sync/atomic"

	"github.com/valyala/fasthttp"
)

// Target is something to call.
type Target struct {
	// Method is GET if it is empty.
	Method string
	// URI is path and query, byte for byte as they go on the request line, such
	// as /shop/items?page=2.
	URI string
	// Header has the fields that go with a call, as name and value. Host, if it
	// is not there, is the address that the connection goes to.
	Header [][2]string
	// Body is sent with its length; nothing is sent if it is empty. Its type is
	// application/octet-stream, unless Header has another.
	Body []byte
	// Counter is the quota counter that the calls count on, or -1.
	Counter int
}

// Plain makes the calls of a Plan as they are, of the targets in turn. There must be one
// or more.
func Plain(targets ...Target) func(req *fasthttp.Request, conn, n int) (counter int) {
	next := inTurn(targets)
	return func(req *fasthttp.Request, _, n int) int { return targets[next(req, n)].Counter }
}

// inTurn makes a request that of the next target, which it returns the number of, whichever
// connection asks; n is the number of the connection's call. Were each connection to go
// round by itself, those that are answered sooner would come up with one that waits, and
// they would go on in step, calling one target all at once and then not for long.
func inTurn(targets []Target) func(req *fasthttp.Request, n int) int {
	var turn atomic.Uint64
	return func(req *fasthttp.Request, n int) int {
		if len(targets) == 1 {
			if n == 0 {
				targets[0].write(req)
			}
			return 0
		}
		i := int((turn.Add(1) - 1) % uint64(len(targets)))
		targets[i].write(req)
		return i
	}
}

// write makes the request one for the target.
func (t *Target) write(req *fasthttp.Request) {
	req.Reset()
	req.Header.SetMethod(t.method())
	req.SetRequestURI(t.URI)
	if len(t.Body) > 0 {
		req.SetBodyRaw(t.Body)
		req.Header.SetContentType("application/octet-stream")
	}
	for _, field := range t.Header {
		req.Header.Set(field[0], field[1])
	}
}

func (t *Target) method() string {
	if t.Method == "" {
		return fasthttp.MethodGet
	}
	return t.Method
}
