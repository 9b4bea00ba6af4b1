package ledger

import "github.com/tollgate/tollgate/store/quota"

// reservation is what a call has reserved.
type reservation struct {
	l     *Ledger
	units uint64
	parts []reservedPart
}

// reservedPart is what it has reserved of one counter.
type reservedPart struct {
	id     quota.ID
	window int64
	// lease is the lease that the units were taken from; nil if the log took them.
	lease *lease
}

// reserved is the reservation of a call that is admitted: by the leases that it has
// paid from, and by what the log has taken where units were missing.
func (l *Ledger) reserved(asks []ask, paid []*lease, missing uint64, units uint32, taken []quota.Taken) *reservation {
	r := &reservation{l: l, units: uint64(units), parts: make([]reservedPart, 0, len(asks))}
	p, t := 0, 0
	for i, a := range asks {
		part := reservedPart{id: a.id}
		if missing&(1<<i) == 0 {
			part.lease, part.window = paid[p], paid[p].window
			p++
		} else {
			part.window = taken[t].Window
			t++
		}
		r.parts = append(r.parts, part)
	}
	return r
}

// Settle implements quota.Reservation.
func (r *reservation) Settle(units uint64) {
	r.each(func(reservedPart) uint64 { return units })
}

// Refund implements quota.Reservation.
func (r *reservation) Refund(byCaller bool) {
	r.each(func(p reservedPart) uint64 {
		if byCaller || p.id.Caller != (quota.Digest{}) {
			return 0
		}
		return r.units
	})
}

// each settles each part for the units that worth says.
func (r *reservation) each(worth func(reservedPart) uint64) {
	l := r.l
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, p := range r.parts {
		units := worth(p)
		s := quota.Settle{Counter: p.id, Window: p.window, Reserved: r.units}
		if units < r.units {
			s.Back = r.units - units
		} else {
			s.Over = min(units-r.units, quota.MaxUnits*quota.MaxCalls)
		}
		l.settleLocked(p.lease, s)
	}
	r.parts = nil
}

// settleLocked settles units, under the lock. Which of the units of a lease were
// reported as reserved does not matter, only how many: what is not reported yet is
// settled here, and what was, in the log.
func (b *books) settleLocked(le *lease, s quota.Settle) {
	if le != nil && le.reserved >= s.Reserved {
		le.reserved -= s.Reserved
		back := s.Back
		s.Reserved, s.Back = 0, 0
		if back > 0 && !le.putBack(int64(back)) {
			b.giveBack(le, back)
		}
	}
	if s.Reserved == 0 && s.Over == 0 {
		return
	}
	b.settles = append(b.settles, s)
	b.due()
}

// unreserve takes back, under the lock, what was reserved in vain.
func (b *books) unreserve(le *lease, units uint32) {
	n := uint64(units)
	b.settleLocked(le, quota.Settle{Counter: le.counter, Window: le.window, Reserved: n, Back: n})
}
