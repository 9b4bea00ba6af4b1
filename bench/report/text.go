package report

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"golang.org/x/perf/benchunit"
)

// nothing stands for a value that there is not.
const nothing = "-"

// digits writes a number with three significant digits: 24,100 or 0.124.
func digits(v float64) string {
	switch {
	case math.IsNaN(v) || math.IsInf(v, 0):
		return nothing
	case v < 0:
		return "-" + digits(-v)
	case v == 0:
		return "0"
	}
	v, _ = strconv.ParseFloat(strconv.FormatFloat(v, 'e', 2, 64), 64) // now it has them
	places := 2 - int(math.Floor(math.Log10(v)))
	if places < 0 {
		return thousands(uint64(v))
	}
	return strconv.FormatFloat(v, 'f', min(places, 6), 64)
}

// plain writes a round number, with no more digits than it has.
func plain(v float64) string {
	if whole := math.Round(v); whole >= 1000 {
		return thousands(uint64(whole))
	}
	return strconv.FormatFloat(math.Round(v*1e6)/1e6, 'f', -1, 64)
}

// thousands writes a whole number in groups of three digits.
func thousands(n uint64) string {
	text := strconv.FormatUint(n, 10)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// percent writes a share with as many digits as say something.
func percent(share float64) string {
	switch p := 100 * share; {
	case math.IsNaN(p) || math.IsInf(p, 0):
		return nothing
	case p == 0:
		return "0 %"
	case p < 0.1:
		return "<0.1 %"
	case p >= 99.95 && p < 100: // not all, though nearly
		return ">99.9 %"
	case p < 10 || p > 90 && p < 100:
		return fmt.Sprintf("%.1f %%", p)
	default:
		return fmt.Sprintf("%.0f %%", p)
	}
}

// plusMinus writes a share as what a value may be off by.
func plusMinus(share float64) string {
	if share >= 10 {
		return ">±999 %"
	}
	return fmt.Sprintf("±%.0f %%", math.Ceil(max(0, 100*share-1e-9)))
}

// change writes a share as what a value has changed by.
func change(share float64) string { return fmt.Sprintf("%+.1f %%", 100*share) }

// byteSize writes a size.
func byteSize(n float64) string {
	if math.IsNaN(n) || math.IsInf(n, 0) {
		return nothing
	}
	s := benchunit.CommonScale([]float64{n}, benchunit.Binary)
	return fmt.Sprintf("%s %sB", digits(n/s.Factor), s.Prefix)
}

// String is the median, and how far the slices are from it: half of what lies
// between the lowest and the highest.
func (s spread) String() string {
	switch {
	case !s.known():
		return nothing
	case len(s.values) == 1:
		return digits(s.median) // one slice tells nothing of how far
	}
	return digits(s.median) + " " + plusMinus(s.span()/2)
}

// plural counts things.
func plural(n uint64, thing string) string {
	if n != 1 {
		thing += "s"
	}
	return thousands(n) + " " + thing
}

// refused writes the share of the calls made that were refused.
func (c Counts) refused() string { return percent(float64(c.Refused) / float64(c.Offered-c.Unsent)) }

// String is what the windows show in a word or two. "exact" is that calls were
// refused, and not one was admitted or refused that should not have been; "not
// reached" is that none was refused, and "not over" that no window could be
// told apart from the next.
func (e *Exactness) String() string {
	if e == nil {
		return nothing
	}
	var wrong []string
	for _, n := range []struct {
		what  string
		units uint64
	}{{"OVER", e.Over}, {"LATE", e.Late}, {"EARLY", e.Early}} {
		if n.units > 0 {
			wrong = append(wrong, n.what+" "+thousands(n.units))
		}
	}
	switch {
	case len(wrong) > 0:
		return strings.Join(wrong, ", ")
	case e.Windows == 0:
		return "not over"
	case e.Used == 0:
		return "not reached"
	}
	return "exact, " + plural(uint64(e.Windows), "window")
}
