//go:build linux

package chaos

import (
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

// link is one direction between two nodes: what is in it goes on when its
// weather allows.
type link struct {
	mu      sync.Mutex
	now     weather
	changed chan struct{} // closed at the next change
}

func newLink() *link { return &link{changed: make(chan struct{})} }

func (l *link) set(w weather) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.now = w
	close(l.changed)
	l.changed = make(chan struct{})
}

func (l *link) weather() (weather, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.now, l.changed
}

// pass waits until something sent at a time may arrive; it reports false if
// stop is closed before. What is lost arrives when the link is mended, as the
// sender's TCP would have it.
func (l *link) pass(sent time.Time, stop <-chan struct{}) bool {
	for {
		w, changed := l.weather()
		wait := time.Until(sent.Add(w.delay))
		if !w.lost && wait <= 0 {
			return true
		}
		if w.lost {
			wait = time.Hour
		}
		t := time.NewTimer(wait)
		select {
		case <-t.C:
		case <-changed:
		case <-stop:
			t.Stop()
			return false
		}
		t.Stop()
	}
}

// parcel is what was read at once, or the end of the stream.
type parcel struct {
	data []byte
	at   time.Time
	end  error
}

// Bounds of what is under way in one direction of a connection: past it the
// sender's writes block, as they would with a peer that acknowledges nothing.
const (
	parcelBytes = 32 << 10
	mostParcels = 256
)

// carry moves what comes from src to dst, over the link, until either ends or
// stop is closed.
func (l *link) carry(dst, src net.Conn, stop <-chan struct{}) {
	under := make(chan parcel, mostParcels)
	var reader sync.WaitGroup
	reader.Go(func() {
		defer close(under)
		for {
			buf := make([]byte, parcelBytes)
			n, err := src.Read(buf)
			if n > 0 && !send(under, parcel{data: buf[:n], at: time.Now()}, stop) {
				return
			}
			if err != nil {
				send(under, parcel{end: err, at: time.Now()}, stop)
				return
			}
		}
	})
	defer reader.Wait()
	for p := range under {
		if !l.pass(p.at, stop) {
			break
		}
		if p.end != nil {
			hangUp(dst, p.end) // src may go on to be written to
			return
		}
		if _, err := dst.Write(p.data); err != nil {
			break
		}
	}
	src.Close() // so that the reader ends
}

func send(under chan<- parcel, p parcel, stop <-chan struct{}) bool {
	select {
	case under <- p:
		return true
	case <-stop:
		return false
	}
}

// hangUp passes the end of a stream on as what it was: a FIN or a reset.
func hangUp(dst net.Conn, end error) {
	if !errors.Is(end, io.EOF) {
		reset(dst)
		return
	}
	if c, ok := dst.(*net.TCPConn); ok {
		_ = c.CloseWrite()
	}
}

// reset closes a connection with an RST.
func reset(c net.Conn) {
	if c, ok := c.(*net.TCPConn); ok {
		_ = c.SetLinger(0)
	}
	c.Close()
}
