package proxy

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// answer is one answer as a client sees it.
type answer struct {
	*http.Response
	body string
	// raw is the answer's bytes, those of the 103s before it among them.
	raw string
}

// code is the result code of an envelope, 0 when the answer is none.
func (a *answer) code() int {
	var e struct {
		Header struct{ ResultCode int }
	}
	_ = json.Unmarshal([]byte(a.body), &e)
	return e.Header.ResultCode
}

// ask sends raw bytes on a connection of their own and reads one answer. It
// returns nil when the connection ends without one.
func ask(t testing.TB, addr, raw string) *answer {
	t.Helper()
	c := dial(t, addr)
	defer c.Close()
	c.send(raw)
	return c.read()
}

// client is a connection to a gateway.
type client struct {
	net.Conn
	t    testing.TB
	seen *bytes.Buffer
	r    *bufio.Reader
}

func dial(t testing.TB, addr string) *client {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	_ = c.SetDeadline(time.Now().Add(patience))
	return newClient(t, c)
}

func newClient(t testing.TB, c net.Conn) *client {
	seen := new(bytes.Buffer)
	return &client{Conn: c, t: t, seen: seen, r: bufio.NewReader(io.TeeReader(c, seen))}
}

func (c *client) send(raw string) {
	c.t.Helper()
	// A refusal may come and the connection end before everything is sent.
	_, _ = io.WriteString(c.Conn, raw)
}

// read reads one answer to a request that is not HEAD, nil at the end.
func (c *client) read() *answer { return c.readFor("GET") }

func (c *client) readFor(method string) *answer {
	c.t.Helper()
	c.seen.Reset()
	resp, err := http.ReadResponse(c.r, &http.Request{Method: method})
	for err == nil && resp.StatusCode == http.StatusEarlyHints {
		resp, err = http.ReadResponse(c.r, &http.Request{Method: method})
	}
	if err != nil {
		if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) && !strings.Contains(err.Error(), "reset by peer") {
			c.t.Fatalf("no answer: %v; seen %.300q", err, c.seen)
		}
		return nil
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatalf("broken body: %v; seen %.300q", err, c.seen)
	}
	return &answer{Response: resp, body: string(body), raw: madeID.ReplaceAllString(c.seen.String(), "")}
}

// wantClosed waits for the server to close the connection.
func (c *client) wantClosed() {
	c.t.Helper()
	rest, err := io.ReadAll(c.r)
	if isTimeout(err) {
		c.t.Error("the connection stays open")
	}
	if len(rest) > 0 {
		c.t.Errorf("more came: %q", rest)
	}
}

func isTimeout(err error) bool {
	var n net.Error
	return errors.As(err, &n) && n.Timeout()
}
