package upstream

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"testing"
	"time"
)

// pieces is a Source of what is left of a text, in pieces of a size.
type pieces struct {
	left   []byte
	size   int
	err    error // at its end, in place of io.EOF
	joined bool  // the end comes with the last piece
	closed bool
}

func (p *pieces) Next() ([]byte, error) {
	if len(p.left) == 0 {
		return nil, p.err
	}
	next := p.left[:min(p.size, len(p.left))]
	if p.left = p.left[len(next):]; len(p.left) == 0 && p.joined {
		return next, p.err
	}
	return next, nil
}

func (p *pieces) Stop()  {}
func (p *pieces) Close() { p.closed = true }

// FuzzUpload: what is sent of a body is read as the same body by whoever knows
// HTTP, in either framing and in pieces of any size; and where the body breaks
// off, what is sent is no whole message.
func FuzzUpload(f *testing.F) {
	f.Add([]byte("hello"), byte(2), true, true, false)
	f.Add([]byte("hello"), byte(9), false, false, false)
	f.Add([]byte("0\r\n\r\n"), byte(1), true, false, true)
	f.Add([]byte{}, byte(1), true, true, false)
	f.Fuzz(func(t *testing.T, body []byte, size byte, chunked, joined, breaks bool) {
		src := &pieces{left: body, size: max(1, int(size)), err: io.EOF, joined: joined}
		if breaks {
			src.err = errors.New("broken off")
		}
		s, err := New("http://h", Config{MaxConns: 2, Timeout: time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		near, far := net.Pipe()
		defer far.Close()
		req := &Request{Method: "POST", Path: []byte("/"), Coming: src, Length: int64(len(body))}
		if breaks && !chunked {
			req.Length++ // what broke off had more to come
		}
		if chunked {
			req.Length = -1
		}
		req.head = req.appendHead(nil, "h", "")
		if err := s.uploads.enter(time.Now()); err != nil {
			t.Fatal(err)
		}
		u := s.begin(newConn(near, netip.Addr{}), req)
		got, err := http.ReadRequest(bufio.NewReader(far))
		var read []byte
		if err == nil {
			read, err = io.ReadAll(got.Body)
		}
		if !breaks && (err != nil || !bytes.Equal(read, body)) || breaks && err == nil {
			t.Errorf("%q in pieces of %d, chunked %v, joined %v, breaks %v: read %q, %v", body, size, chunked, joined, breaks, read, err)
		}
		_ = near.Close()
		<-u.done
		if !src.closed || len(s.uploads) != 0 || (u.cut() != nil) != breaks {
			t.Errorf("closed %v, %d places taken, cut %v", src.closed, len(s.uploads), u.cut())
		}
	})
}
