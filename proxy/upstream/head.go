package upstream

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/tollgate/tollgate/proxy/header"
)

// head is the status line and fields of an answer, checked more strictly than
// fasthttp does it: what two readers can understand in two ways is no answer
// (RFC 9112; pitfalls 2(a) 10 to 13, 20 to 22).
type head struct {
	status int
	phrase []byte
	fields header.List
	old    bool // HTTP/1.0
	// length is what Content-Length says, -1 without one; chunked is what
	// Transfer-Encoding says.
	length  int64
	chunked bool
	// closes is true where Connection says close, listed where it lists more.
	closes, listed bool
}

var (
	errBareLF    = errors.New("a line of the answer's header ends without CR LF")
	errStatus    = errors.New("the answer does not begin with a status line of HTTP/1.0 or 1.1")
	errName      = errors.New("a name in the answer's header is not a token")
	errFolded    = errors.New("a line of the answer's header is folded")
	errValue     = errors.New("a control character in the answer's header")
	errLength    = errors.New("the answer's Content-Length is not one number, or stands twice")
	errTransfer  = errors.New("the answer's Transfer-Encoding is not chunked, or stands twice")
	errTwoFrames = errors.New("the answer has Content-Length and Transfer-Encoding")
	errOldChunks = errors.New("the answer is HTTP/1.0 and has Transfer-Encoding")
)

// readHead waits for the head of an answer and returns its bytes, the empty
// line included. They are in r's buffer, not taken out. A line without CR LF
// is found when it comes, not when the rest does not.
func readHead(r *bufio.Reader) ([]byte, error) {
	for seen, line := 0, 0; ; {
		b, err := r.Peek(max(r.Buffered(), seen+1))
		if err != nil {
			return nil, headError(r, err)
		}
		for {
			i := bytes.IndexByte(b[seen:], '\n')
			if i < 0 {
				seen = len(b)
				break
			}
			end := seen + i
			if end == line || b[end-1] != '\r' {
				return nil, errBareLF
			}
			if seen = end + 1; end == line+1 { // an empty line
				return b[:seen], nil
			}
			line = seen
		}
	}
}

func headError(r *bufio.Reader, err error) error {
	switch {
	case errors.Is(err, bufio.ErrBufferFull):
		return fmt.Errorf("the answer's header is larger than %d bytes (--max-header)", r.Size())
	case errors.Is(err, io.EOF) && r.Buffered() > 0:
		return io.ErrUnexpectedEOF
	}
	return err
}

// read takes a head apart that readHead has found. Fields are appended to
// those in h.fields[:0]; everything refers to text.
func (h *head) read(text []byte) error {
	*h = head{fields: h.fields[:0], length: -1}
	line, rest := cut(text)
	if err := h.readStatus(line); err != nil {
		return err
	}
	for {
		if line, rest = cut(rest); len(line) == 0 {
			break
		}
		f, err := readField(line)
		if err != nil {
			return err
		}
		if err := h.note(f); err != nil {
			return err
		}
		h.fields = append(h.fields, f)
	}
	switch {
	case h.chunked && h.old:
		return errOldChunks
	case h.chunked && h.length >= 0:
		return errTwoFrames
	}
	return nil
}

// cut takes a line off: readHead has seen that CR LF is at its end.
func cut(b []byte) (line, rest []byte) {
	i := bytes.IndexByte(b, '\n')
	return b[:i-1], b[i+1:]
}

func (h *head) readStatus(line []byte) error {
	const before = len("HTTP/1.x ")
	if len(line) < before+3 || string(line[:7]) != "HTTP/1." || line[7] != '0' && line[7] != '1' || line[8] != ' ' {
		return errStatus
	}
	h.old = line[7] == '0'
	for _, c := range line[before : before+3] {
		if c < '0' || c > '9' {
			return errStatus
		}
		h.status = h.status*10 + int(c-'0')
	}
	if h.status < 100 || h.status > 599 {
		return fmt.Errorf("the answer's status is %03d: it must be 100 to 599", h.status)
	}
	if rest := line[before+3:]; len(rest) > 0 {
		if rest[0] != ' ' {
			return errStatus
		}
		h.phrase = rest[1:]
	}
	if !isText(h.phrase) {
		return errValue
	}
	return nil
}

// readField reads a line of a header or of trailers.
func readField(line []byte) (f header.Field, err error) {
	if line[0] == ' ' || line[0] == '\t' {
		return f, errFolded
	}
	name, value, ok := bytes.Cut(line, []byte{':'})
	if !ok || !header.IsToken(name) {
		return f, errName
	}
	if value = header.Trim(value); !isText(value) {
		return f, errValue
	}
	return header.Field{Name: name, Value: value, Rules: header.Lookup(name)}, nil
}

// isText reports whether b has no control character but tabs.
func isText(b []byte) bool {
	for _, c := range b {
		if c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}

// note takes in what a field says about the message itself.
func (h *head) note(f header.Field) error {
	switch {
	case f.Rules&header.ContentLength != 0:
		n, ok := parseLength(f.Value)
		if !ok || h.length >= 0 {
			return errLength
		}
		h.length = n
	case f.Rules&header.TransferEncoding != 0:
		if h.chunked || !bytes.EqualFold(f.Value, []byte("chunked")) {
			return errTransfer
		}
		h.chunked = true
	case f.Rules&header.Connection != 0:
		h.noteConnection(f.Value)
	}
	return nil
}

func (h *head) noteConnection(value []byte) {
	token, rest, done := header.NextToken(value)
	for ; !done; token, rest, done = header.NextToken(rest) {
		if bytes.EqualFold(token, []byte("close")) {
			h.closes = true
		} else if len(token) > 0 && !bytes.EqualFold(token, []byte("keep-alive")) {
			h.listed = true
		}
	}
}

// parseLength reads a Content-Length of at most 18 digits.
func parseLength(b []byte) (n int64, ok bool) {
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	return n, len(b) > 0 && len(b) <= 18
}

// endToEnd takes out of the fields what concerns the connection to the server
// only, Content-Length unless it is to stay, and X-Request-Id where the call has
// one of the gateway's.
func (h *head) endToEnd(withLength, identified bool) header.List {
	if h.listed {
		h.markListed()
	}
	out := header.Hop
	if !withLength {
		out |= header.ContentLength
	}
	if identified {
		out |= header.RequestID
	}
	return h.fields.Without(out)
}

// markListed makes the fields that Connection lists hop-by-hop.
func (h *head) markListed() {
	for i := range h.fields {
		if h.fields[i].Rules&header.Connection == 0 {
			continue
		}
		token, rest, done := header.NextToken(h.fields[i].Value)
		for ; !done; token, rest, done = header.NextToken(rest) {
			if header.Lookup(token)&header.Protected == 0 {
				h.fields.Mark(token, header.Hop)
			}
		}
	}
}
