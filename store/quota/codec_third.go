package quota

import (
	"fmt"
	"math"

	"github.com/tollgate/tollgate/store/wire"
)

// The encodings since there are callers; u and s are as in codec.go. An id is
// rule<<1|caller:u, and 16 bytes if caller is 1.
//
//	frame   0:byte node:s incarnation:u seq:u
//	        returns:u { id window:u n:u }
//	        settles:u { id window:u reserved:u back:u over:u }
//	        reports:u { id window:u spent:u back:u reserved:u want:u renew:u(0|1) }
//	        takes:u   { items:u { id, its rule as the distance from the one before; limit:u } n:u units:u reserve:u(0|1) }
//	        charges:u { id n:u limit:u }
//	        claims:u  { domain:s 16 bytes at:u }
//	result  2|stale:u now:u
//	        decisions:u { decided:u admitted:u flags:u(1 superseded, 2 byCaller) retryAfter:u
//	                      taken:u { window:u endsIn:u max:u left:u } }
//	        grants:u    { units:u leaseMillis:u window:u endsIn:u max:u phase:u }
//	        claims:u    { result:u }
//
// A frame of the first version begins with the length of a name, which is not 0; a
// result of it with 0 or 1.

const (
	frameThird  = 0
	resultThird = 2

	flagSuperseded = 1
	flagByCaller   = 2
)

func appendID(b []byte, id ID, last uint64) []byte {
	own := id.Caller == Digest{}
	b = wire.AppendUints(b, (id.Rule-last)<<1|bit(!own))
	if !own {
		b = append(b, id.Caller[:]...)
	}
	return b
}

// maxRule bounds the numbers of rules, so that they can be shifted.
const maxRule = math.MaxUint64 >> 2

// id reads an ID whose rule is at least so far from the one before.
func (r reader) id(last, least uint64) ID {
	n := r.Uint("rule", least<<1, maxRule<<1|1)
	id := ID{Rule: last + n>>1}
	if n&1 != 0 {
		id.Caller = r.digest()
		if id.Caller == (Digest{}) {
			r.Fail("a caller without a digest")
		}
	}
	return id
}

func (r reader) digest() (d Digest) {
	copy(d[:], r.Fixed("digest", len(d)))
	return d
}

func (r reader) flag(name string) bool { return r.Uint(name, 0, 1) == 1 }

func (f *Frame) appendThird(b []byte) []byte {
	b = append(b, frameThird)
	b = wire.AppendString(b, f.Node)
	b = wire.AppendUints(b, f.Incarnation, f.Seq, uint64(len(f.Returns)))
	for _, r := range f.Returns {
		b = wire.AppendUints(appendID(b, r.Counter, 0), uint64(r.Window), r.N)
	}
	b = wire.AppendUints(b, uint64(len(f.Settles)))
	for _, r := range f.Settles {
		b = wire.AppendUints(appendID(b, r.Counter, 0), uint64(r.Window), r.Reserved, r.Back, r.Over)
	}
	b = wire.AppendUints(b, uint64(len(f.Reports)))
	for _, r := range f.Reports {
		b = wire.AppendUints(appendID(b, r.Counter, 0), uint64(r.Window), r.Spent, r.Back, r.Reserved, uint64(r.Want), bit(r.Renew))
	}
	b = wire.AppendUints(b, uint64(len(f.Takes)))
	for _, t := range f.Takes {
		b = wire.AppendUints(b, uint64(len(t.Items)))
		last := uint64(0)
		for _, item := range t.Items {
			b = wire.AppendUints(appendID(b, item.ID, last), item.Limit)
			last = item.ID.Rule
		}
		b = wire.AppendUints(b, uint64(t.N), uint64(t.Units), bit(t.Reserve))
	}
	b = wire.AppendUints(b, uint64(len(f.Charges)))
	for _, c := range f.Charges {
		b = wire.AppendUints(appendID(b, c.Counter, 0), c.N, c.Limit)
	}
	b = wire.AppendUints(b, uint64(len(f.Claims)))
	for _, c := range f.Claims {
		b = append(wire.AppendString(b, c.Domain), c.Digest[:]...)
		b = wire.AppendUints(b, uint64(c.At))
	}
	return b
}

// units reads a number of units that items stand for.
func (r reader) units(name string, least uint64) uint64 {
	return r.Uint(name, least, MaxCalls*MaxUnits)
}

func (r reader) frameThird() *Frame {
	var items slab[Item]
	return &Frame{
		Version:     Third,
		Node:        r.String("node", 1, maxNodeBytes),
		Incarnation: r.number("incarnation"),
		Seq:         r.Uint("seq", 1, 1<<63),
		Returns: wire.List(r.Reader, "returns", MaxFrameItems, func() Return {
			return Return{r.id(0, 0), r.time("window"), r.units("units", 1)}
		}),
		Settles: wire.List(r.Reader, "settles", MaxFrameItems, func() Settle {
			return Settle{r.id(0, 0), r.time("window"), r.units("reserved", 0), r.units("back", 0), r.units("over", 0)}
		}),
		Reports: wire.List(r.Reader, "reports", MaxFrameItems, func() Report {
			return Report{
				Counter: r.id(0, 0), Window: r.time("window"), Spent: r.number("spent"), Back: r.number("back"),
				Reserved: r.number("reserved"), Want: uint32(r.Uint("want", 0, math.MaxUint32)), Renew: r.flag("renew"),
			}
		}),
		Takes: wire.List(r.Reader, "takes", MaxFrameItems, func() Take { return r.takeThird(&items) }),
		Charges: wire.List(r.Reader, "charges", MaxFrameItems, func() Charge {
			return Charge{r.id(0, 0), r.units("units", 1), r.units("limit", 0)}
		}),
		Claims: wire.List(r.Reader, "claims", MaxFrameItems, func() Claim {
			return Claim{r.String("domain", 1, maxDomainBytes), r.digest(), r.time("at")}
		}),
	}
}

func (r reader) takeThird(items *slab[Item]) Take {
	n := int(r.Uint("number of counters", 1, MaxCounters))
	t := Take{Items: items.take(n)[:0]}
	last := uint64(0)
	for range n {
		item := Item{r.id(last, 1), r.units("limit", 0)}
		if item.ID.Rule > maxRule || item.ID.Rule < last {
			r.Fail("a rule beyond %d", uint64(maxRule))
		}
		last = item.ID.Rule
		t.Items = append(t.Items, item)
	}
	t.N = uint32(r.Uint("calls", 1, MaxCalls))
	t.Units = uint32(r.Uint("units", 1, MaxUnits))
	t.Reserve = r.flag("reserve")
	return t
}

func (res Result) appendThird(b []byte) []byte {
	b = wire.AppendUints(b, resultThird|bit(res.Stale), uint64(res.Now), uint64(len(res.Decisions)))
	for _, d := range res.Decisions {
		flags := flagSuperseded*bit(d.Superseded) | flagByCaller*bit(d.ByCaller)
		b = wire.AppendUints(b, uint64(d.Decided), uint64(d.Admitted), flags, uint64(d.RetryAfter), uint64(len(d.Taken)))
		for _, t := range d.Taken {
			b = wire.AppendUints(b, uint64(t.Window), uint64(t.EndsIn), t.Max, t.Left)
		}
	}
	b = wire.AppendUints(b, uint64(len(res.Grants)))
	for _, g := range res.Grants {
		b = wire.AppendUints(b, g.Units, uint64(g.LeaseMillis), uint64(g.Window), uint64(g.EndsIn), g.Max, uint64(g.Phase))
	}
	b = wire.AppendUints(b, uint64(len(res.Claims)))
	for _, c := range res.Claims {
		b = wire.AppendUints(b, uint64(c))
	}
	return b
}

func (r reader) resultThird(stale bool) Result {
	var taken slab[Taken]
	return Result{
		Version: Third,
		Stale:   stale,
		Now:     r.time("now"),
		Decisions: wire.List(r.Reader, "decisions", MaxFrameItems, func() Decision {
			d := Decision{Decided: uint32(r.Uint("decided", 0, MaxCalls)), Admitted: uint32(r.Uint("admitted", 0, MaxCalls))}
			flags := r.Uint("flags", 0, flagSuperseded|flagByCaller)
			d.Superseded, d.ByCaller = flags&flagSuperseded != 0, flags&flagByCaller != 0
			d.RetryAfter = r.time("retry after")
			d.Taken = taken.take(int(r.Uint("number of counters", 0, MaxCounters)))
			for i := range d.Taken {
				d.Taken[i] = Taken{r.time("window"), r.time("ends in"), r.number("max"), r.number("left")}
			}
			return d
		}),
		Grants: wire.List(r.Reader, "grants", MaxFrameItems, func() Grant {
			return Grant{
				Units: r.number("units"), LeaseMillis: r.time("lease"), Window: r.time("window"),
				EndsIn: r.time("ends in"), Max: r.number("max"), Phase: r.phase(),
			}
		}),
		Claims: wire.List(r.Reader, "claims", MaxFrameItems, func() ClaimResult {
			return ClaimResult(r.Uint("claim", 0, uint64(ClaimSuperseded)))
		}),
	}
}

// errVersion is of a frame of a version that its entry does not have.
func errVersion(v Version) error { return fmt.Errorf("quota frame of version %d", v) }
