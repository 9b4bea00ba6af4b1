package catalog

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math"
)

// What is deployed of a domain, in the encoding of a state.
const (
	deployedNothing = 0
	deployedDraft   = 1
	deployedOlder   = 2
)

// Append appends the state's encoding to b; equal states have equal ones. Its
// version is the caller's business, who puts it in front.
//
//	state     serial uint | n uint | n × domain, their keys rising
//	domain    key string | name string | endpoints uint | draft revision |
//	          deployed
//	deployed  00 (nothing) | 01 (the draft) | 02 revision (an older one)
//	revision  number uint | serial uint | document | conditions
//
// uint, string, document and conditions are described in wire.go.
func (s *State) Append(b []byte) []byte {
	buf := bytes.NewBuffer(b)
	_, _ = s.WriteTo(buf) // a buffer refuses nothing
	return buf.Bytes()
}

// WriteTo writes the state's encoding to w, a domain at a time.
func (s *State) WriteTo(w io.Writer) (written int64, err error) {
	b := binary.AppendUvarint(nil, s.serial)
	b = binary.AppendUvarint(b, uint64(s.domains.Len()))
	flush := func() bool {
		var n int
		n, err = w.Write(b)
		written, b = written+int64(n), b[:0]
		return err == nil
	}
	if !flush() {
		return written, err
	}
	s.domains.Scan(func(_ string, e *Entry) bool {
		b = e.append(b)
		return flush()
	})
	return written, err
}

func (e *Entry) append(b []byte) []byte {
	b = appendString(b, e.Key)
	b = appendString(b, e.Name)
	b = binary.AppendUvarint(b, uint64(e.Endpoints))
	b = appendRevision(b, e.Draft)
	switch e.Deployed.Serial {
	case 0:
		return append(b, deployedNothing)
	case e.Draft.Serial:
		return append(b, deployedDraft)
	}
	return appendRevision(append(b, deployedOlder), e.Deployed)
}

func appendRevision(b []byte, r Revision) []byte {
	b = binary.AppendUvarint(b, r.Number)
	b = binary.AppendUvarint(b, r.Serial)
	b = appendDocument(b, r.Document, r.Size)
	return appendConditions(b, r.Conditions)
}

// DecodeState reads what State.Append wrote, and nothing else. It keeps no
// part of b.
func DecodeState(b []byte) (*State, error) {
	d := decoder{b: b}
	s := NewState()
	s.serial = d.uint("serial", 0, math.MaxUint64)
	serials := map[uint64]bool{}
	previous := ""
	for range d.uint("number of domains", 0, math.MaxUint64) {
		e := d.entry(s.serial)
		if d.err != nil {
			break
		}
		if e.Key <= previous {
			d.fail("the key %q does not come after %q", e.Key, previous)
		}
		if serials[e.Draft.Serial] || e.Deployed.Serial != e.Draft.Serial && serials[e.Deployed.Serial] {
			d.fail("a serial of %q is another revision's", e.Key)
		}
		serials[e.Draft.Serial] = true
		if e.Deployed.Serial != 0 {
			serials[e.Deployed.Serial] = true
		}
		s.domains.Set(e.Key, &e)
		previous = e.Key
	}
	if err := d.end(); err != nil {
		return nil, fmt.Errorf("catalog state: %w", err)
	}
	return s, nil
}

// entry reads a domain of a state that has used the serials up to serial.
func (d *decoder) entry(serial uint64) Entry {
	e := Entry{
		Key:       d.string("key", 1, MaxKeyBytes),
		Name:      d.string("name", 0, maxNameBytes),
		Endpoints: int(d.uint("endpoints", 0, MaxEndpoints)),
		Draft:     d.revision(serial, math.MaxUint64),
	}
	switch deployed := d.byte(); deployed {
	case deployedNothing:
	case deployedDraft:
		e.Deployed = e.Draft
	case deployedOlder:
		e.Deployed = d.revision(e.Draft.Serial-1, e.Draft.Number-1)
	default:
		d.fail("deployed is %d, must be 0 to 2", deployed)
	}
	return e
}

// revision reads a revision with at most that serial and number. Its serial is
// no less than its number: no domain has had more revisions than the catalogue.
func (d *decoder) revision(serial, number uint64) Revision {
	r := Revision{Number: d.uint("revision number", 1, number)}
	r.Serial = d.uint("revision serial", r.Number, serial)
	r.Document, r.Size = d.document()
	r.Conditions = d.conditions()
	return r
}
