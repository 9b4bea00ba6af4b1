package proxy

import (
	"bytes"
	"io"
	"net"
	"sync"
	"time"

	"github.com/tollgate/tollgate/proxy/envelope"
	"github.com/tollgate/tollgate/proxy/header"
	"github.com/tollgate/tollgate/proxy/upstream"
	"github.com/valyala/fasthttp"
)

// Names and values of fields of the gateway's own answers.
var (
	contentType  = []byte("Content-Type")
	envelopeType = []byte(envelope.ContentType)
	retryAfter   = []byte("Retry-After")
	dateName     = []byte("Date")
	allow        = []byte("Allow")
	allMethods   = []byte("GET, POST, PUT, DELETE, HEAD, PATCH, OPTIONS")
)

// send hands the call's answer to fasthttp, which writes it when the handler
// has returned.
func (c *call) send() {
	a, resp := &c.Answer, &c.Ctx.Response
	resp.SetStatusCode(a.Status)
	if string(a.Phrase) != fasthttp.StatusMessage(a.Status) {
		resp.Header.SetStatusMessage(a.Phrase)
	}
	c.tellID()
	if !hasDate(a.Fields) {
		a.Add(dateName, c.proxy.clock.date(time.Now()))
	}
	c.lines = setFields(&resp.Header, a.Fields, c.lines[:0])
	switch {
	case a.Switched != nil:
		c.tunnel(a.Switched)
		a.Switched = nil
	case a.Bodiless:
		resp.SkipBody = true
	case a.Held != nil:
		resp.SetBodyStream(a.Held, a.Held.Len())
		a.Held = nil
	case a.Coming != nil:
		c.stream(a.Coming)
		a.Coming = nil
	case a.Lasting:
		resp.SetBodyRaw(a.Body)
	default:
		// It is small: fasthttp keeps its copy for as long as the connection lasts.
		resp.SetBody(a.Body)
	}
}

func hasDate(fields header.List) bool {
	_, ok := fields.First(header.Date)
	return ok
}

// setFields makes fields those of h, each as it is spelled. fasthttp's own
// setters spell some names their way, and drop Date: so it is given one field
// with room for all of them, whose lines are then put into that room. It
// returns lines, in which they were put together.
func setFields(h *fasthttp.ResponseHeader, fields header.List, lines []byte) []byte {
	if len(fields) == 0 {
		return lines
	}
	for i := range fields {
		lines = header.AppendLine(lines, fields[i].Name, fields[i].Value)
	}
	name, rest, _ := bytes.Cut(lines, []byte(": "))
	rest = rest[:len(rest)-len("\r\n")]
	// Nobody else can have a field of this name.
	all := append(lines, name...)
	room := all[len(lines):]
	for i := range room {
		room[i] = '\n'
	}
	h.SetCanonical(room, rest)
	for key, value := range h.All() {
		if bytes.Equal(key, room) {
			copy(key, name)
			copy(value, rest)
			break
		}
	}
	return all[:len(lines)]
}

// stream makes a body that is still coming the answer's.
func (c *call) stream(body *upstream.Body) {
	resp := &c.Ctx.Response
	s := streams.Get().(*stream)
	s.body, s.client, s.broken = body, c.conn, c.Broken
	// The call is in flight until its answer has ended.
	s.who, s.behind = c.who, c.behind
	c.who = nil
	boundUnsent(c.conn.Conn)
	n := body.Length()
	if n < 0 && !c.Ctx.Request.Header.IsHTTP11() {
		c.streamUntilClose(s)
		return
	}
	resp.ImmediateHeaderFlush = true
	resp.SetBodyStream(s, int(n))
}

// streamUntilClose is for clients of HTTP/1.0, which know no chunks: the end of
// the connection is the end of the body. fasthttp has no such answers.
func (c *call) streamUntilClose(s *stream) {
	head := c.ownHead()
	head = append(head[:len(head)-len("\r\n")], "Connection: close\r\n\r\n"...)
	c.Ctx.HijackSetNoResponse(true)
	c.Ctx.Hijack(func(client net.Conn) {
		defer s.Close()
		if _, err := client.Write(head); err != nil {
			return
		}
		if _, err := io.Copy(onlyWriter{client}, s); err != nil {
			s.client.reset() // an end would look like that of the body
		}
	})
}

// ownHead is the head of an answer that fasthttp does not write.
func (c *call) ownHead() []byte {
	head := make([]byte, 0, len(c.lines)+64)
	head = append(head, "HTTP/1.1 "...)
	head = fasthttp.AppendUint(head, c.Answer.Status)
	head = append(head, ' ')
	phrase := c.Answer.Phrase
	if len(phrase) == 0 {
		phrase = []byte(fasthttp.StatusMessage(c.Answer.Status))
	}
	head = append(head, phrase...)
	head = append(append(head, "\r\n"...), c.lines...)
	return append(head, "\r\n"...)
}

// EarlyHints implements upstream.Interim: it passes a 103 on (RFC 8297). A
// client of HTTP/1.0 knows no answer before the answer.
func (c *call) EarlyHints(fields header.List) {
	if !c.Ctx.Request.Header.IsHTTP11() {
		return
	}
	lines := append(c.lines[:0], "HTTP/1.1 103 Early Hints\r\n"...)
	for i := range fields {
		lines = header.AppendLine(lines, fields[i].Name, fields[i].Value)
	}
	c.lines = append(lines, "\r\n"...)
	_, _ = c.conn.Write(c.lines) // where it fails, so will the answer
}

// onlyWriter hides what else a connection can do from io.Copy.
type onlyWriter struct{ io.Writer }

// stream is a body on its way to a client.
type stream struct {
	body   *upstream.Body
	client *clientConn
	broken func(*upstream.Error)
	// who has made the call, as in call.
	who    *clientUse
	behind bool
}

var streams = sync.Pool{New: func() any { return new(stream) }}

// Read implements io.Reader for fasthttp, which closes the client's connection
// after an error, in the middle of the body.
func (s *stream) Read(p []byte) (int, error) {
	n, err := s.body.Read(p)
	s.client.ending.out += int64(n)
	if err != nil && err != io.EOF {
		s.client.ending.cutBy(cutByServer)
		if failed, ok := err.(*upstream.Error); ok && s.broken != nil {
			s.broken(failed)
		}
	}
	return n, err
}

// Close lets the endpoint server's connection go. It must be called once.
func (s *stream) Close() error {
	err := s.body.Close()
	s.client.listener.proxy.over(s.who, s.behind)
	*s = stream{}
	streams.Put(s)
	return err
}

// pieces are the buffers that streams are copied through.
var pieces = sync.Pool{New: func() any { return new([upstream.Piece]byte) }}

// ReadFrom writes what r gives, each piece as it comes: fasthttp would gather
// those of a body of known length until its own buffer is full.
func (c *clientConn) ReadFrom(r io.Reader) (sent int64, err error) {
	buf := pieces.Get().(*[upstream.Piece]byte)
	defer pieces.Put(buf)
	for {
		n, err := r.Read(buf[:])
		if n > 0 {
			m, writeErr := c.Write(buf[:n])
			sent += int64(m)
			if writeErr != nil {
				return sent, writeErr
			}
		}
		if err == io.EOF {
			return sent, nil
		}
		if err != nil {
			return sent, err
		}
	}
}

// reset closes the connection so that the client does not take it for an end.
func (c *clientConn) reset() {
	conn := socket(c.Conn) // without the goodbye of TLS
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}
