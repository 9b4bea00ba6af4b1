package upstream

import (
	"io"
	"strconv"
	"time"

	"github.com/tollgate/tollgate/proxy/header"
)

// Request is what goes to a server. It is reused: its slices are only good
// during Do.
type Request struct {
	Method string
	// Path is what follows the server's own path; it begins with a slash.
	// Query begins with its question mark or is empty.
	Path, Query []byte
	// Fields are the client's; those that header.Withheld names are left out
	// when it is sent, and those to which one of the rules of Without applies,
	// those of Forwarded too.
	Fields  header.List
	Without header.Rules
	// HostHeader is sent as Host; an empty one means the server's own.
	HostHeader []byte
	// Set is further fields as lines of the wire, sent as they are.
	Set []byte
	// Forwarded is where the request comes from.
	Forwarded Forwarded
	// Via is the gateway's own entry in Via, behind those of Fields; an empty
	// one is not sent.
	Via []byte
	// ID is sent as X-Request-Id in place of those of Fields, unless it is empty
	// or Without has that field.
	ID []byte
	// Trace is traceparent and tracestate as lines of the wire, in place of those
	// of Fields, unless it is empty or Traced says that Set has them.
	Trace  []byte
	Traced bool
	// Consumer is X-Consumer-Id as a line of the wire, empty where there is none.
	Consumer []byte
	// Body is the body in pieces, none of them empty.
	Body [][]byte
	// Coming is a body that is still coming, in place of Body; Length is how many
	// bytes it has, negative where only its end will tell. Do takes it, and makes
	// it nil, when it begins to send the request.
	Coming Source
	Length int64
	// Framed sends a Content-Length for an empty body too.
	Framed bool
	// Upgrade is what the connection may go on with behind the answer; empty: it
	// goes on with HTTP. Such a request has a connection of its own.
	Upgrade []byte
	// Interim is told about the answers before the answer; nil: nobody.
	Interim Interim
	// Once keeps a GET or HEAD from being sent a second time.
	Once bool
	// Whole wants the answer's body whole, of Config.MaxBody bytes at most.
	Whole bool
	// Timeout bounds the call as a whole; 0 means Config.Timeout, which does not.
	Timeout time.Duration

	head []byte
}

// Interim hears what a server says before its answer.
type Interim interface {
	// EarlyHints is a 103 (RFC 8297) with its end-to-end fields, which are only
	// good until it returns.
	EarlyHints(header.List)
}

// deadline is when the head of the answer must be there.
func (r *Request) deadline(cfg *Config) time.Time {
	if r.Timeout != 0 {
		return time.Now().Add(r.Timeout)
	}
	return time.Now().Add(cfg.Timeout)
}

// Reset drops everything that refers to a request.
func (r *Request) Reset() { *r = Request{head: r.head[:0], Trace: r.Trace[:0]} }

// repeatable reports whether a request that may have been processed may be
// sent again. PUT and DELETE would be as well by RFC 9110, but few servers
// think so.
func (r *Request) repeatable(streams bool) bool {
	return !r.Once && !streams && (r.Method == "GET" || r.Method == "HEAD")
}

// appendHead appends the request line and header. What the client spelled goes
// out as spelled; nothing is defaulted but Content-Length: 0 where servers
// expect it.
func (r *Request) appendHead(dst []byte, host, base string) []byte {
	dst = append(dst, r.Method...)
	dst = append(dst, ' ')
	dst = append(dst, base...)
	dst = append(dst, r.Path...)
	dst = append(dst, r.Query...)
	dst = append(dst, " HTTP/1.1\r\nHost: "...)
	if len(r.HostHeader) > 0 {
		dst = append(dst, r.HostHeader...)
	} else {
		dst = append(dst, host...)
	}
	dst = append(dst, "\r\n"...)
	without := r.Without
	if len(r.Via) > 0 {
		without |= header.Via
	}
	if len(r.ID) > 0 {
		without |= header.RequestID
	}
	traced := len(r.Trace) > 0 && !r.Traced
	if traced {
		without |= header.Trace
	}
	dst = r.Fields.AppendEndToEnd(dst, without)
	dst = append(dst, r.Set...)
	dst = append(dst, r.Consumer...)
	if r.sendsID() {
		dst = append(dst, "X-Request-Id: "...)
		dst = append(append(dst, r.ID...), "\r\n"...)
	}
	if traced {
		dst = append(dst, r.Trace...)
	}
	if len(r.Via) > 0 {
		dst = append(dst, "Via: "...)
		dst = append(r.appendVia(dst), "\r\n"...)
	}
	dst = r.AppendForwarded(dst)
	if len(r.Upgrade) > 0 {
		dst = append(dst, "Connection: Upgrade\r\nUpgrade: "...)
		dst = append(append(dst, r.Upgrade...), "\r\n"...)
	}
	length := r.bodyLength()
	if r.Coming != nil {
		length = r.Length
	}
	if length < 0 {
		dst = append(dst, "Transfer-Encoding: chunked\r\n"...)
	} else if length > 0 || r.Framed || r.Method == "POST" || r.Method == "PUT" || r.Method == "PATCH" {
		dst = append(dst, "Content-Length: "...)
		dst = strconv.AppendInt(dst, length, 10)
		dst = append(dst, "\r\n"...)
	}
	return append(dst, "\r\n"...)
}

// sendsID tells whether the request has the call's ID, and none of Set.
func (r *Request) sendsID() bool { return len(r.ID) > 0 && r.Without&header.RequestID == 0 }

// ViaValue is what Via says of the gateways that the request has passed.
func (r *Request) ViaValue() string { return string(r.appendVia(nil)) }

// appendVia appends the values of Via as one, our own entry last.
func (r *Request) appendVia(dst []byte) []byte {
	for i := range r.Fields {
		if f := &r.Fields[i]; f.Rules&header.Via != 0 && len(f.Value) > 0 {
			dst = append(append(dst, f.Value...), ", "...)
		}
	}
	return append(dst, r.Via...)
}

// onePiece is up to how many bytes head and body are written together.
const onePiece = 16 << 10

// inOnePiece is head and body together, nil where they are too long for that or
// the body is still to come; appendHead has been called.
func (r *Request) inOnePiece() []byte {
	if r.Coming != nil || int64(len(r.head))+r.bodyLength() > onePiece {
		return nil
	}
	all := r.head
	for _, piece := range r.Body {
		all = append(all, piece...)
	}
	r.head = all[:len(r.head)]
	return all
}

// writeTo sends the request; appendHead has been called.
func (r *Request) writeTo(w io.Writer) error {
	all, pieces := r.head, r.Body
	for len(pieces) > 0 && len(all)+len(pieces[0]) <= onePiece {
		all = append(all, pieces[0]...)
		pieces = pieces[1:]
	}
	r.head = all[:len(r.head)]
	_, err := w.Write(all)
	for i := 0; i < len(pieces) && err == nil; i++ {
		_, err = w.Write(pieces[i])
	}
	return err
}

func (r *Request) bodyLength() (n int64) {
	for _, piece := range r.Body {
		n += int64(len(piece))
	}
	return n
}
