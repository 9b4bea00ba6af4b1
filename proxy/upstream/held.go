package upstream

import (
	"io"
	"sync"
)

// Memory is the budget of the memory that answers take. Its methods may be
// called at the same time.
type Memory interface {
	// Take asks for n bytes; false: there are not so many left.
	Take(n int) bool
	// Give returns n bytes of those taken.
	Give(n int)
}

// freeBytes is what the body of an answer may have without asking the budget.
const freeBytes = 4 << 10

// Held is a body that has come whole, in memory that it took from the budget.
type Held struct {
	server *Server
	bytes  []byte
	taken  int
	sent   int
}

var helds = sync.Pool{New: func() any { return new(Held) }}

func (s *Server) take(n int) error {
	if s.cfg.Memory == nil || s.cfg.Memory.Take(n) {
		return nil
	}
	return &Error{Reason: Full, Err: errFull}
}

func (s *Server) give(n int) {
	if s.cfg.Memory != nil {
		s.cfg.Memory.Give(n)
	}
}

// hold begins a Held with the bytes that are there already.
func (s *Server) hold(begun []byte) *Held {
	h := helds.Get().(*Held)
	h.server = s
	h.bytes = append(h.bytes[:0], begun...)
	return h
}

// grow makes room for n bytes in all; what is there stays.
func (h *Held) grow(n int) error {
	if more := n - h.taken; more > 0 {
		if err := h.server.take(more); err != nil {
			return err
		}
		h.taken = n
	}
	if n > cap(h.bytes) {
		bytes := make([]byte, len(h.bytes), n)
		copy(bytes, h.bytes)
		h.bytes = bytes
	}
	return nil
}

// Len is how many bytes there are.
func (h *Held) Len() int { return len(h.bytes) }

// Bytes are the bytes, good until Close.
func (h *Held) Bytes() []byte { return h.bytes }

// Read implements io.Reader.
func (h *Held) Read(p []byte) (int, error) {
	n := copy(p, h.bytes[h.sent:])
	if h.sent += n; n == 0 && len(p) > 0 {
		return 0, io.EOF
	}
	return n, nil
}

// WriteTo implements io.WriterTo, so that the bytes go out in one piece.
func (h *Held) WriteTo(w io.Writer) (int64, error) {
	n, err := w.Write(h.bytes[h.sent:])
	h.sent += n
	return int64(n), err
}

// SupportsBodyWriteTo tells fasthttp to use WriteTo.
func (h *Held) SupportsBodyWriteTo() bool { return true }

// Close gives the memory back. It must be called once.
func (h *Held) Close() error {
	h.server.give(h.taken)
	bytes := h.bytes[:0]
	if cap(bytes) > 2*maxPooled {
		bytes = nil
	}
	*h = Held{bytes: bytes}
	helds.Put(h)
	return nil
}

// maxPooled is the largest buffer that is kept for the next answer: that of
// the default of BodyBuffer.
const maxPooled = 64 << 10
