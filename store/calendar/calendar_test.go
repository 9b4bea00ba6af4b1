package calendar

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tollgate/tollgate/store/quota"
)

func zone(t testing.TB, name string) *time.Location {
	t.Helper()
	loc, err := Load(name)
	if err != nil {
		t.Fatal(err)
	}
	return loc
}

// TestNext: windows at the odd places of the calendar.
func TestNext(t *testing.T) {
	const day = "2006-01-02T15:04:05Z07:00"
	for _, c := range []struct {
		unit       quota.Unit
		zone       string
		from, want string
	}{
		{quota.Month, "Asia/Seoul", "2026-01-31T23:59:59+09:00", "2026-02-01T00:00:00+09:00"},
		{quota.Month, "UTC", "2026-12-01T00:00:00Z", "2027-01-01T00:00:00Z"},
		{quota.Week, "UTC", "2026-11-23T00:00:00Z", "2026-11-30T00:00:00Z"}, // a Monday
		{quota.Week, "UTC", "2026-11-29T23:59:59Z", "2026-11-30T00:00:00Z"},
		{quota.Day, "Asia/Kathmandu", "2026-05-05T12:00:00+05:45", "2026-05-06T00:00:00+05:45"},
		{quota.Hour, "Asia/Kathmandu", "2026-05-05T12:10:00+05:45", "2026-05-05T13:00:00+05:45"},
		// 23 and 25 hours.
		{quota.Day, "America/New_York", "2026-03-08T00:00:00-05:00", "2026-03-09T00:00:00-04:00"},
		{quota.Day, "America/New_York", "2026-11-01T00:00:00-04:00", "2026-11-02T00:00:00-05:00"},
		// The hour that comes twice is two, and no minute is longer than one.
		{quota.Hour, "America/New_York", "2026-11-01T01:30:00-04:00", "2026-11-01T01:00:00-05:00"},
		{quota.Minute, "America/New_York", "2026-11-01T01:59:30-04:00", "2026-11-01T01:00:00-05:00"},
		{quota.Hour, "America/New_York", "2026-11-01T01:30:00-05:00", "2026-11-01T02:00:00-05:00"},
		// A change of half an hour cuts an hour.
		{quota.Hour, "Australia/Lord_Howe", "2026-04-05T01:45:00+11:00", "2026-04-05T01:30:00+10:30"},
		// Clocks go from midnight to one: the day begins at one.
		{quota.Day, "America/Havana", "2026-03-07T12:00:00-05:00", "2026-03-08T01:00:00-04:00"},
		{quota.Day, "America/Havana", "2026-03-08T01:00:00-04:00", "2026-03-09T00:00:00-04:00"},
		// A day that was not.
		{quota.Day, "Pacific/Apia", "2011-12-29T10:00:00-10:00", "2011-12-31T00:00:00+14:00"},
		{quota.Month, "Asia/Seoul", "1987-05-10T00:00:00+10:00", "1987-06-01T00:00:00+10:00"},
		{quota.Day, "Africa/Casablanca", "2026-02-15T01:00:00+01:00", "2026-02-16T00:00:00Z"},
	} {
		from, err := time.Parse(day, c.from)
		if err != nil {
			t.Fatal(err)
		}
		if got := Next(c.unit, zone(t, c.zone), from).Format(day); got != c.want {
			t.Errorf("the %v in %s that runs at %s ends at %s, want %s", c.unit, c.zone, c.from, got, c.want)
		}
	}
}

// TestWindowsFollow: from anywhere, the ends of windows rise, by no more than their
// nominal length and what a zone may skip, and no window of days begins and ends on one
// date.
func TestWindowsFollow(t *testing.T) {
	names := []string{"America/New_York", "America/Havana", "Australia/Lord_Howe", "Asia/Kathmandu", "Pacific/Apia", "Asia/Seoul", "Africa/Casablanca", "Asia/Beirut", "UTC", "America/Sao_Paulo"}
	rapid.Check(t, func(t *rapid.T) {
		loc, err := Load(rapid.SampledFrom(names).Draw(t, "zone"))
		if err != nil {
			t.Fatal(err)
		}
		unit := quota.Unit(rapid.IntRange(int(quota.Minute), int(quota.Month)).Draw(t, "unit"))
		at := time.Unix(rapid.Int64Range(0, 2_500_000_000).Draw(t, "at"), 0).In(loc)
		most := time.Duration(unit.Seconds()) * time.Second
		if unit >= quota.Day {
			most += 26 * time.Hour
		}
		for range 5 {
			next := Next(unit, loc, at)
			if d := next.Sub(at); d <= 0 || unit != quota.Month && d > most || d > 32*24*time.Hour {
				t.Fatalf("the %v at %v ends at %v", unit, at, next)
			}
			if within := at.Add(next.Sub(at) / 2).Truncate(time.Second); !within.Before(at) && !Next(unit, loc, within).Equal(next) {
				t.Fatalf("the %v at %v ends at %v, that at %v in it at %v", unit, at, next, within, Next(unit, loc, within))
			}
			if y, m, d := next.Date(); unit >= quota.Day {
				if y0, m0, d0 := at.Date(); y == y0 && m == m0 && d == d0 {
					t.Fatalf("the %v at %v ends on the same date, at %v", unit, at, next)
				}
			}
			at = next
		}
	})
}

func TestLoad(t *testing.T) {
	for _, name := range []string{"", "Local", "Mars/Olympus", "../UTC", "asia/seoul", "Asia/"} {
		if loc, err := Load(name); err == nil {
			t.Errorf("%q is %v", name, loc)
		}
	}
}
