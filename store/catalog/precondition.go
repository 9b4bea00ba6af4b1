package catalog

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/tollgate/tollgate/store/wire"
)

// MaxPreconditionSerials bounds the serials of one Precondition.
const MaxPreconditionSerials = 64

// ErrPrecondition is the answer to a command whose Precondition does not hold.
var ErrPrecondition = errors.New("the domain is not as the precondition says")

// Precondition is what must be true of a domain's draft when a command is
// applied, so that of two administrators who read the same draft only one can
// change it (RFC 9110, 13.1). The zero value asks for nothing; of the fields
// at most one is set.
type Precondition struct {
	// Absent asks that there is no domain of that key.
	Absent bool
	// Present asks that there is one.
	Present bool
	// Serials asks that the draft has one of these, which rise.
	Serials []uint64
}

// IsZero tells whether p asks for nothing.
func (p *Precondition) IsZero() bool { return !p.Absent && !p.Present && len(p.Serials) == 0 }

// Holds tells whether p is true of a domain whose draft has that serial, 0
// being the serial of a domain that does not exist.
func (p *Precondition) Holds(serial uint64) bool {
	switch {
	case p.Absent:
		return serial == 0
	case p.Present:
		return serial != 0
	case len(p.Serials) > 0:
		return slices.Contains(p.Serials, serial)
	}
	return true
}

// What a Precondition asks for, in its encoding.
const (
	askAbsent  = 0
	askPresent = 1
	askSerials = 2
)

// append appends the encoding of a precondition that is not zero.
//
//	precondition  00 (absent) | 01 (present) | 02 n uint | n × serial uint
func (p *Precondition) append(b []byte) []byte {
	switch {
	case p.Absent:
		return append(b, askAbsent)
	case p.Present:
		return append(b, askPresent)
	}
	b = wire.AppendUints(append(b, askSerials), uint64(len(p.Serials)))
	for _, serial := range p.Serials {
		b = wire.AppendUints(b, serial)
	}
	return b
}

// precondition reads what append wrote.
func (d *decoder) precondition() Precondition {
	switch ask := d.Byte(); ask {
	case askAbsent:
		return Precondition{Absent: true}
	case askPresent:
		return Precondition{Present: true}
	case askSerials:
		var p Precondition
		least := uint64(1)
		for range d.Uint("number of serials", 1, MaxPreconditionSerials) {
			serial := d.Uint("serial", least, math.MaxUint64-1)
			p.Serials = append(p.Serials, serial)
			least = serial + 1
		}
		return p
	default:
		d.Fail("the precondition is of kind %d, must be 0 to 2", ask)
	}
	return Precondition{}
}

// check tells whether the precondition is within the bounds of its encoding.
func (p *Precondition) check() error {
	kinds := 0
	for _, set := range []bool{p.Absent, p.Present, len(p.Serials) > 0} {
		if set {
			kinds++
		}
	}
	switch {
	case kinds > 1:
		return errors.New("the precondition asks for more than one thing")
	case len(p.Serials) > MaxPreconditionSerials:
		return fmt.Errorf("%d serials, at most %d are allowed", len(p.Serials), MaxPreconditionSerials)
	}
	least := uint64(1)
	for _, serial := range p.Serials {
		if serial < least || serial == math.MaxUint64 {
			return errors.New("the serials of the precondition must rise from 1")
		}
		least = serial + 1
	}
	return nil
}
