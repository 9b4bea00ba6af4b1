package store

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/tollgate/tollgate/store/catalog"
	"github.com/tollgate/tollgate/store/wire"
)

// pieceBytes is the most of a change of the catalogue that goes into one entry.
// At 20 Mbit/s it takes 26 ms to each follower, a small part of the time after
// which a follower that hears nothing stands for election; and what else is
// proposed waits for no more than that.
const pieceBytes = 64 << 10

// Piece is a part of a change that is too large for one entry. The first one
// begins a change, and is named by its index in the log; the last one has the
// change made. There is one change in pieces at a time: another first piece, or
// a new term, drops what has come of the one before.
type Piece struct {
	// Of is the index of the first piece; 0 in that itself.
	Of uint64
	// Total is the size of the whole, in bytes. A first piece of nothing drops
	// what is there.
	Total uint64
	Bytes []byte
}

// assembly is a change that has come in part. Its bytes are only ever appended
// to, so that snapshots may share them.
type assembly struct {
	term, of, total uint64
	bytes           []byte
}

// decodeAssembly reads the pieces of a state.
func decodeAssembly(r *wire.Reader) *assembly {
	a := &assembly{term: r.Uint("term of pieces", 0, math.MaxUint64), of: r.Uint("index of pieces", 1, math.MaxUint64), total: r.Uint("size of pieces", 2, MaxCommandBytes)}
	if r.Err() == nil {
		a.bytes = bytes.Clone(r.Bytes("pieces", 1, int(a.total)-1))
	}
	return a
}

// errPiece: a piece fits nothing that has come before it.
var errPiece = errors.New("a piece of a change whose beginning was dropped")

// addPiece takes a piece in. It returns the whole once that is there.
func (s *state) addPiece(index, term uint64, p Piece) (whole []byte, err error) {
	if p.Of == 0 {
		s.pieces = nil
		if p.Total == 0 {
			return nil, nil
		}
		s.pieces = &assembly{term: term, of: index, total: p.Total}
	}
	a := s.pieces
	if a == nil || p.Of != 0 && p.Of != a.of || p.Total != a.total || uint64(len(a.bytes)+len(p.Bytes)) > a.total {
		return nil, errPiece
	}
	// A new value: a snapshot may have the old one.
	a = &assembly{a.term, a.of, a.total, append(a.bytes, p.Bytes...)}
	if s.pieces = a; uint64(len(a.bytes)) < a.total {
		return nil, nil
	}
	s.pieces = nil
	return a.bytes, nil
}

// dropPieces drops what a leader of an earlier term did not bring to an end:
// nobody does.
func (s *state) dropPieces(term uint64) {
	if s.pieces != nil && s.pieces.term < term {
		s.pieces = nil
	}
}

// assembled is the change that a whole is.
func assembled(whole []byte) catalog.Command {
	c, err := catalog.DecodeCommand(whole)
	if err != nil { // as with any committed bytes that cannot be decoded
		panic(fmt.Sprintf("a change of %d bytes that came in pieces: %v", len(whole), err))
	}
	return c
}

// cut cuts a change into pieces.
func cut(change []byte) (list []Piece) {
	for part := range slices.Chunk(change, pieceBytes) {
		list = append(list, Piece{Total: uint64(len(change)), Bytes: part})
	}
	return list
}
