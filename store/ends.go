package store

import (
	"time"

	"github.com/tollgate/tollgate/store/calendar"
	"github.com/tollgate/tollgate/store/quota"
)

// maxEndsAnEntry bounds how many windows of the calendar one entry ends: ten thousand
// end at midnight.
const maxEndsAnEntry = 1000

// ends are the ends of the windows of the calendar that are to be known at a cluster
// time, in ms. The state machine knows no calendar: two machines' zone files may differ.
func (s *Store) ends(at int64) []quota.CalendarEnd {
	type dueAt struct {
		ends    []quota.CalendarEnd
		periods []quota.Period
	}
	due := read(s, func(st *state) (d dueAt) {
		at = max(at, st.quota.Now())
		d.ends, d.periods = st.quota.CalendarDue(at, maxEndsAnEntry)
		return d
	})
	for i, p := range due.periods {
		due.ends[i].End = s.end(p, at, due.ends[i].End)
	}
	return due.ends
}

// end is the end of a period's window that runs at a cluster time, last that of the one
// before. A zone that this release does not know, since a newer one deployed it, goes on
// with windows of the nominal length.
func (s *Store) end(p quota.Period, at, last int64) int64 {
	zone, err := calendar.Load(p.Zone)
	if err == nil {
		return calendar.Next(p.Unit, zone, time.UnixMilli(at)).UnixMilli()
	}
	s.cfg.Logger.Warn("windows of the calendar end by their nominal length", "error", err, "unit", p.Unit.String())
	length := int64(p.Unit.Seconds()) * 1000
	if last == 0 {
		last = at
	}
	return last + ((at-last)/length+1)*length
}
