package quota

import (
	"math"

	"github.com/tidwall/btree"

	"github.com/tollgate/tollgate/store/wire"
)

// The state since there are callers, as in snapshot.go but for:
//
//	state    now:u … lastID:u serial:u forgets:u domains:u { key:s rules:u rule* }
//	         sessions:u { node:s incarnation:u forgets:u seq:u result }
//	         claims:u { domain:s on:u skew:u forgotten:u signatures:u { at:u 16 bytes } }
//	rule     id:u endpoint:s reset:u unit:u zone:s by:s shadow:u afterAuth:u max:u
//	         plans:u { name:s max:u } planClaim:s maxCallers:u alerts:s ends:u seed:16 bytes
//	         counter                                            without by
//	         callers:u { 16 bytes kind:u(0 resting|1 busy) … } shared:u(0|1) [ counter ]   with it
//	resting  serial:u ends:u limit:u used:u refusedFrom:u phase:u alerted:u
//	busy     counter
//	counter  serial:u was:u start:u ends:u limit:u adjust:u(zigzag) used:u lost:u debt:u refusedFrom:u
//	         phase:u alerted:u drained:u
//	         leases:u { node:s incarnation:u forgets:u units:u reserved:u length:u expires:u }
//
// Callers come by rising digest.

func (r *rule) append(c *chunks, t *terms) {
	cond := &r.cond
	b := wire.AppendString(wire.AppendUints(c.b, r.id), cond.Endpoint)
	b = wire.AppendUints(b, uint64(cond.ResetSeconds), uint64(cond.Period.Unit))
	b = wire.AppendString(wire.AppendString(b, cond.Period.Zone), string(cond.By))
	b = wire.AppendUints(b, bit(cond.Shadow), bit(cond.AfterAuth), cond.Max, uint64(len(cond.Plans)))
	for _, p := range cond.Plans {
		b = wire.AppendUints(wire.AppendString(b, p.Name), p.Max)
	}
	b = wire.AppendUints(wire.AppendString(b, cond.PlanClaim), uint64(cond.MaxCallers))
	b = wire.AppendUints(wire.AppendString(b, cond.Alerts), uint64(r.ends))
	c.b = append(b, r.seed[:]...)
	if r.own != nil {
		c.b = r.own.append(c.b, t)
		return
	}
	c.b = wire.AppendUints(c.b, uint64(r.callers.count()))
	r.callers.each(func(rec record, busy *counter) bool {
		if busy != nil {
			c.b = append(append(c.b, busy.caller[:]...), 1)
			c.b = busy.append(c.b, t)
		} else {
			c.b = append(append(c.b, rec.caller[:]...), 0)
			c.b = wire.AppendUints(c.b, uint64(rec.serial), uint64(rec.ends), rec.limit, rec.used,
				uint64(rec.refusedFrom), uint64(rec.phase), uint64(rec.alerted))
		}
		return c.flush(chunk)
	})
	c.b = wire.AppendUints(c.b, bit(r.callers.shared != nil))
	if r.callers.shared != nil {
		c.b = r.callers.shared.append(c.b, t)
	}
}

// each visits the callers by rising digest, until visit returns false.
func (cs *callers) each(visit func(record, *counter) bool) {
	rest := cs.busy.Iter()
	defer rest.Release()
	more := rest.First()
	goOn := true
	cs.resting.Scan(func(rec record) bool {
		for more && goOn && rest.Item().caller.compare(rec.caller) < 0 {
			goOn = visit(record{}, rest.Item().counter)
			more = rest.Next()
		}
		goOn = goOn && visit(rec, nil)
		return goOn
	})
	for more && goOn {
		goOn = visit(record{}, rest.Item().counter)
		more = rest.Next()
	}
}

func (c *counter) append(b []byte, t *terms) []byte {
	w := &c.window
	b = wire.AppendUints(b, uint64(w.serial), uint64(w.was), uint64(w.start), uint64(w.ends), w.limit, wire.Zigzag(w.adjust),
		w.used, w.lost, w.debt, uint64(w.refusedFrom), uint64(w.phase), uint64(w.alerted), w.drained, uint64(len(w.leases)))
	for _, l := range w.leases {
		b = wire.AppendString(b, l.holder.node)
		b = wire.AppendUints(b, l.holder.incarnation, l.holder.forgets, l.units, l.reserved, uint64(l.length), uint64(l.until(t)))
	}
	return b
}

func (r reader) counter(of *rule, term uint64) *counter {
	return &counter{rule: of, window: window{
		serial: r.time("serial"), was: r.time("was"), start: r.time("start"), ends: r.time("ends"),
		limit: r.number("limit"), adjust: wire.Unzigzag(r.number("adjust")),
		used: r.number("used"), lost: r.number("lost"), debt: r.number("debt"),
		refusedFrom: uint32(r.Uint("refused from", 0, MaxUnits)), phase: r.phase(),
		alerted: uint8(r.Uint("alerted", 0, math.MaxUint8)), drained: r.number("drained"),
		leases: wire.List(r.Reader, "leases", maxCount, func() lease {
			return lease{
				holder: holder{r.String("node", 0, maxNodeBytes), r.number("incarnation"), r.number("forgets")},
				units:  r.number("units"), reserved: r.number("reserved"),
				length: r.time("length"), expires: r.time("expires"), term: term,
			}
		}),
	}}
}

func (r reader) ruleThird(s *State) *rule {
	one := &rule{id: r.Uint("id", 0, maxRule)}
	cond := &one.cond
	cond.Endpoint = r.String("endpoint", 0, maxEndpointBytes)
	cond.ResetSeconds = uint32(r.Uint("reset", 0, math.MaxUint32))
	cond.Period.Unit = Unit(r.Uint("unit", 0, uint64(Month)))
	cond.Period.Zone = r.String("zone", 0, maxNameBytes)
	cond.By = By(r.String("by", 0, maxByBytes))
	cond.Shadow, cond.AfterAuth = r.flag("shadow"), r.flag("after authentication")
	cond.Max = r.number("max")
	cond.Plans = wire.List(r.Reader, "plans", MaxPlans, func() Plan { return Plan{r.String("plan", 1, maxNameBytes), r.number("max")} })
	cond.PlanClaim = r.String("plan claim", 0, maxByBytes)
	cond.MaxCallers = uint32(r.Uint("callers at most", 0, MaxMaxCallers))
	if alerts := r.String("alerts", 0, MaxAlerts); alerts != "" {
		cond.Alerts = []uint8(alerts)
	}
	one.ends = r.time("ends")
	one.seed = Seed(r.digest())
	if cond.By == ByAll {
		one.own = r.counter(one, s.terms.newest)
	} else {
		r.readCallers(one, s.terms.newest)
	}
	return one
}

// readCallers reads the callers of a rule.
func (r reader) readCallers(of *rule, term uint64) {
	cs := newCallers()
	of.callers = cs
	var last Digest
	for i := range r.Uint("number of callers", 0, maxCount) {
		d := r.digest()
		busy := r.flag("busy")
		if r.Err() != nil {
			return
		}
		if i > 0 && d.compare(last) <= 0 {
			r.Fail("a caller does not come after the one before")
			return
		}
		last = d
		if busy {
			c := r.counter(of, term)
			c.caller, c.indexed, c.kept = d, c.window.ends, amongBusy
			cs.busy.Load(busyCaller{d, c})
			if cs.ends.Set(callerEnd{c.window.ends, d}); c.rests() {
				r.Fail("a caller at rest is encoded as a busy one")
			}
			continue
		}
		rec := record{
			caller: d, serial: r.time("serial"), ends: r.time("ends"), limit: r.number("limit"), used: r.number("used"),
			refusedFrom: uint32(r.Uint("refused from", 0, MaxUnits)), phase: r.phase(), alerted: uint8(r.Uint("alerted", 0, math.MaxUint8)),
		}
		cs.resting.Load(rec)
		cs.ends.Set(callerEnd{rec.ends, d})
	}
	if r.flag("shared") {
		cs.shared = r.counter(of, term)
		cs.shared.shared = true
	}
}

func appendClaims(c *chunks, domains *btree.Map[string, *signatures]) {
	c.b = wire.AppendUints(c.b, uint64(domains.Len()))
	domains.Scan(func(key string, sig *signatures) bool {
		c.b = wire.AppendString(c.b, key)
		c.b = wire.AppendUints(c.b, bit(sig.on), uint64(sig.skew), uint64(sig.forgotten), uint64(sig.used.Len()))
		sig.used.Scan(func(one signature) bool {
			c.b = append(wire.AppendUints(c.b, uint64(one.at)), one.digest[:]...)
			return c.flush(chunk)
		})
		return c.flush(chunk)
	})
}

func (r reader) claims(s *State) {
	last := ""
	for i := range r.Uint("number of domains with claims", 0, maxCount) {
		key := r.String("domain", 0, maxDomainBytes)
		if i > 0 && key <= last {
			r.Fail("claims of %q do not come after those of %q", key, last)
		}
		last = key
		sig := newSignatures(s.epoch)
		sig.on, sig.skew, sig.forgotten = r.flag("on"), r.time("skew"), r.time("forgotten")
		before := signature{at: -1}
		for range r.Uint("number of claims", 0, MaxClaims) {
			one := signature{r.time("at"), r.digest()}
			if r.Err() != nil {
				return
			}
			if one.at < before.at || one.at == before.at && one.digest.compare(before.digest) <= 0 {
				r.Fail("a claim does not come after the one before")
				return
			}
			before = one
			sig.used.Load(one)
			s.claims.count++
		}
		if r.Err() != nil {
			return
		}
		s.claims.domains.Set(key, sig)
		s.claims.sweep.Set(claimEnding{sig.ends(), key})
	}
}
