package quota

import (
	"fmt"
	"math"
	"slices"

	"github.com/tollgate/tollgate/store/wire"
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

// reader reads what this package encodes.
type reader struct{ *wire.Reader }

// number reads any number.
func (r reader) number(name string) uint64 { return r.Uint(name, 0, math.MaxUint64) }

func (r reader) time(name string) int64 { return int64(r.Uint(name, 0, math.MaxInt64)) }

// Append appends the frame's encoding, by its version.
func (f *Frame) Append(b []byte) []byte {
	if f.Version >= Third {
		return f.appendThird(b)
	}
	b = wire.AppendString(b, f.Node)
	b = wire.AppendUints(b, f.Incarnation, f.Seq, uint64(len(f.Returns)))
	for _, r := range f.Returns {
		b = wire.AppendUints(b, r.Counter.Rule, uint64(r.Window), r.N)
	}
	b = wire.AppendUints(b, uint64(len(f.Reports)))
	for _, r := range f.Reports {
		b = wire.AppendUints(b, r.Counter.Rule, uint64(r.Window), r.Spent, r.Back, uint64(r.Want), bit(r.Renew))
	}
	b = wire.AppendUints(b, uint64(len(f.Takes)))
	for _, t := range f.Takes {
		b = wire.AppendUints(b, uint64(len(t.Items)))
		last := uint64(0)
		for _, item := range t.Items {
			b = wire.AppendUints(b, item.ID.Rule-last)
			last = item.ID.Rule
		}
		b = wire.AppendUints(b, uint64(t.N))
	}
	b = wire.AppendUints(b, uint64(len(f.Charges)))
	for _, c := range f.Charges {
		b = wire.AppendUints(b, c.Counter.Rule, c.N)
	}
	return b
}

// DecodeFrame is the inverse of Frame.Append, for frames up to a version. It refuses
// what is truncated, longer than it says, or beyond the bounds of a frame.
func DecodeFrame(b []byte, newest Version) (*Frame, error) {
	return decodeFrame(b, wire.NewReader(b), newest)
}

// DecodeOldFrame is DecodeFrame for entries by the first rules, which may have
// numbers in more bytes than they must have.
func DecodeOldFrame(b []byte) (*Frame, error) { return decodeFrame(b, wire.NewOldReader(b), First) }

// FrameNode is the node that an encoded frame is of; empty where it cannot be told.
func FrameNode(b []byte) string {
	r := wire.NewOldReader(b)
	_ = r.Next(frameThird)
	return r.String("node", 0, maxNodeBytes)
}

func decodeFrame(b []byte, of *wire.Reader, newest Version) (*Frame, error) {
	if len(b) > MaxFrameBytes {
		return nil, fmt.Errorf("quota frame of %d bytes: must be at most %d", len(b), MaxFrameBytes)
	}
	r := reader{of}
	var f *Frame
	switch third := r.Next(frameThird); {
	case third && newest < Third:
		return nil, errVersion(Third)
	case third:
		f = r.frameThird()
	default:
		f = r.frameFirst()
	}
	if err := r.Done(); err != nil {
		return nil, fmt.Errorf("quota frame: %w", err)
	}
	return f, nil
}

func (r reader) frameFirst() *Frame {
	return &Frame{
		Version:     First,
		Node:        r.String("node", 1, maxNodeBytes),
		Incarnation: r.number("incarnation"),
		Seq:         r.Uint("seq", 1, 1<<63),
		Returns:     wire.List(r.Reader, "returns", MaxFrameItems, r.giveBack),
		Reports:     wire.List(r.Reader, "reports", MaxFrameItems, r.report),
		Takes:       wire.List(r.Reader, "takes", MaxFrameItems, r.take),
		Charges:     wire.List(r.Reader, "charges", MaxFrameItems, r.charge),
	}
}

func (r reader) first(name string) ID { return ID{Rule: r.number(name)} }

func (r reader) giveBack() Return {
	return Return{r.first("counter"), r.time("window"), r.Uint("units", 1, MaxCalls)}
}

func (r reader) report() Report {
	return Report{
		Counter: r.first("counter"), Window: r.time("window"), Spent: r.number("spent"), Back: r.number("back"),
		Want: uint32(r.Uint("want", 0, math.MaxUint32)), Renew: r.flag("renew"),
	}
}

// take reads counters as rising distances: a counter that stood there twice
// would be charged twice for one call.
func (r reader) take() Take {
	n := r.Uint("number of counters", 1, MaxCounters)
	t := Take{Items: make([]Item, 0, n), Units: 1}
	last := uint64(0)
	for range n {
		last += r.Uint("distance of counters", 1, math.MaxUint64-last)
		t.Items = append(t.Items, Item{ID: ID{Rule: last}})
	}
	t.N = uint32(r.Uint("calls", 1, MaxCalls))
	return t
}

func (r reader) charge() Charge {
	return Charge{Counter: r.first("counter"), N: r.Uint("calls", 1, MaxCalls)}
}

// Append appends the result's encoding, by its version.
func (res Result) Append(b []byte) []byte {
	if res.Version >= Third {
		return res.appendThird(b)
	}
	b = wire.AppendUints(b, bit(res.Stale), uint64(res.Now), uint64(len(res.Decisions)))
	for _, d := range res.Decisions {
		b = wire.AppendUints(b, uint64(d.Decided), uint64(d.Admitted), uint64(d.RetryAfter), uint64(len(d.Taken)))
		for _, t := range d.Taken {
			b = wire.AppendUints(b, uint64(t.Window))
		}
	}
	b = wire.AppendUints(b, uint64(len(res.Grants)))
	for _, g := range res.Grants {
		b = wire.AppendUints(b, g.Units, uint64(g.LeaseMillis), uint64(g.Window), uint64(g.EndsIn), uint64(g.Phase))
	}
	return b
}

// DecodeResult is the inverse of Result.Append.
func DecodeResult(b []byte) (Result, error) {
	r := reader{wire.NewReader(b)}
	res := r.result()
	if err := r.Done(); err != nil {
		return Result{}, fmt.Errorf("quota result: %w", err)
	}
	return res, nil
}

func (r reader) result() Result {
	kind := r.Uint("version and stale", 0, resultThird|1)
	if kind >= resultThird {
		return r.resultThird(kind&1 == 1)
	}
	return Result{
		Version: First,
		Stale:   kind == 1,
		Now:     r.time("now"),
		Decisions: wire.List(r.Reader, "decisions", MaxFrameItems, func() Decision {
			return Decision{
				Decided:    uint32(r.Uint("decided", 0, MaxCalls)),
				Admitted:   uint32(r.Uint("admitted", 0, MaxCalls)),
				RetryAfter: r.time("retry after"),
				Taken:      wire.List(r.Reader, "windows", MaxCounters, func() Taken { return Taken{Window: r.time("window")} }),
			}
		}),
		Grants: wire.List(r.Reader, "grants", MaxFrameItems, func() Grant {
			return Grant{
				Units: r.number("units"), LeaseMillis: r.time("lease"),
				Window: r.time("window"), EndsIn: r.time("ends in"), Phase: r.phase(),
			}
		}),
	}
}

func (r reader) phase() Phase { return Phase(r.Uint("phase", 0, uint64(Exhausted))) }

// bit is a number of 0 or 1.
func bit(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}

// sorted lists a map's keys in order, so that no encoding depends on the map's.
func sorted[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
