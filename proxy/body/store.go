package body

import (
	"errors"
)

// ErrNoMemory: the budget has no more for this body.
var ErrNoMemory = errors.New("the budget for bodies is used up")

// A body begins with small pieces, so that one of which little comes holds
// little, and goes on with large ones, so that a long one is read with few
// calls.
const (
	SmallPiece = 16 << 10
	LargePiece = 64 << 10
	// smallPieces is how many small ones come first.
	smallPieces = 2
)

// Overhead is what a body that is waited for counts besides its pieces: about
// what its connection and call need, so that they have their bound too.
const Overhead = 16 << 10

// Store holds the bodies of a process.
type Store struct {
	budget       *Budget
	small, large Memory
}

// NewStore makes a Store that holds what a Budget allows.
func NewStore(b *Budget) *Store {
	return &Store{budget: b, small: Memory{size: SmallPiece, warmest: 2 << 20}, large: Memory{size: LargePiece, warmest: 14 << 20}}
}

// Held is a body in memory. The zero value is none; it can be used again after
// Release.
type Held struct {
	// Pieces are the body's bytes, in order.
	Pieces [][]byte

	store   *Store
	account Account
}

// Collect reads a body until its end, io.EOF; until more than most bytes of it
// are there, nil; or until a pause behind the first ones, ErrPause. A piece is
// taken when there is data for it, never before. Whatever the error, Release
// gives the pieces back.
func (h *Held) Collect(s *Store, a Account, r *Reader, most int) error {
	if !a.Take(Overhead) {
		return ErrNoMemory
	}
	h.store, h.account = s, a
	var piece []byte // of the last one, what is free
	for have := 0; have <= most; {
		if len(piece) == 0 {
			err := r.await()
			if err == nil {
				piece, err = h.grow()
			}
			if err == ErrPause && have == 0 {
				continue
			}
			if err != nil {
				return err
			}
		}
		n, err := r.Read(piece)
		if err != nil {
			return err
		}
		piece = piece[n:]
		have += n
		last := &h.Pieces[len(h.Pieces)-1]
		*last = (*last)[:len(*last)+n]
	}
	return nil
}

// grow takes one more piece.
func (h *Held) grow() ([]byte, error) {
	m := h.store.memory(len(h.Pieces))
	if !h.account.Take(m.size) {
		return nil, ErrNoMemory
	}
	p := m.take()
	h.Pieces = append(h.Pieces, p[:0])
	return p, nil
}

// memory is where the i-th piece of a body comes from.
func (s *Store) memory(i int) *Memory {
	if i < smallPieces {
		return &s.small
	}
	return &s.large
}

// Keep gives back all pieces but one, and returns that one's memory to be used
// for what is still to come. Nobody may use the others any more.
func (h *Held) Keep() []byte {
	last := len(h.Pieces) - 1
	for i := range h.Pieces[:last] {
		h.giveBack(i)
	}
	kept := h.Pieces[last]
	return kept[:cap(kept)]
}

// Release gives the pieces back. Nobody may use them any more.
func (h *Held) Release() {
	if h.store == nil {
		return
	}
	for i := range h.Pieces {
		h.giveBack(i)
	}
	h.account.Give(Overhead)
	*h = Held{Pieces: h.Pieces[:0]}
}

// giveBack gives the i-th piece back, unless that has happened.
func (h *Held) giveBack(i int) {
	if p := h.Pieces[i]; p != nil {
		m := h.store.memory(i)
		m.give(p)
		h.account.Give(m.size)
		h.Pieces[i] = nil
	}
}
