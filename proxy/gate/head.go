package gate

import (
	"bytes"

	"github.com/tollgate/tollgate/proxy/header"
)

// Head finds the end of a request's head while its bytes come in. The zero
// value is at the start of one.
type Head struct {
	// Start is where the head begins: behind the empty lines that may come
	// before it (RFC 9112 2.2). FirstLine is where its first line ends, 0 until
	// that is there.
	Start, FirstLine int

	line, seen int
}

// Scan looks for the end of the head in data, which holds what came so far,
// from the same first byte in every call. It returns the length of data up to
// the head's end, or 0 while that is missing. A line feed without a carriage
// return before it is an error, as is a first byte that begins no method: for
// those nobody waits.
func (h *Head) Scan(data []byte) (end int, err error) {
	for {
		i := bytes.IndexByte(data[h.seen:], '\n')
		if i < 0 {
			h.seen = len(data)
			if h.FirstLine == 0 && h.Start < len(data) && !beginsMethod(data[h.Start]) && data[h.Start] != '\r' {
				return 0, badRequestLine
			}
			return 0, nil
		}
		i += h.seen
		if i == 0 || data[i-1] != '\r' {
			return 0, bareLF
		}
		empty := i-1 == h.line
		h.seen, h.line = i+1, i+1
		switch {
		case !empty && h.FirstLine == 0 && !beginsMethod(data[h.Start]):
			return 0, badRequestLine
		case !empty && h.FirstLine == 0:
			h.FirstLine = i + 1
		case empty && h.FirstLine == 0:
			h.Start = i + 1
		case empty:
			return i + 1, nil
		}
	}
}

func beginsMethod(c byte) bool { return header.IsToken([]byte{c}) }

// Cut takes a head apart at the spaces of its request line, of which there are
// exactly two. head begins with that line; ok is false when it has no such form.
func Cut(head []byte) (raw Raw, ok bool) {
	line, rest, ok := bytes.Cut(head, crlf)
	if !ok {
		return Raw{}, false
	}
	raw.Header = rest
	if raw.Method, line, ok = bytes.Cut(line, space); !ok {
		return Raw{}, false
	}
	raw.Target, raw.Protocol, ok = bytes.Cut(line, space)
	return raw, ok
}

var (
	crlf  = []byte("\r\n")
	space = []byte(" ")

	badRequestLine = malformed("the request line is not METHOD target HTTP/1.1")
)

// Salvage reads from the head of a request that is refused what the answer's
// header fields depend on: the key, Origin and X-Request-Id; and for the log the
// method, the target behind its authority, and the trace. head may be cut off
// anywhere and malformed in every way, and is believed in nothing else.
func (r *Request) Salvage(head []byte) {
	r.Reset()
	line, rest, _ := bytes.Cut(head, crlf)
	verb, target, _ := bytes.Cut(line, space)
	r.Method = method(verb)
	target, _, _ = bytes.Cut(target, space)
	if _, after, absolute := bytes.Cut(target, []byte("://")); absolute && target[0] != '/' {
		target = after[max(0, bytes.IndexByte(after, '/')):]
	}
	if len(target) == 0 || target[0] != '/' {
		return
	}
	r.Target = target
	path, _, _ := bytes.Cut(target, []byte{'?'})
	r.Key, _ = cut(path)
	for len(rest) > 0 {
		line, rest, _ = bytes.Cut(rest, crlf)
		if len(line) == 0 {
			return
		}
		f, err := readField(line)
		if err == nil && f.Rules&(header.Origin|header.RequestID|header.Trace) != 0 && len(r.Fields) < maxSalvaged {
			r.Fields = append(r.Fields, f)
		}
	}
}

// maxSalvaged bounds the fields that Salvage keeps.
const maxSalvaged = 8
