package quota

import (
	"cmp"
	"net/netip"
	"slices"
)

// AddressValue is a client's address as conditions by ByIP count it: IPv4 as it is, IPv6
// by its /64.
func AddressValue(addr netip.Addr) []byte {
	addr = addr.Unmap().WithZone("")
	if addr.Is6() {
		p, _ := addr.Prefix(64)
		addr = p.Addr()
	}
	raw := addr.As16()
	return raw[:]
}

// CallerReading is one caller's counter as a person reads it out.
type CallerReading struct {
	Reading
	Digest Digest
	// Value is the caller's, where whoever reads knows it.
	Value string
}

// Callers reads the rules with By of a domain out for one caller each: value is the
// caller's to such a rule, empty if it is none.
func (s *State) Callers(key string, now int64, value func(By) []byte) (list []Reading) {
	d, _ := s.domains.Get(key)
	if d == nil {
		return nil
	}
	now = max(now, s.now)
	for _, r := range d.rules {
		if r.callers == nil {
			continue
		}
		one := Reading{Condition: r.cond, Pool: r.cond.Max, WindowMax: r.cond.Max}
		if c := r.peek(DigestOf(r.seed, value(r.cond.By))); c != nil {
			one = c.read(s, now)
		}
		list = append(list, one)
	}
	return list
}

// Top reads out up to n callers of each rule with By of a domain, who have used most of
// windows that run. It goes through all callers.
func (s *Snapshot) Top(key string, now int64, n int) (list []CallerReading) {
	d, _ := s.domains.Get(key)
	if d == nil {
		return nil
	}
	for _, r := range d.rules {
		if r.callers == nil {
			continue
		}
		var top []CallerReading
		r.callers.each(func(rec record, busy *counter) bool {
			c := CallerReading{Digest: rec.caller, Reading: Reading{Condition: r.cond, Used: rec.used, WindowMax: rec.limit, Window: rec.serial, WindowEnds: rec.ends, Phase: rec.phase}}
			if busy != nil {
				w := &busy.window
				c = CallerReading{Digest: busy.caller, Reading: Reading{Condition: r.cond, Used: w.used, Leased: w.leased(), WindowMax: w.max(), Window: w.serial, WindowEnds: w.ends, Phase: w.phase}}
			}
			if c.WindowEnds <= now || len(top) == n && c.Used <= top[n-1].Used {
				return true
			}
			i, _ := slices.BinarySearchFunc(top, c, func(a, b CallerReading) int { return cmp.Compare(b.Used, a.Used) })
			top = slices.Insert(top, i, c)
			top = top[:min(len(top), n)]
			return true
		})
		list = append(list, top...)
	}
	return list
}
