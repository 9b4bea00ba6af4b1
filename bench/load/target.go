package load

import (
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

// Plain makes the calls of a Plan as they are. Every connection calls the
// targets in turn, each beginning at another. There must be one or more.
func Plain(targets ...Target) func(req *fasthttp.Request, conn, n int) (counter int) {
	return func(req *fasthttp.Request, conn, n int) int {
		t := &targets[turn(conn, n, len(targets))]
		if n == 0 || len(targets) > 1 {
			t.write(req)
		}
		return t.Counter
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

// turn is which of count targets a connection calls next. The connections
// begin far from each other however many they are: where the multiples of the
// golden ratio lie between two whole numbers.
func turn(conn, n, count int) int {
	if count == 1 {
		return 0
	}
	const golden = 0x9E3779B9 // 2^32 divided by the golden ratio
	start := uint64(uint32(conn)*golden) * uint64(count) >> 32
	return int((start + uint64(n)) % uint64(count))
}
