package load

import (
	"bufio"
	"context"
	"net"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"
)

const (
	// wireBuffer bounds the header of an answer, bytes.
	wireBuffer = 8 << 10
	// mostBody bounds the body of an answer, bytes.
	mostBody = 64 << 20
)

// wire is one keep-alive connection. fasthttp reads and writes the messages;
// the exchange is our own, so that it shows that no call is sent twice: an HTTP
// client sends again what it holds to be repeatable, where the connection turns
// out closed, and a quota would count that.
type wire struct {
	addr    string
	timeout time.Duration
	// open is the connection, nil where there is none. Other goroutines read it.
	open atomic.Pointer[net.Conn]
	// stopped is set, before interrupt is called, once no call is to begin.
	stopped *atomic.Bool
	// until is the deadline of open.
	until time.Time
	r     *bufio.Reader
	w     *bufio.Writer
}

func newWire(addr string, timeout time.Duration, stopped *atomic.Bool) *wire {
	return &wire{
		addr: addr, timeout: timeout, stopped: stopped,
		r: bufio.NewReaderSize(nil, wireBuffer), w: bufio.NewWriterSize(nil, wireBuffer),
	}
}

// dial makes the connection, unless there is one, within the timeout.
func (w *wire) dial(ctx context.Context) error {
	if w.open.Load() != nil {
		return nil
	}
	d := net.Dialer{Timeout: w.timeout}
	conn, err := d.DialContext(ctx, "tcp", w.addr)
	if err != nil {
		return err
	}
	w.attach(conn)
	return nil
}

// attach makes conn the connection.
func (w *wire) attach(conn net.Conn) {
	w.r.Reset(conn)
	w.w.Reset(conn)
	w.until = time.Time{}
	w.open.Store(&conn)
}

// exchange sends req once and reads the answer into resp, within the timeout
// and an eighth of it. It reports false if there is no answer; whether the call
// was sent then is not known. An error says that req is none, and was not sent.
// There must be a connection; now is the present.
func (w *wire) exchange(req *fasthttp.Request, resp *fasthttp.Response, now time.Time) (answered bool, err error) {
	conn := *w.open.Load()
	// To set a deadline takes 0.13 µs, where all else that a call costs on this
	// side, but for the system's part, takes 0.57: one is good for several.
	if now.Add(w.timeout).After(w.until) {
		w.until = now.Add(w.timeout + w.timeout/8)
		_ = conn.SetDeadline(w.until) // of a closed connection: reading tells
	}
	if w.stopped.Load() { // only now: interrupt's deadline may just have been moved
		return false, nil
	}
	err = req.Write(w.w)
	sent := w.w.Flush()
	if err != nil && sent == nil {
		w.close()
		return false, err
	}
	// Even when the call could not be sent to its end, there may be an answer:
	// a server that refuses a large body in the middle answers, then closes.
	resp.SkipBody = req.Header.IsHead()
	if err := resp.ReadLimitBody(w.r, mostBody); err != nil {
		w.close()
		return false, nil
	}
	// Bytes behind the answer would be taken for the next call's.
	if sent != nil || resp.ConnectionClose() || req.ConnectionClose() || w.r.Buffered() > 0 {
		w.close()
	}
	return true, nil
}

// interrupt ends the call that is under way, if there is one. It may be called
// by another goroutine, after stopped is set.
func (w *wire) interrupt() {
	if conn := w.open.Load(); conn != nil {
		_ = (*conn).SetDeadline(time.Unix(1, 0)) // a closed one needs none
	}
}

// close closes the connection, if there is one.
func (w *wire) close() {
	if conn := w.open.Swap(nil); conn != nil {
		_ = (*conn).Close()
	}
}
