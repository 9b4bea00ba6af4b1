package catalog

import (
	"bytes"
	"fmt"
	"io"
	"math"

	"github.com/tollgate/tollgate/store/wire"
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
	b := wire.AppendUints(nil, s.serial)
	b = wire.AppendUints(b, uint64(s.domains.Len()))
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
	b = wire.AppendString(b, e.Key)
	b = wire.AppendString(b, e.Name)
	b = wire.AppendUints(b, uint64(e.Endpoints))
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
	b = wire.AppendUints(b, r.Number)
	b = wire.AppendUints(b, r.Serial)
	b = appendDocument(b, r.Document, r.Size)
	return appendConditions(b, r.Conditions, r.SingleUse)
}

// DecodeState reads what State.Append wrote, and nothing else. It keeps no
// part of b.
func DecodeState(b []byte) (*State, error) {
	d := decoder{wire.NewReader(b)}
	s := NewState()
	s.serial = d.Uint("serial", 0, math.MaxUint64)
	serials := map[uint64]bool{}
	previous := ""
	for range d.Uint("number of domains", 0, math.MaxUint64) {
		e := d.entry(s.serial)
		if d.Err() != nil {
			break
		}
		if e.Key <= previous {
			d.Fail("the key %q does not come after %q", e.Key, previous)
		}
		if serials[e.Draft.Serial] || e.Deployed.Serial != e.Draft.Serial && serials[e.Deployed.Serial] {
			d.Fail("a serial of %q is another revision's", e.Key)
		}
		serials[e.Draft.Serial] = true
		if e.Deployed.Serial != 0 {
			serials[e.Deployed.Serial] = true
		}
		s.domains.Set(e.Key, &e)
		previous = e.Key
	}
	if err := d.Done(); err != nil {
		return nil, fmt.Errorf("catalog state: %w", err)
	}
	return s, nil
}

// entry reads a domain of a state that has used the serials up to serial.
func (d *decoder) entry(serial uint64) Entry {
	e := Entry{
		Key:       d.String("key", 1, MaxKeyBytes),
		Name:      d.String("name", 0, maxNameBytes),
		Endpoints: int(d.Uint("endpoints", 0, MaxEndpoints)),
		Draft:     d.revision(serial, math.MaxUint64),
	}
	switch deployed := d.Byte(); deployed {
	case deployedNothing:
	case deployedDraft:
		e.Deployed = e.Draft
	case deployedOlder:
		e.Deployed = d.revision(e.Draft.Serial-1, e.Draft.Number-1)
	default:
		d.Fail("deployed is %d, must be 0 to 2", deployed)
	}
	return e
}

// revision reads a revision with at most that serial and number. Its serial is
// no less than its number: no domain has had more revisions than the catalogue.
func (d *decoder) revision(serial, number uint64) Revision {
	r := Revision{Number: d.Uint("revision number", 1, number)}
	r.Serial = d.Uint("revision serial", r.Number, serial)
	r.Document, r.Size = d.document()
	r.Conditions, r.SingleUse = d.conditions()
	return r
}
