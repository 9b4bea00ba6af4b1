package catalog

import (
	"errors"
	"fmt"
	"io"
	"math"
	"slices"

	"github.com/tollgate/tollgate/store/wire"
)

// Bounds of what is kept of a domain's revisions. The newest is always kept.
const (
	MaxHistory      = 50
	MaxHistoryBytes = 16 << 20 // of documents, as they are kept
)

// ErrNoRevision: the domain has no revision of that number, or has it no more.
var ErrNoRevision = errors.New("no such revision")

// Past is one saved draft of a domain: what was saved, when and by whom.
type Past struct {
	Revision
	// At is the cluster time, in ms, at which it was saved; 0 where nobody wrote it
	// down. Name and Note are the Origin's.
	At         int64
	Name, Note string
}

// remember adds a draft to the history. What e has may be shared, and stays as it is.
func (e *Entry) remember(by Origin, now int64, before Revision) {
	past := slices.Clone(e.History)
	if len(past) == 0 && before.Number != 0 { // it was saved before there was a history
		past = append(past, Past{Revision: before})
	}
	past = append(past, Past{e.Draft, now, by.Name, by.Note})
	size := 0
	for i := len(past) - 1; i >= 0; i-- {
		size += len(past[i].Document)
		if i < len(past)-1 && (len(past)-i > MaxHistory || size > MaxHistoryBytes) {
			past = slices.Clone(past[i+1:]) // what is dropped must not be held
			break
		}
	}
	e.History = past
}

// Past is the kept revision of a number.
func (e *Entry) Past(number uint64) (Past, bool) {
	for _, p := range e.Revisions() {
		if p.Number == number {
			return p, true
		}
	}
	return Past{}, false
}

// Revisions are the revisions that are kept, the newest last. The draft is always one.
func (e *Entry) Revisions() []Past {
	if len(e.History) == 0 {
		return []Past{{Revision: e.Draft}}
	}
	return e.History
}

// Histories is the part of a State that writes its domains' histories.
type Histories struct{ of *State }

// HistoriesPart is what writes the histories of a state. It is good as long as the
// state is not changed.
func (s *State) HistoriesPart() Histories { return Histories{s} }

// How a history has a revision, in its encoding.
const (
	pastOwn   = 0
	pastDraft = 1
	pastLive  = 2
)

// WriteTo writes the histories of the domains that have one:
//
//	n uint | n × ( key string | k uint | k × past )
//	past  00 revision | 01 (the draft) | 02 (what is deployed)
//	      then at uint | name string | note string
//
// Revisions stand as in State.WriteTo; those of a history rise.
func (h Histories) WriteTo(w io.Writer) (written int64, err error) {
	n := uint64(0)
	h.of.domains.Scan(func(_ string, e *Entry) bool {
		if len(e.History) > 0 {
			n++
		}
		return true
	})
	b := wire.AppendUints(nil, n)
	flush := func() bool {
		var n int
		n, err = w.Write(b)
		written, b = written+int64(n), b[:0]
		return err == nil
	}
	if !flush() {
		return written, err
	}
	h.of.domains.Scan(func(_ string, e *Entry) bool {
		if len(e.History) == 0 {
			return true
		}
		b = wire.AppendUints(wire.AppendString(b, e.Key), uint64(len(e.History)))
		for i := range e.History {
			p := &e.History[i]
			switch p.Serial {
			case e.Draft.Serial:
				b = append(b, pastDraft)
			case e.Deployed.Serial:
				b = append(b, pastLive)
			default:
				b = appendRevision(append(b, pastOwn), p.Revision)
			}
			b = wire.AppendUints(b, uint64(p.At))
			b = wire.AppendString(wire.AppendString(b, p.Name), p.Note)
		}
		return flush()
	})
	return written, err
}

// DecodeHistories reads what Histories.WriteTo wrote into the state.
func (s *State) DecodeHistories(b []byte) error {
	d := decoder{wire.NewReader(b)}
	previous := ""
	for range d.Uint("number of histories", 0, math.MaxUint32) {
		key := d.String("key", 1, MaxKeyBytes)
		e, ok := s.Entry(key)
		if d.Err() == nil && (!ok || key <= previous) {
			d.Fail("the history of %q, which is no domain or does not come after %q", key, previous)
		}
		if d.Err() != nil {
			break
		}
		previous = key
		e.History = wire.List(d.Reader, "revisions", MaxHistory, func() Past { return d.past(&e) })
		rising := slices.IsSortedFunc(e.History, func(a, b Past) int { return cmpSerial(a, b) })
		if d.Err() == nil && (len(e.History) == 0 || !rising || e.History[len(e.History)-1].Serial != e.Draft.Serial) {
			d.Fail("the history of %q does not rise to its draft", key)
		}
		s.domains.Set(key, &e)
	}
	if err := d.Done(); err != nil {
		return fmt.Errorf("histories: %w", err)
	}
	return nil
}

// cmpSerial has equal serials in no order.
func cmpSerial(a, b Past) int {
	if a.Serial < b.Serial {
		return -1
	}
	return 1
}

func (d *decoder) past(e *Entry) (p Past) {
	switch kind := d.Byte(); kind {
	case pastDraft:
		p.Revision = e.Draft
	case pastLive:
		if p.Revision = e.Deployed; e.Deployed.Serial == e.Draft.Serial || e.Deployed.Serial == 0 {
			d.Fail("a revision is what is deployed, which is the draft or nothing")
		}
	case pastOwn:
		p.Revision = d.revision(e.Draft.Serial, e.Draft.Number)
		if p.Serial == e.Draft.Serial || p.Serial == e.Deployed.Serial {
			d.Fail("a revision stands twice")
		}
	default:
		d.Fail("a revision is of kind %d, must be 0 to 2", kind)
	}
	p.At = int64(d.Uint("at", 0, math.MaxInt64))
	p.Name, p.Note = d.String("name", 0, maxOriginBytes), d.String("note", 0, maxNoteBytes)
	return p
}
