package quota

// Replace puts the rules and counters of another state, a backup's, in the place of this
// one's. What this state knows of nodes stays: their sessions, the terms, cluster time.
// No lease outlives it: what nodes held by the backup is used, and what they hold now is
// of counters and windows that are gone, since each gets a number, and a name, that none
// had before. Claims of both are kept: no signature is good again. It takes from over.
func (s *State) Replace(from *State) {
	offset := s.lastID
	s.lastID += from.lastID
	domains, claimed := from.domains, from.claims
	fresh := NewState()
	s.domains, s.rules, s.calendar, s.sweep = fresh.domains, fresh.rules, fresh.calendar, fresh.sweep
	s.changed, s.events = nil, nil
	domains.Scan(func(key string, d *domain) bool {
		d.epoch = s.epoch
		for _, r := range d.rules {
			r.epoch, r.id = s.epoch, r.id+offset
			if r.own != nil {
				s.restart(r.own)
				continue
			}
			r.callers = s.restartAll(r)
		}
		s.add(key, d)
		return true
	})
	claimed.domains.Scan(func(key string, sig *signatures) bool {
		s.changeSignatures(key, func(own *signatures) {
			own.on, own.skew = sig.on, max(sig.skew, own.skew)
			own.forgotten = max(sig.forgotten, own.forgotten)
			before := own.used.Len()
			sig.used.Scan(func(one signature) bool {
				own.used.Set(one)
				return true
			})
			s.claims.count += own.used.Len() - before
		})
		return true
	})
	var off []string // domains that take claims, and are gone
	s.claims.domains.Scan(func(key string, sig *signatures) bool {
		if _, known := claimed.domains.Get(key); !known && sig.on {
			off = append(off, key)
		}
		return true
	})
	for _, key := range off {
		s.SetSingleUse(key, false, 0)
	}
}

// restart has a counter go on under another name, without leases.
func (s *State) restart(c *counter) {
	w := &c.window
	c.epoch = s.epoch
	if w.serial == 0 {
		return
	}
	w.lose()
	w.leases, w.was, w.drained = nil, 0, 0
	w.serial = s.nextSerial()
	if w.phase == Draining {
		w.phase = Strict
	}
	c.payDebt()
}

// restartAll is the callers of a rule after restart.
func (s *State) restartAll(r *rule) *callers {
	cs := newCallers()
	r.callers.each(func(rec record, busy *counter) bool {
		if busy == nil {
			rec.serial = s.nextSerial()
			cs.resting.Load(rec)
			cs.ends.Set(callerEnd{rec.ends, rec.caller})
			return true
		}
		s.restart(busy)
		busy.indexed = busy.window.ends
		cs.ends.Set(callerEnd{busy.window.ends, busy.caller})
		if busy.rests() {
			cs.resting.Load(busy.record())
		} else {
			cs.busy.Load(busyCaller{busy.caller, busy})
		}
		return true
	})
	if cs.shared = r.callers.shared; cs.shared != nil {
		s.restart(cs.shared)
	}
	return cs
}
