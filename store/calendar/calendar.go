// Package calendar says when windows of the calendar end, in time zones that are the
// same on every machine. It is pure: it reads no clock, and no file but the one in the
// binary.
package calendar

import (
	"archive/zip"
	"bytes"
	_ "embed"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/tollgate/tollgate/store/quota"
)

// zones is the IANA time zone database, which is in the public domain, as Go's
// distribution has it (lib/time/zoneinfo.zip). The package time would rather read the
// system's, which differs from machine to machine; time/tzdata is for where that has
// none.
//
//go:embed zoneinfo.zip
var zones []byte

// archive is zones by name.
var archive = sync.OnceValue(func() map[string]*zip.File {
	r, err := zip.NewReader(bytes.NewReader(zones), int64(len(zones)))
	if err != nil {
		panic(fmt.Sprintf("the embedded time zones: %v", err)) // the binary is broken
	}
	files := make(map[string]*zip.File, len(r.File))
	for _, f := range r.File {
		files[f.Name] = f
	}
	return files
})

// loaded has the zones that were asked for, by name.
var loaded sync.Map

// Load is a time zone by its name in the IANA database. Names of other kinds, "Local"
// among them, are none.
func Load(name string) (*time.Location, error) {
	if loc, ok := loaded.Load(name); ok {
		return loc.(*time.Location), nil
	}
	f := archive()[name]
	if f == nil || f.FileInfo().IsDir() {
		return nil, fmt.Errorf("there is no time zone %q", name)
	}
	r, err := f.Open()
	if err != nil {
		return nil, fmt.Errorf("time zone %q: %w", name, err)
	}
	defer r.Close()
	data, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("time zone %q: %w", name, err)
	}
	loc, err := time.LoadLocationFromTZData(name, data)
	if err != nil {
		return nil, fmt.Errorf("time zone %q: %w", name, err)
	}
	loaded.Store(name, loc)
	return loc, nil
}

// Next is when the window ends that runs at t: the first end of one that is later.
// Minutes and hours run in elapsed time and are cut where the zone's offset changes.
// Days, weeks, which begin on Monday, and months end at the first instant whose local
// date is a later one: there may be no midnight, or two.
func Next(unit quota.Unit, zone *time.Location, t time.Time) time.Time {
	t = t.In(zone)
	switch unit {
	case quota.Minute:
		return nextElapsed(t, 60)
	case quota.Hour:
		return nextElapsed(t, 3600)
	}
	y, m, d := t.Date()
	switch unit {
	case quota.Week:
		d += 7 - int(t.Weekday()+6)%7
	case quota.Month:
		m, d = m+1, 1
	default:
		d++
	}
	return firstOn(t, time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Unix())
}

// nextElapsed is the next multiple of so many seconds of local time, or where the offset
// changes before that.
func nextElapsed(t time.Time, seconds int64) time.Time {
	_, offset := t.Zone()
	local := t.Unix() + int64(offset)
	past := local % seconds
	if past < 0 {
		past += seconds
	}
	end := time.Unix(t.Unix()-past+seconds, 0)
	if _, change := t.ZoneBounds(); !change.IsZero() && change.Before(end) {
		end = change
	}
	return end.In(t.Location())
}

// firstOn is the first instant after t at which local clocks show a time, in seconds, or
// a later one.
func firstOn(t time.Time, local int64) time.Time {
	for {
		_, offset := t.Zone()
		at := time.Unix(local-int64(offset), 0).In(t.Location())
		_, change := t.ZoneBounds()
		switch {
		case at.Before(t): // the change to this offset has skipped it
			return t
		case change.IsZero() || at.Before(change):
			return at
		}
		t = change
	}
}
