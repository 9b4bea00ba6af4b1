package body

import (
	"errors"
	"io"
)

// ErrPause: nothing has come for a moment. Reading may go on.
var ErrPause = errors.New("a pause in the body")

// Source is the connection that a body comes from, behind its head.
type Source interface {
	// Buffered returns bytes that are already here, without taking them. It
	// waits for nothing; what it returns is good until the next call.
	Buffered() []byte
	// Discard takes the first n of them.
	Discard(n int)
	// Fill waits for bytes and adds them to those that are buffered, for which
	// there must be room. io.EOF means that the client sends no more; after
	// ErrPause it can be called again.
	Fill() error
	// Read takes bytes, buffered ones first, and else waits for some.
	Read(p []byte) (int, error)
}

// Reader reads one body. What it returns is data only: chunk lines are checked
// and dropped, and so are trailers.
type Reader struct {
	src     Source
	framing framing
	err     error
}

// Start begins the body of a given length, or Chunked.
func (r *Reader) Start(src Source, length int64, limits Limits) {
	r.src, r.err = src, nil
	r.framing.start(length, limits)
}

// Done reports whether the body was read to its end.
func (r *Reader) Done() bool { return r.framing.state == ended }

// Limit lowers how long the body may become. It is to be called before the
// first Read.
func (r *Reader) Limit(bytes int64) {
	r.framing.limits.Body = min(r.framing.limits.Body, bytes)
}

// Err is why the body cannot be read on, nil as long as it can.
func (r *Reader) Err() error { return r.err }

// Received is how many bytes of the body have been taken.
func (r *Reader) Received() int64 {
	if f := &r.framing; f.state == inData {
		return f.total - f.left
	}
	return r.framing.total // left may be a size that is being read
}

// Rest is what is left of a body whose length is known, else Chunked.
func (r *Reader) Rest() int64 {
	if r.framing.chunked && !r.Done() {
		return Chunked
	}
	return r.framing.left
}

// Read reads some of the body. io.EOF means that this was the whole of it;
// where the connection ended before, the error is io.ErrUnexpectedEOF, never
// io.EOF. After ErrPause it can be called again.
func (r *Reader) Read(p []byte) (n int, err error) {
	for err == nil && r.err == nil {
		switch {
		case r.Done():
			return 0, io.EOF
		case len(p) == 0:
			return 0, nil
		case r.framing.state == inData:
			n, err = r.src.Read(p[:min(int64(len(p)), r.framing.left)])
			r.framing.took(n)
			if n > 0 {
				return n, nil
			}
			err = r.fail(err)
		default:
			err = r.between()
		}
	}
	return 0, r.status(err)
}

// status is why reading has stopped: for good, or by err for now.
func (r *Reader) status(err error) error {
	if r.err != nil {
		return r.err
	}
	return err
}

// Ended reports whether the whole body has been read, as far as what is
// buffered shows. It waits for nothing.
func (r *Reader) Ended() bool {
	for r.err == nil && !r.Done() && r.framing.state != inData && len(r.src.Buffered()) > 0 {
		_ = r.between() // it is in r.err
	}
	return r.Done()
}

// await waits for data without taking any. io.EOF means that none is to come.
func (r *Reader) await() (err error) {
	for err == nil && r.err == nil {
		switch {
		case r.Done():
			return io.EOF
		case r.framing.state != inData:
			err = r.between()
		case len(r.src.Buffered()) > 0:
			return nil
		default:
			err = r.fail(r.src.Fill())
		}
	}
	return r.status(err)
}

// between reads what stands between data.
func (r *Reader) between() error {
	b := r.src.Buffered()
	if len(b) == 0 {
		return r.fail(r.src.Fill())
	}
	n, err := r.framing.parse(b)
	r.src.Discard(n)
	if err != nil {
		r.err = err
	}
	return err
}

// fail remembers why the body cannot be read on, unless it can.
func (r *Reader) fail(err error) error {
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	if err != ErrPause {
		r.err = err
	}
	return err
}

// Skip drops what is buffered of the body and reports whether that was the
// rest of it. It waits for nothing.
func (r *Reader) Skip() bool {
	for r.err == nil && !r.Done() {
		b := r.src.Buffered()
		if len(b) == 0 {
			return false
		}
		if r.framing.state == inData {
			n := int(min(int64(len(b)), r.framing.left))
			r.src.Discard(n)
			r.framing.took(n)
			continue
		}
		_ = r.between() // it is in r.err
	}
	return r.Done()
}

// Window returns the whole body where it stands in the source's buffer, and
// takes it, when its length is known and all of it is there.
func (r *Reader) Window() (body []byte, ok bool) {
	b := r.src.Buffered()
	if r.err != nil || r.framing.chunked || int64(len(b)) < r.framing.left {
		return nil, false
	}
	b = b[:r.framing.left]
	if len(b) > 0 {
		r.src.Discard(len(b))
		r.framing.took(len(b))
	}
	return b, true
}
