package proxy

import (
	"errors"
	"io"
	"sync/atomic"
	"time"

	"github.com/tollgate/tollgate/proxy/body"
)

// upload is a body that goes to the endpoint server while it comes. It belongs
// to the connection: the call may be answered before it has ended.
type upload struct {
	conn *clientConn
	// held is what has come of the body, sent are how many of its pieces are;
	// then buf, one of them, is what the rest goes through.
	held body.Held
	sent int
	buf  []byte

	stopped atomic.Bool
	done    chan struct{}
}

var errStopped = errors.New("nobody wants the rest of the body")

// Next implements upstream.Source.
func (u *upload) Next() ([]byte, error) {
	if u.sent < len(u.held.Pieces) {
		piece := u.held.Pieces[u.sent]
		u.sent++
		if u.sent == len(u.held.Pieces) && u.conn.body.Ended() {
			return piece, io.EOF
		}
		return piece, nil
	}
	if u.buf == nil {
		u.buf = u.held.Keep()
	}
	n, err := u.conn.body.Read(u.buf)
	if err == nil && u.conn.body.Ended() {
		err = io.EOF
	}
	return u.buf[:n], err
}

// Stop implements upstream.Source.
func (u *upload) Stop() {
	u.stopped.Store(true)
	_ = u.conn.Conn.SetReadDeadline(time.Unix(1, 0)) // of a closed one, a Read fails as well
}

// Close implements upstream.Source.
func (u *upload) Close() {
	u.held.Release()
	close(u.done)
}

// underWay reports whether a body is being read beside the call.
func (c *clientConn) underWay() bool {
	if c.upload == nil {
		return false
	}
	select {
	case <-c.upload.done:
		return false
	default:
		return true
	}
}

// endUpload waits until nobody reads the body beside the call any more.
func (c *clientConn) endUpload() {
	if c.upload == nil {
		return
	}
	if c.underWay() {
		c.upload.Stop()
		<-c.upload.done
	}
	c.upload = nil
}
