package upstream

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/tollgate/tollgate/proxy/header"
)

// tape is a connection that says what is on it, in pieces of one size, and
// takes whatever is sent.
type tape struct {
	net.Conn
	io.Reader
}

func (t tape) Read(p []byte) (int, error)     { return t.Reader.Read(p) }
func (tape) Write(p []byte) (int, error)      { return len(p), nil }
func (tape) Close() error                     { return nil }
func (tape) SetDeadline(time.Time) error      { return nil }
func (tape) SetReadDeadline(time.Time) error  { return nil }
func (tape) SetWriteDeadline(time.Time) error { return nil }

// play reads an answer to a request that came in pieces; kept is true when the
// connection would be used again.
func play(t testing.TB, method string, pieces io.Reader, whole bool) (a *Answer, body []byte, kept bool, err error) {
	t.Helper()
	s, err := New("http://h", Config{
		MaxConns: 1, IdleTimeout: time.Hour, MaxConnAge: time.Hour, Timeout: time.Hour, ConnWait: time.Second,
		MaxHeader: 4 << 10, BodyBuffer: 8 << 10, MaxBody: 1 << 20,
	})
	if err != nil {
		t.Fatal(err)
	}
	s.pool.dial = func(time.Time) (*conn, error) { return newConn(tape{nil, pieces}, netip.Addr{}), nil }
	s.pool.fits = func(*conn) bool { return true }
	a = &Answer{}
	defer s.CloseIdle()
	if _, err = s.Do(&Request{Method: method, Path: []byte("/"), Whole: whole, Once: true}, a); err != nil {
		return nil, nil, false, err
	}
	switch {
	case a.Coming != nil:
		body, err = io.ReadAll(a.Coming)
	case a.Held != nil:
		body = bytes.Clone(a.Held.Bytes())
	default:
		body = bytes.Clone(a.Body)
	}
	a.DropBody()
	return a, body, s.Conns() == 1, err
}

// FuzzAnswer: what is taken for a whole answer is one to net/http as well, with
// the same status, fields and body, however it is cut into pieces; and the rest
// of the bytes is nobody's answer.
func FuzzAnswer(f *testing.F) {
	for _, say := range []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
		"HTTP/1.1 103 Early\r\nLink: x\r\n\r\nHTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\nX: 1\r\nx: 2\r\n\r\n2;a=\"b\"\r\nok\r\n0\r\nT: 1\r\n\r\nmore",
		"HTTP/1.0 200 OK\r\nConnection: X, close\r\nX: 1\r\n\r\nuntil the end",
		"HTTP/1.1 204 No Content\r\n\r\n",
		"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\nVia: 1.1 a\r\n\r\n",
		"HTTP/1.1 200 OK\nContent-Length: 2\r\n\r\nok",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5000\r\n" + strings.Repeat("x", 0x5000) + "\r\n1\r\ny\r\n0\r\n\r\n",
	} {
		for _, method := range []string{"GET", "HEAD"} {
			f.Add(method, say, false)
			f.Add(method, say, true)
		}
	}
	f.Fuzz(func(t *testing.T, method, say string, whole bool) {
		a, body, kept, err := play(t, method, strings.NewReader(say), whole)
		b, slow, _, errSlow := play(t, method, iotest.OneByteReader(strings.NewReader(say)), whole)
		if (err == nil) != (errSlow == nil) || err == nil && (a.Status != b.Status || !bytes.Equal(body, slow)) {
			t.Fatalf("in one piece: %v %q, %v; byte by byte: %v %q, %v", a, body, err, b, slow, errSlow)
		}
		if err != nil {
			return
		}
		r := bufio.NewReader(strings.NewReader(say))
		for {
			resp, err := http.ReadResponse(r, &http.Request{Method: method})
			if err != nil {
				t.Fatalf("%q is no answer to net/http: %v", say, err)
			}
			if resp.StatusCode < 200 {
				continue
			}
			theirs, err := io.ReadAll(resp.Body)
			if err != nil || resp.StatusCode != a.Status || !bytes.Equal(theirs, body) {
				t.Fatalf("%d %q, to net/http %d %q, %v", a.Status, body, resp.StatusCode, theirs, err)
			}
			for _, field := range a.Fields {
				if !header.IsToken(field.Name) || bytes.ContainsAny(field.Value, "\r\n\x00") {
					t.Fatalf("field %q: %q", field.Name, field.Value)
				}
				if field.Rules&header.Hop != 0 {
					t.Fatalf("%q is hop-by-hop", field.Name)
				}
			}
			if rest, _ := io.ReadAll(r); kept && len(rest) > 0 {
				t.Fatalf("kept, with %q behind the answer", rest)
			}
			return
		}
	})
}
