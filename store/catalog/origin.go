package catalog

import (
	"cmp"
	"errors"
	"unicode/utf8"

	"github.com/tollgate/tollgate/store/wire"
)

// MaxNoteRunes bounds the note of a change, in characters.
const MaxNoteRunes = 1000

// Origin is who asked for a change, and why.
type Origin struct {
	// Name and Role are those of the token; empty where there are none. Address is
	// where the request came from.
	Name, Role, Address string
	// Note is what the administrator says of the change; up to MaxNoteRunes.
	Note string
}

// IsZero reports whether nobody is known to have asked.
func (o *Origin) IsZero() bool { return *o == Origin{} }

const (
	maxOriginBytes = 128
	maxNoteBytes   = 4 * MaxNoteRunes
)

// Check tells whether the origin is within its bounds.
func (o *Origin) Check() error {
	note := error(nil)
	if !utf8.ValidString(o.Note) {
		note = errors.New("the note is not UTF-8")
	}
	return cmp.Or(note,
		checkLength("name", len(o.Name), 0, maxOriginBytes),
		checkLength("role", len(o.Role), 0, maxOriginBytes),
		checkLength("address", len(o.Address), 0, maxOriginBytes),
		checkLength("note", len(o.Note), 0, maxNoteBytes))
}

// Append appends the origin's encoding:
//
//	name string | role string | address string | note string
func (o *Origin) Append(b []byte) []byte {
	b = wire.AppendString(wire.AppendString(b, o.Name), o.Role)
	return wire.AppendString(wire.AppendString(b, o.Address), o.Note)
}

// ReadOrigin reads what Origin.Append wrote.
func ReadOrigin(r *wire.Reader) Origin {
	return Origin{
		Name: r.String("name", 0, maxOriginBytes), Role: r.String("role", 0, maxOriginBytes),
		Address: r.String("address", 0, maxOriginBytes), Note: r.String("note", 0, maxNoteBytes),
	}
}
