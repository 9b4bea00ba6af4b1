package proxy

import (
	"bytes"
	"io"
	"sync"
	"time"

	"github.com/tollgate/tollgate/proxy/body"
	"github.com/tollgate/tollgate/proxy/envelope"
	"github.com/tollgate/tollgate/proxy/gate"
)

// buffer is what a connection reads into.
type buffer struct{ b []byte }

// smallBuffer is enough for nearly every head, room what must be left behind a
// head for its body.
const (
	smallBuffer = 4 << 10
	room        = 512
)

// buffers are those that no connection is using. A connection has a small one,
// and for as long as a head needs it one that holds the largest head.
type buffers struct{ small, large sync.Pool }

func newBuffers(maxHeader int) *buffers {
	of := func(size int) sync.Pool {
		return sync.Pool{New: func() any { return &buffer{make([]byte, size)} }}
	}
	return &buffers{of(smallBuffer), of(max(smallBuffer, maxHeader) + 2*room)}
}

func (p *buffers) put(b *buffer) {
	if len(b.b) == smallBuffer {
		p.small.Put(b)
	} else {
		p.large.Put(b)
	}
}

var (
	lateHead = envelope.Malformed("the header did not come in time")
	cutHead  = envelope.Malformed("the connection ended in the header")
)

// standIns are what fasthttp reads in a head's place: by the version, which
// decides about Connection in the answer, and by whether the answer has a body.
var standIns = [2][2][]byte{
	{[]byte("GET / HTTP/1.1\r\nHost: h\r\n\r\n"), []byte("HEAD / HTTP/1.1\r\nHost: h\r\n\r\n")},
	{[]byte("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"), []byte("HEAD / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")},
}

// Read waits for the next request and gives fasthttp the stand-in of its head.
// io.EOF is the end of the connection: nothing is answered then.
func (c *clientConn) Read(p []byte) (int, error) {
	if len(c.stand) == 0 {
		c.endUpload()
		c.finish()
		if c.unserved || !c.next() {
			c.dropBuffer()
			return 0, io.EOF
		}
		c.unserved = true
		head := c.present()
		old, bare := 0, 0
		if first, _, _ := bytes.Cut(head, []byte("\r\n")); bytes.HasSuffix(first, []byte(" HTTP/1.0")) {
			old = 1
		}
		if bytes.HasPrefix(head, []byte("HEAD ")) {
			bare = 1
		}
		c.stand = standIns[old][bare]
	}
	n := copy(p, c.stand)
	c.stand = c.stand[n:]
	return n, nil
}

// present is the head of the present request, or what there is of one that is
// refused.
func (c *clientConn) present() []byte { return c.buf.b[c.scan.Start:c.head] }

// next waits for the next head. It returns false when there is none. A head
// that cannot be read counts as one: refusal says what to answer.
func (c *clientConn) next() bool {
	c.endUpload()
	if !c.leaveBody() {
		return false
	}
	c.scan, c.refusal = gate.Head{}, nil
	c.body.Start(nil, 0, body.Limits{}) // of a head that is refused, there is none
	c.arrange()
	if c.entering {
		if c.entering = false; !c.enter() {
			return false
		}
		if c.refusal != nil {
			c.head = 0
			return true
		}
	}
	first := c.begun
	c.begun = true
	cfg := &c.listener.proxy.cfg
	wait := cfg.IdleTimeout
	if !first {
		wait = cfg.HeaderTimeout
	}
	armed := false // the deadline is that of a head that has begun
	for {
		if c.w > 0 {
			if done := c.look(cfg.MaxHeader); done {
				return true
			}
			wait = cfg.HeaderTimeout
		}
		if !armed {
			if c.Conn.SetReadDeadline(time.Now().Add(wait)) != nil {
				return false
			}
			armed = c.w > 0
		}
		var n int
		var err error
		if c.w > 0 {
			n, err = c.Conn.Read(c.buf.b[c.w:])
		} else {
			n, err = c.await()
		}
		c.w += n
		if n == 0 && err != nil {
			return c.broken(err)
		}
	}
}

// arrange moves what is not read yet to the beginning of a small buffer, or of
// the one there is.
func (c *clientConn) arrange() {
	pool := c.listener.proxy.buffers
	left := c.w - c.r
	switch {
	case c.buf == nil:
		c.buf = pool.small.Get().(*buffer)
	case len(c.buf.b) > smallBuffer && left < smallBuffer/2:
		large := c.buf
		c.buf = pool.small.Get().(*buffer)
		copy(c.buf.b, large.b[c.r:c.w])
		pool.put(large)
	case left > 0:
		copy(c.buf.b, c.buf.b[c.r:c.w])
	}
	c.r, c.w = 0, left
}

// grow changes to a large buffer. It returns false when that is in use already.
func (c *clientConn) grow() bool {
	if len(c.buf.b) > smallBuffer {
		return false
	}
	pool := c.listener.proxy.buffers
	small := c.buf
	c.buf = pool.large.Get().(*buffer)
	copy(c.buf.b, small.b[:c.w])
	pool.put(small)
	return true
}

// look reports whether a head is there, or what can only be refused.
func (c *clientConn) look(maxHeader int) bool {
	end, err := c.scan.Scan(c.buf.b[:c.w])
	switch {
	case err != nil:
		c.refusal, _ = err.(*envelope.Sealed)
	case end-c.scan.Start > maxHeader, end == 0 && c.w-c.scan.Start >= maxHeader:
		c.refusal = envelope.HeaderTooLarge
	case end > 0:
		c.head, c.r = end, end
		if len(c.buf.b)-end < room {
			c.grow()
		}
		return true
	case c.w < len(c.buf.b) || c.grow():
		return false
	default: // nothing but empty lines
		c.refusal = envelope.HeaderTooLarge
	}
	c.head, c.r = c.w, c.w
	return true
}

// broken ends a connection in the middle of a head, with an answer if there is
// a beginning of one.
func (c *clientConn) broken(err error) bool {
	switch {
	case c.w == c.scan.Start:
		return false
	case isLate(err):
		c.refusal = lateHead
	case err == io.EOF:
		c.refusal = cutHead
	default:
		return false
	}
	c.head, c.r = c.w, c.w
	return true
}

// leaveBody reads on to the end of a body that nobody wanted. It returns false
// when that is too far off.
func (c *clientConn) leaveBody() bool {
	if c.body.Done() {
		return true
	}
	c.bodyPace = pace{timeout: c.listener.proxy.cfg.BodyTimeout}
	for left := lingerBytes; !c.body.Skip(); left -= c.w - c.r {
		if left < 0 {
			c.lingerOnClose()
			return false
		}
		if c.body.Err() != nil || (*bodySource)(c).Fill() != nil {
			return false
		}
	}
	return true
}

// dropBuffer gives the buffer back, at the connection's end.
func (c *clientConn) dropBuffer() {
	if c.buf != nil {
		c.listener.proxy.buffers.put(c.buf)
		c.buf, c.r, c.w, c.head = nil, 0, 0, 0
		c.body.Start(nil, 0, body.Limits{})
	}
}
