package quota

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"
)

// The encodings are sequences of uvarints (u) and of strings, a string being a
// uvarint length and its bytes (s).
//
//	frame   node:s incarnation:u seq:u
//	        returns:u { counter:u window:u n:u }
//	        reports:u { counter:u window:u spent:u back:u want:u renew:u(0|1) }
//	        takes:u   { counters:u { counter:u, as its distance from the one before } n:u }
//	        charges:u { counter:u n:u }
//	result  stale:u(0|1) now:u
//	        decisions:u { decided:u admitted:u retryAfter:u windows:u { window:u } }
//	        grants:u    { units:u leaseMillis:u window:u endsIn:u phase:u }

var errTruncated = errors.New("truncated")

// reader consumes an encoding; after its first error it reads zeros.
type reader struct {
	b   []byte
	err error
}

func (r *reader) fail(err error) {
	if r.err == nil {
		r.err = err
	}
	r.b = nil
}

func (r *reader) uvarint() uint64 {
	v, n := protowire.ConsumeVarint(r.b)
	if n < 0 {
		r.fail(errTruncated)
		return 0
	}
	r.b = r.b[n:]
	return v
}

// bounded is a uvarint that must lie in lo..hi.
func (r *reader) bounded(name string, lo, hi uint64) uint64 {
	v := r.uvarint()
	if r.err == nil && (v < lo || v > hi) {
		r.fail(fmt.Errorf("%s %d: must be %d to %d", name, v, lo, hi))
		return 0
	}
	return v
}

func (r *reader) time(name string) int64 { return int64(r.bounded(name, 0, math.MaxInt64)) }

func (r *reader) string(name string, limit int) string {
	v, n := protowire.ConsumeString(r.b)
	if n < 0 {
		r.fail(errTruncated)
		return ""
	}
	if len(v) > limit {
		r.fail(fmt.Errorf("%s of %d bytes: must be at most %d", name, len(v), limit))
		return ""
	}
	r.b = r.b[n:]
	return v
}

// list reads a length of at most limit and that many elements.
func list[T any](r *reader, name string, limit uint64, element func() T) []T {
	n := r.bounded("number of "+name, 0, limit)
	var l []T
	for range n {
		if r.err != nil {
			return nil
		}
		l = append(l, element())
	}
	return l
}

// done reports the first error, trailing bytes being one.
func (r *reader) done() error {
	if r.err == nil && len(r.b) > 0 {
		return fmt.Errorf("%d bytes too many", len(r.b))
	}
	return r.err
}

func appendUvarints(b []byte, values ...uint64) []byte {
	for _, v := range values {
		b = protowire.AppendVarint(b, v)
	}
	return b
}

// Append appends the frame's encoding.
func (f *Frame) Append(b []byte) []byte {
	b = protowire.AppendString(b, f.Node)
	b = appendUvarints(b, f.Incarnation, f.Seq, uint64(len(f.Returns)))
	for _, r := range f.Returns {
		b = appendUvarints(b, r.Counter, uint64(r.Window), uint64(r.N))
	}
	b = protowire.AppendVarint(b, uint64(len(f.Reports)))
	for _, r := range f.Reports {
		b = appendUvarints(b, r.Counter, uint64(r.Window), r.Spent, r.Back, uint64(r.Want), protowire.EncodeBool(r.Renew))
	}
	b = protowire.AppendVarint(b, uint64(len(f.Takes)))
	for _, t := range f.Takes {
		b = protowire.AppendVarint(b, uint64(len(t.Counters)))
		last := uint64(0)
		for _, id := range t.Counters {
			b = protowire.AppendVarint(b, id-last)
			last = id
		}
		b = protowire.AppendVarint(b, uint64(t.N))
	}
	b = protowire.AppendVarint(b, uint64(len(f.Charges)))
	for _, c := range f.Charges {
		b = appendUvarints(b, c.Counter, uint64(c.N))
	}
	return b
}

// DecodeFrame is the inverse of Frame.Append. It refuses what is truncated,
// longer than it says, or beyond the bounds of a frame.
func DecodeFrame(b []byte) (*Frame, error) {
	if len(b) > MaxFrameBytes {
		return nil, fmt.Errorf("quota frame of %d bytes: must be at most %d", len(b), MaxFrameBytes)
	}
	r := &reader{b: b}
	f := &Frame{
		Node:        r.string("node", maxNodeBytes),
		Incarnation: r.uvarint(),
		Seq:         r.bounded("seq", 1, 1<<63),
		Returns:     list(r, "returns", MaxFrameItems, r.giveBack),
		Reports:     list(r, "reports", MaxFrameItems, r.report),
		Takes:       list(r, "takes", MaxFrameItems, r.take),
		Charges:     list(r, "charges", MaxFrameItems, r.charge),
	}
	if err := r.done(); err != nil {
		return nil, fmt.Errorf("quota frame: %w", err)
	}
	if f.Node == "" {
		return nil, errors.New("quota frame: names no node")
	}
	return f, nil
}

func (r *reader) giveBack() Return {
	return Return{r.uvarint(), r.time("window"), uint32(r.bounded("units", 1, MaxCalls))}
}

func (r *reader) report() Report {
	return Report{
		Counter: r.uvarint(), Window: r.time("window"), Spent: r.uvarint(), Back: r.uvarint(),
		Want: uint32(r.bounded("want", 0, math.MaxUint32)), Renew: r.bounded("renew", 0, 1) == 1,
	}
}

// take reads counters as rising distances: a counter that stood there twice
// would be charged twice for one call.
func (r *reader) take() Take {
	n := r.bounded("number of counters", 1, MaxCounters)
	t := Take{Counters: make([]uint64, 0, n)}
	last := uint64(0)
	for range n {
		last += r.bounded("distance of counters", 1, math.MaxUint64-last)
		t.Counters = append(t.Counters, last)
	}
	t.N = uint32(r.bounded("calls", 1, MaxCalls))
	return t
}

func (r *reader) charge() Charge {
	return Charge{r.uvarint(), uint32(r.bounded("calls", 1, MaxCalls))}
}

// Append appends the result's encoding.
func (res Result) Append(b []byte) []byte {
	b = appendUvarints(b, protowire.EncodeBool(res.Stale), uint64(res.Now), uint64(len(res.Decisions)))
	for _, d := range res.Decisions {
		b = appendUvarints(b, uint64(d.Decided), uint64(d.Admitted), uint64(d.RetryAfter), uint64(len(d.Windows)))
		for _, w := range d.Windows {
			b = protowire.AppendVarint(b, uint64(w))
		}
	}
	b = protowire.AppendVarint(b, uint64(len(res.Grants)))
	for _, g := range res.Grants {
		b = appendUvarints(b, g.Units, uint64(g.LeaseMillis), uint64(g.Window), uint64(g.EndsIn), uint64(g.Phase))
	}
	return b
}

// DecodeResult is the inverse of Result.Append.
func DecodeResult(b []byte) (Result, error) {
	r := &reader{b: b}
	res := r.result()
	if err := r.done(); err != nil {
		return Result{}, fmt.Errorf("quota result: %w", err)
	}
	return res, nil
}

func (r *reader) result() Result {
	return Result{
		Stale: r.bounded("stale", 0, 1) == 1,
		Now:   r.time("now"),
		Decisions: list(r, "decisions", MaxFrameItems, func() Decision {
			return Decision{
				Decided:    uint32(r.bounded("decided", 0, MaxCalls)),
				Admitted:   uint32(r.bounded("admitted", 0, MaxCalls)),
				RetryAfter: r.time("retry after"),
				Windows:    list(r, "windows", MaxCounters, func() int64 { return r.time("window") }),
			}
		}),
		Grants: list(r, "grants", MaxFrameItems, func() Grant {
			return Grant{
				Units: r.uvarint(), LeaseMillis: r.time("lease"),
				Window: r.time("window"), EndsIn: r.time("ends in"), Phase: r.phase(),
			}
		}),
	}
}

func (r *reader) phase() Phase { return Phase(r.bounded("phase", 0, uint64(Exhausted))) }

// sorted lists a map's keys in order, so that no encoding depends on the map's.
func sorted[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
