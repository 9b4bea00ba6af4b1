package chaos

import (
	"path/filepath"
	"testing"
	"time"
)

// sound is a history that keeps every promise: limit admissions at three nodes,
// each overlapping the next, then as many refusals.
func sound(t *target) history {
	var h history
	for i := range 2 * t.limit {
		o := op{target: t, node: i % 3, client: i % 5, patience: time.Minute}
		o.call = time.Duration(i) * time.Millisecond
		o.ret = o.call + 1500*time.Microsecond
		if i >= t.limit {
			o.verdict, o.retryAfter = refused, time.Hour
		}
		h = append(h, o)
	}
	return h
}

// TestCheckersFindDoctoredHistories: each check passes a sound history, and
// fails it once it is doctored.
func TestCheckersFindDoctoredHistories(t *testing.T) {
	w := &target{domain: "d", path: "/x", limit: 40, window: time.Hour, class: small}
	draw := filepath.Join(t.TempDir(), "history.html")
	over := func(h history) []violation { return checkNeverOver(w.String(), w.limit, h) }
	consistent := func(h history) []violation { return checkConsistent(w.String(), h) }
	linear := func(h history) []violation { return checkLinearizable(w, h, false, draw) }
	early := func(h history) []violation { return checkNeverEarly(w, h, 0) }
	exact := func(h history) []violation { return checkLinearizable(w, h, true, draw) }
	bounded := func(h history) []violation {
		return checkBounded(time.Second, h, func(o op) bool { return o.node == 2 })
	}
	tooMany := func(h history) history { h[w.limit].verdict = admitted; return h }
	late := func(h history) history { // one fewer in all, so that only its place is wrong
		h[0].verdict = undecided
		h[len(h)-1].verdict = admitted
		return h
	}
	tooFew := func(h history) history { h[w.limit-1].verdict = refused; return h }
	hung := func(h history) history { h[3].ret += 2 * time.Second; return h } // at the first node
	stray := func(h history) history { h[3].verdict = wrong; return h }
	for _, c := range []struct {
		name   string
		check  func(history) []violation
		doctor func(history) history
	}{
		{"never over, one too many", over, tooMany},
		{"consistent, one after a 20004", consistent, late},
		{"porcupine, one too many", linear, tooMany},
		{"porcupine, one after a 20004", linear, late},
		{"porcupine, exact, one too many", exact, tooMany},
		{"porcupine, exact, one too few", exact, tooFew},
		{"never early, one too few", early, tooFew},
		{"bounded, one hung", bounded, hung},
		{"answers, a stray one", checkAnswers, stray},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := c.check(sound(w)); got != nil {
				t.Errorf("a sound history: %v", got)
			}
			if got := c.check(c.doctor(sound(w))); len(got) != 1 {
				t.Errorf("the doctored history has %d violations, want 1", len(got))
			}
		})
	}
}

// TestUnknownCalls: what is not known of a call is held neither against the
// cluster nor for it.
func TestUnknownCalls(t *testing.T) {
	w := &target{domain: "d", path: "/x", limit: 40, window: time.Hour, class: small}
	h := sound(w)
	h[3].verdict, h[7].verdict = unknown, undecided // their units explain the refusals
	if got := checkLinearizable(w, h, true, ""); got != nil {
		t.Errorf("one unknown and one undecided among the admitted: %v", got)
	}
	h[11].verdict = notReady // its unit does not
	if got := checkLinearizable(w, h, true, ""); got == nil {
		t.Error("a unit is lost, and the exact model does not see it")
	}
	if got := checkLinearizable(w, h, false, ""); got != nil {
		t.Errorf("a unit is lost, which the other model allows: %v", got)
	}
}

// steady is a history of a short window: limit admissions at the beginning of
// each of some windows that follow one another, then refusals to its end.
func steady(t *target, windows int) history {
	var h history
	step := t.window / time.Duration(2*t.limit)
	for w := range windows {
		start := time.Duration(w) * t.window
		for i := range 2 * t.limit {
			o := op{target: t, node: i % 3, call: start + time.Duration(i)*step}
			o.ret = o.call + step/2
			if i >= t.limit {
				left := start + t.window - o.call
				o.verdict, o.retryAfter = refused, (left + time.Second - 1).Truncate(time.Second)
			}
			h = append(h, o)
		}
	}
	return h
}

// TestShortWindowsDoctored: the checks of windows that follow one another.
func TestShortWindowsDoctored(t *testing.T) {
	w := &target{domain: "d", path: "/x", limit: 30, window: 3 * time.Second, class: short}
	spans := func(h history) []violation { return checkSpans(w, h) }
	retry := func(h history) []violation { return checkRetryAfter(w, h) }
	sliding := func(h history) []violation { return checkSlidingSpans(w, h.only(admitted)) }
	earlier := func(d time.Duration) func(history) history {
		return func(h history) history { // the third window comes too early
			for i := 4 * w.limit; i < len(h); i++ {
				h[i].call, h[i].ret = h[i].call-d, h[i].ret-d
			}
			return h
		}
	}
	for _, c := range []struct {
		name   string
		check  func(history) []violation
		doctor func(history) history
	}{
		{"spans, a window too early", spans, earlier(100 * time.Millisecond)},
		{"spans, one too many", spans, func(h history) history {
			h[w.limit].verdict = admitted
			return h
		}},
		{"sliding, more than half a window missing", sliding, func(h history) history {
			for i := range w.limit { // the first window's admissions move to its end
				h[i].call += w.window / 2
				h[i].ret += w.window / 2
			}
			return earlier(w.window/2 + 200*time.Millisecond)(h)
		}},
		{"retry after, one after a 20004", retry, func(h history) history {
			h[w.limit+2].verdict = admitted
			return h
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := c.check(steady(w, 4)); got != nil {
				t.Errorf("a sound history: %v", got)
			}
			if got := c.check(c.doctor(steady(w, 4))); len(got) != 1 {
				t.Errorf("the doctored history has %d violations, want 1: %v", len(got), got)
			}
		})
	}
}
