package body

import "io"

// script is a Source that gets its bytes in pieces of a size.
type script struct {
	data []byte
	step int
	r, w int
	// pauses are where nothing comes for a moment, once.
	pauses map[int]bool
}

func (s *script) Buffered() []byte { return s.data[s.r:s.w] }
func (s *script) Discard(n int)    { s.r += n }

func (s *script) Fill() error {
	if s.pauses[s.w] {
		delete(s.pauses, s.w)
		return ErrPause
	}
	if s.w == len(s.data) {
		return io.EOF
	}
	s.w = min(len(s.data), s.w+s.step)
	return nil
}

func (s *script) Read(p []byte) (int, error) {
	if s.r == s.w {
		if err := s.Fill(); err != nil {
			return 0, err
		}
	}
	n := copy(p, s.data[s.r:s.w])
	s.r += n
	return n, nil
}
