package hmacsign

import (
	"fmt"
	"regexp"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestParseTimestamp(t *testing.T) {
	for text, want := range map[string]string{ // want in UTC; "" is refused
		"2016-07-23T12:20:02+09:00":           "2016-07-23T03:20:02Z",
		"2016-07-23T12:20:02+0900":            "2016-07-23T03:20:02Z",
		"2016-07-23T12:20:02Z":                "2016-07-23T12:20:02Z",
		"2016-07-23T12:20:02-0330":            "2016-07-23T15:50:02Z",
		"2016-07-23T12:20:02-00:00":           "2016-07-23T12:20:02Z",
		"2016-01-01T00:00:00+14:00":           "2015-12-31T10:00:00Z",
		"2016-01-01T00:00:00-1400":            "2016-01-01T14:00:00Z",
		"2016-07-23T12:20:02.5Z":              "2016-07-23T12:20:02.5Z",
		"2016-07-23T12:20:02.000000001Z":      "2016-07-23T12:20:02.000000001Z",
		"2016-07-23T12:20:02.123456789+09:00": "2016-07-23T03:20:02.123456789Z",
		"2016-07-23T12:20:02.120+0900":        "2016-07-23T03:20:02.12Z",
		"2016-02-29T00:00:00Z":                "2016-02-29T00:00:00Z",
		"2000-02-29T00:00:00Z":                "2000-02-29T00:00:00Z",
		"9999-12-31T23:59:59Z":                "9999-12-31T23:59:59Z",
		"0000-01-01T00:00:00Z":                "0000-01-01T00:00:00Z",
		"2016-12-31T23:59:59Z":                "2016-12-31T23:59:59Z",

		"":                                 "",
		"Z":                                "",
		"2016-07-23T12:20:02":              "", // no zone
		"2016-07-23T12:20:02.5":            "",
		"2016-07-23T12:20:02.Z":            "",
		"2016-07-23T12:20:02.1234567890Z":  "",
		"2016-07-23T12:20:02,5Z":           "",
		"2016-07-23T12:20:02z":             "",
		"2016-07-23t12:20:02Z":             "",
		"2016-07-23 12:20:02Z":             "",
		"2016-07-23T1:20:02Z":              "",
		"2016-07-23T01:20:2Z":              "",
		"2016-7-23T12:20:02+09:00":         "",
		"16-07-23T12:20:02+09:00":          "",
		"12016-07-23T12:20:02Z":            "",
		"+2016-07-23T12:20:02Z":            "",
		"-016-07-23T12:20:02Z":             "",
		"2016/07/23T12:20:02Z":             "",
		"2016-07/23T12:20:02Z":             "",
		"2016-07-23T12.20:02Z":             "",
		"2016-07-23T12:20.02Z":             "",
		"20160723T122002Z":                 "",
		"2016-00-23T12:20:02Z":             "",
		"2016-13-23T12:20:02Z":             "",
		"2016-07-00T12:20:02Z":             "",
		"2016-07-32T12:20:02Z":             "",
		"2016-06-31T12:20:02Z":             "",
		"2016-02-30T12:20:02Z":             "",
		"2015-02-29T12:20:02Z":             "",
		"1900-02-29T12:20:02Z":             "",
		"2016-07-23T24:00:00Z":             "",
		"2016-07-23T12:60:00Z":             "",
		"2016-07-23T12:20:60Z":             "",
		"2016-12-31T23:59:60Z":             "",
		"2016-07-23T12:20:02+14:01":        "",
		"2016-07-23T12:20:02+1401":         "",
		"2016-07-23T12:20:02+15:00":        "",
		"2016-07-23T12:20:02-24:00":        "",
		"2016-07-23T12:20:02+09:60":        "",
		"2016-07-23T12:20:02+9:00":         "",
		"2016-07-23T12:20:02+09":           "",
		"2016-07-23T12:20:02+09.00":        "",
		"2016-07-23T12:20:02 09:00":        "",
		"2016-07-23T12:20:02\u221209:00":   "",
		"2016-07-23T12:20:02+-9:00":        "",
		"2016-07-23T12:20:02+09:-1":        "",
		"2016-07-23T12:20:02Z0":            "",
		"2016-07-23T12:20:02ZZ":            "",
		"2016-07-23T12:20:02Z ":            "",
		" 2016-07-23T12:20:02Z":            "",
		"2016-07-23T12:20:02+09:00\n":      "",
		"2016-07-23T12:20:02+09:00[Seoul]": "",
		"2016-07-23T12:2\uff10:02Z":        "", // a digit, but not an ASCII one
		"1469244002":                       "",
		"1469244002000":                    "",
		"Sat, 23 Jul 2016 03:20:02 GMT":    "",
		"2016-07-23":                       "",
		"2016-204T12:20:02Z":               "",
		"2016-W29-6T12:20:02Z":             "",
	} {
		at, ok := ParseTimestamp([]byte(text))
		got := ""
		if ok {
			got = at.UTC().Format(time.RFC3339Nano)
		}
		if got != want {
			t.Errorf("%q is %q, want %q", text, got, want)
		}
	}
}

// Every day of 400 years, which is how long the calendar takes to repeat.
func TestEveryDay(t *testing.T) {
	for day := time.Date(1999, 12, 31, 0, 0, 0, 0, time.UTC); day.Year() < 2400; day = day.AddDate(0, 0, 1) {
		at, ok := ParseTimestamp([]byte(day.Format("2006-01-02T15:04:05Z")))
		if !ok || !at.Equal(day) {
			t.Fatalf("%v is read as %v, %t", day, at, ok)
		}
		if next := day.AddDate(0, 0, 1); next.Day() == 1 {
			text := fmt.Sprintf("%04d-%02d-%02dT00:00:00Z", day.Year(), day.Month(), day.Day()+1)
			if _, ok := ParseTimestamp([]byte(text)); ok {
				t.Fatalf("%s is accepted", text)
			}
		}
	}
}

// documented is the form of the doc comment; which numbers are dates, package
// time decides.
var documented = regexp.MustCompile(`\A\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-](?:(?:0\d|1[0-3]):?[0-5]\d|14:?00))\z`)

// slowParse is the obvious ParseTimestamp.
func slowParse(text string) (time.Time, bool) {
	if !documented.MatchString(text) {
		return time.Time{}, false
	}
	for _, layout := range []string{"2006-01-02T15:04:05Z07:00", "2006-01-02T15:04:05Z0700"} {
		if at, err := time.Parse(layout, text); err == nil {
			return at, true
		}
	}
	return time.Time{}, false
}

func checkAsSlow(t interface{ Fatalf(string, ...any) }, text string) {
	got, ok := ParseTimestamp([]byte(text))
	want, wantOK := slowParse(text)
	if ok != wantOK || !got.Equal(want) {
		t.Fatalf("%q is read as %v %t, want %v %t", text, got, ok, want, wantOK)
	}
}

func TestParseAsPackageTime(t *testing.T) {
	// A little beyond what each number may be.
	near := func(t *rapid.T, width, last int, name string) string {
		return fmt.Sprintf("%0*d", width, rapid.IntRange(0, last).Draw(t, name))
	}
	rapid.Check(t, func(t *rapid.T) {
		text := near(t, 4, 9999, "year") + "-" + near(t, 2, 13, "month") + "-" + near(t, 2, 32, "day") + "T" +
			near(t, 2, 25, "hour") + ":" + near(t, 2, 61, "minute") + ":" + near(t, 2, 61, "second") +
			rapid.StringMatching(`|[.,]|[.]\d{1,11}`).Draw(t, "fraction") +
			rapid.StringMatching(`|[Zz]|[+-][01][0-9]:?[0-6][0-9]`).Draw(t, "zone")
		checkAsSlow(t, text)
		checkAsSlow(t, mutated(t, text))
	})
}

// mutated has one byte changed, taken out or put in.
func mutated(t *rapid.T, text string) string {
	i := rapid.IntRange(0, len(text)-1).Draw(t, "at")
	c := rapid.SampledFrom([]string{"0", "9", "-", "+", ":", ".", "Z", "T", " ", "\n", "\x00", "é"}).Draw(t, "byte")
	switch rapid.IntRange(0, 2).Draw(t, "how") {
	case 0:
		return text[:i] + c + text[i+1:]
	case 1:
		return text[:i] + text[i+1:]
	}
	return text[:i] + c + text[i:]
}

func FuzzParseTimestamp(f *testing.F) {
	for _, text := range []string{
		"2016-07-23T12:20:02+09:00", "2016-07-23T12:20:02+0900", "2016-02-29T23:59:59.123456789Z",
		"0000-01-01T00:00:00-14:00", "9999-12-31T23:59:59,5+24:00", "2016-07-23T1:20:02Z",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) { checkAsSlow(t, text) })
}
