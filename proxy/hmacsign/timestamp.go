package hmacsign

import "time"

// maxOffset is the furthest that any place on earth is from UTC, in minutes.
const maxOffset = 14 * 60

// ParseTimestamp reads the text of an X-TC-Timestamp and reports whether it is
// of the form
//
//	yyyy-MM-ddTHH:mm:ss[.fraction](Z|±hh:mm|±hhmm)
//
// with a fraction of 1 to 9 digits, a day that the calendar has, seconds up to
// 59 and an offset up to 14:00. Letters are upper-case, and every number has
// all its digits.
//
// It is strict where package time is not: that takes a comma for the point,
// hours of one digit, any offset up to 24:00, and never both +09:00 and +0900
// (pitfalls 2(d) 10).
func ParseTimestamp(text []byte) (time.Time, bool) {
	const form = "yyyy-MM-ddTHH:mm:ss"
	if len(text) <= len(form) ||
		text[4] != '-' || text[7] != '-' || text[10] != 'T' || text[13] != ':' || text[16] != ':' {
		return time.Time{}, false
	}
	year, month, day := number(text[:4]), number(text[5:7]), number(text[8:10])
	hour, minute, second := number(text[11:13]), number(text[14:16]), number(text[17:19])
	if year < 0 || month < 1 || month > 12 || day < 1 || day > daysIn(month, year) ||
		hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 59 {
		return time.Time{}, false
	}
	nanos, zone, ok := fraction(text[len(form):])
	if !ok {
		return time.Time{}, false
	}
	minutes, ok := offset(zone)
	if !ok {
		return time.Time{}, false
	}
	local := time.Date(year, time.Month(month), day, hour, minute, second, nanos, time.UTC)
	return local.Add(-time.Duration(minutes) * time.Minute), true
}

// number is the value of digits, -1 if one is none.
func number(digits []byte) int {
	n := 0
	for _, c := range digits {
		if c < '0' || c > '9' {
			return -1
		}
		n = 10*n + int(c-'0')
	}
	return n
}

func daysIn(month, year int) int {
	switch month {
	case 4, 6, 9, 11:
		return 30
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	}
	return 31
}

// fraction reads the fraction of a second, if there is one, and returns what
// follows.
func fraction(text []byte) (nanos int, rest []byte, ok bool) {
	if text[0] != '.' {
		return 0, text, true
	}
	i := 1
	for scale := 100_000_000; i < len(text) && text[i] >= '0' && text[i] <= '9'; scale /= 10 {
		if scale == 0 {
			return 0, nil, false // the tenth digit
		}
		nanos += int(text[i]-'0') * scale
		i++
	}
	return nanos, text[i:], i > 1
}

// offset reads a zone as minutes east of UTC.
func offset(zone []byte) (minutes int, ok bool) {
	if len(zone) == 1 && zone[0] == 'Z' {
		return 0, true
	}
	var hh, mm int
	switch {
	case len(zone) == len("+hhmm"):
		hh, mm = number(zone[1:3]), number(zone[3:])
	case len(zone) == len("+hh:mm") && zone[3] == ':':
		hh, mm = number(zone[1:3]), number(zone[4:])
	default:
		return 0, false
	}
	minutes = 60*hh + mm
	if hh < 0 || mm < 0 || mm > 59 || minutes > maxOffset {
		return 0, false
	}
	switch zone[0] {
	case '+':
		return minutes, true
	case '-':
		return -minutes, true
	}
	return 0, false
}
