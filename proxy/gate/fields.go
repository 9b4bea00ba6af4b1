package gate

import (
	"bytes"
	"math"
	"strings"

	"github.com/tollgate/tollgate/proxy/envelope"
	"github.com/tollgate/tollgate/proxy/header"
)

var (
	bareLF        = malformed("header line without CR LF at its end")
	folded        = malformed("folded header line")
	badName       = malformed("header name is not a token, or has an underscore")
	badValue      = malformed("control character in a header value")
	duplicate     = malformed("header twice that must come once")
	badFraming    = malformed("Content-Length and Transfer-Encoding contradict each other or are not understood")
	badHost       = malformed("Host is not a host and port")
	badConnection = malformed("Connection names a header that must reach the endpoint server")
	tooManyField  = envelope.HeaderTooLarge
)

// readHeader takes the header block apart more strictly than fasthttp, which
// joins folded lines, takes a bare LF for a line end and lets names have
// spaces (pitfalls 2(a) 10 to 15).
//
// seen is the rules of all fields together.
func (r *Request) readHeader(block []byte, maxFields int) (seen header.Rules, err error) {
	r.Fields = r.Fields[:0]
	for len(block) > 0 {
		line, rest, err := cutLine(block)
		if err != nil {
			return 0, err
		}
		block = rest
		if len(line) == 0 {
			break
		}
		if len(r.Fields) == maxFields {
			return 0, tooManyField
		}
		f, err := readField(line)
		if err != nil {
			return 0, err
		}
		if seen&f.Rules&header.Single != 0 {
			return 0, duplicate
		}
		seen |= f.Rules
		if err := r.note(f); err != nil {
			return 0, err
		}
		r.Fields = append(r.Fields, f)
	}
	if seen&header.ContentLength != 0 && seen&header.TransferEncoding != 0 {
		return 0, badFraming
	}
	if seen&header.Connection != 0 {
		err = r.readConnection()
	}
	return seen, err
}

func cutLine(block []byte) (line, rest []byte, err error) {
	i := bytes.IndexByte(block, '\n')
	if i < 1 || block[i-1] != '\r' {
		return nil, nil, bareLF
	}
	return block[:i-1], block[i+1:], nil
}

func readField(line []byte) (header.Field, error) {
	if line[0] == ' ' || line[0] == '\t' {
		return header.Field{}, folded
	}
	name, value, ok := bytes.Cut(line, []byte{':'})
	// An underscore would be a hyphen to CGI and WSGI programs, so that one
	// could be sent past a check of the other (pitfalls 2(a) 14).
	if !ok || !header.IsToken(name) || bytes.IndexByte(name, '_') >= 0 {
		return header.Field{}, badName
	}
	value = header.Trim(value)
	for _, c := range value {
		if c < ' ' && c != '\t' || c == 0x7f {
			return header.Field{}, badValue
		}
	}
	return header.Field{Name: name, Value: value, Rules: header.Lookup(name)}, nil
}

// note checks the values of the fields that the gateway itself acts on.
func (r *Request) note(f header.Field) error {
	switch {
	case f.Rules&header.Host != 0:
		if !IsHost(f.Value) {
			return badHost
		}
		r.Host = f.Value
	case f.Rules&header.ContentLength != 0:
		if r.Length = length(f.Value); r.Length < 0 {
			return badFraming
		}
		r.Framed = true
	case f.Rules&header.TransferEncoding != 0:
		if !is(f.Value, "chunked") {
			return badFraming
		}
		r.Framed, r.Length = true, Chunked
	case f.Rules&header.Expect != 0:
		if !is(f.Value, "100-continue") {
			return envelope.UnknownExpectation
		}
		r.Continue = true
	}
	return nil
}

// length reads a Content-Length, -1 when it is none.
func length(value []byte) int64 {
	n := int64(0)
	for _, c := range value {
		if c < '0' || c > '9' || n > (math.MaxInt64-9)/10 {
			return -1
		}
		n = n*10 + int64(c-'0')
	}
	if len(value) == 0 {
		return -1
	}
	return n
}

// keepAlive reports whether Connection has that option, which HTTP/1.0 needs.
func (r *Request) keepAlive() bool {
	for i := range r.Fields {
		if r.Fields[i].Rules&header.Connection == 0 {
			continue
		}
		token, rest, done := header.NextToken(r.Fields[i].Value)
		for ; !done; token, rest, done = header.NextToken(rest) {
			if is(token, "keep-alive") {
				return true
			}
		}
	}
	return false
}

// readConnection marks the fields that Connection lists as hop-by-hop.
func (r *Request) readConnection() error {
	for i := range r.Fields {
		if r.Fields[i].Rules&header.Connection == 0 {
			continue
		}
		token, rest, done := header.NextToken(r.Fields[i].Value)
		for ; !done; token, rest, done = header.NextToken(rest) {
			switch {
			case len(token) == 0 || is(token, "keep-alive"):
			case is(token, "close"):
				r.Close = true
			case header.Lookup(token)&header.Protected != 0:
				return badConnection
			default:
				r.switches = r.switches || is(token, "upgrade")
				r.Fields.Mark(token, header.Hop)
			}
		}
	}
	return nil
}

// readUpgrade lists the protocols that a connection may go on with. With h2c or
// TLS, requests would come that nobody checks.
func (r *Request) readUpgrade() {
	list := r.protocols[:0]
	for i := range r.Fields {
		if r.Fields[i].Rules&header.Upgrade == 0 {
			continue
		}
		token, rest, done := header.NextToken(r.Fields[i].Value)
		for ; !done; token, rest, done = header.NextToken(rest) {
			name, version, _ := bytes.Cut(token, []byte{'/'})
			if !header.IsToken(name) || len(version) > 0 && !header.IsToken(version) || isHTTP(name) {
				continue
			}
			if len(list) > 0 {
				list = append(list, ", "...)
			}
			list = append(list, token...)
		}
	}
	r.protocols, r.Upgrade = list, list
}

// isHTTP reports whether a protocol is one of those that carry requests.
func isHTTP(name []byte) bool {
	for _, p := range [...]string{"h2c", "h2", "h3", "http", "tls"} {
		if is(name, p) {
			return true
		}
	}
	return false
}

func is(value []byte, what string) bool {
	return len(value) == len(what) && bytes.EqualFold(value, []byte(what))
}

// IsHost accepts a name or address with a port or without, as Host has it. Userinfo would turn
// into an Authorization header when fasthttp sends it on (pitfalls 2(a) 5).
func IsHost(b []byte) bool {
	if len(b) > 0 && b[0] == '[' {
		address, rest, ok := bytes.Cut(b[1:], []byte{']'})
		return ok && all(address, "0123456789abcdefABCDEF:.") && isPort(rest)
	}
	end := bytes.IndexByte(b, ':')
	if end < 0 {
		end = len(b)
	}
	return all(b[:end], hostChars) && isPort(b[end:])
}

const hostChars = "abcdefghijklmnopqrstuvwxyz0123456789.-ABCDEFGHIJKLMNOPQRSTUVWXYZ_~"

// isPort accepts a colon and a number, or a colon, or nothing (RFC 3986 3.2.3).
func isPort(b []byte) bool {
	if len(b) == 0 {
		return true
	}
	n := 0
	for _, c := range b[1:] {
		if c < '0' || c > '9' {
			return false
		}
		if n = n*10 + int(c-'0'); n > 65535 {
			return false
		}
	}
	return b[0] == ':'
}

func all(b []byte, chars string) bool {
	for _, c := range b {
		if strings.IndexByte(chars, c) < 0 {
			return false
		}
	}
	return len(b) > 0
}
