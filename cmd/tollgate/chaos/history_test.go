package chaos

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// target is something that calls are counted for: an endpoint, and with it the
// narrowest condition that applies to it.
type target struct {
	domain, path string
	// caller is who calls, by a header field, where a domain has a counter for each
	// caller; else empty.
	caller string
	// limit is how many calls a window of length window admits.
	limit  int
	window time.Duration
	class  class
	// group is a condition of the domain that the calls of several targets
	// count on, nil where there is none.
	group *group

	// asked and refused are the calls begun, and those answered 20004.
	asked, refused atomic.Int64
}

// group is the condition that targets share.
type group struct {
	name  string
	limit int
}

// class says what a target is there for.
type class int

const (
	// big: more than fits into porcupine; leased out, then drained.
	big class = iota
	// small: few enough calls for porcupine to check.
	small
	// short: windows of seconds, many of them.
	short
	// pair: two endpoints with a quota each, and one of the domain above both.
	pair
	classes
)

func (c class) String() string { return [...]string{"big", "small", "short", "pair"}[c] }

func (t *target) String() string {
	if t.caller != "" {
		return t.uri() + " by " + t.caller
	}
	return t.uri()
}

// uri is what is called.
func (t *target) uri() string { return "/" + t.domain + t.path }

// oneWindow reports whether the target's window outlasts every run.
func (t *target) oneWindow() bool { return t.class != short }

// verdict is what a call came to, as its client saw it.
type verdict int

const (
	admitted  verdict = iota
	refused           // 20004
	undecided         // 50300: not admitted, whatever became of its unit
	notReady          // 50301, or nobody listened: the node did not take the call
	unknown           // no answer, or not in time: admitted or not
	wrong             // an answer that no call should get
)

func (v verdict) String() string {
	return [...]string{"200", "20004", "50300", "50301", "unknown", "wrong"}[v]
}

// op is one call. Times are of the one clock of this process.
type op struct {
	target    *target
	node      int // index
	client    int
	call, ret time.Duration
	verdict   verdict
	// retryAfter is what a 20004 says.
	retryAfter time.Duration
	// patience is how long the client would have waited.
	patience time.Duration
	// detail is the answer or error behind wrong and unknown.
	detail string
}

func (o op) String() string {
	s := fmt.Sprintf("%12.6f to %12.6f s  n%d  client %-3d %-20s %v", o.call.Seconds(), o.ret.Seconds(), o.node+1, o.client, o.target, o.verdict)
	if o.retryAfter > 0 {
		s += fmt.Sprintf(" (retry after %v)", o.retryAfter)
	}
	if o.detail != "" {
		s += " (" + o.detail + ")"
	}
	return s
}

// began is the zero of all times.
var began = time.Now()

func clock() time.Duration { return time.Since(began) }

// history is the calls of one target or many.
type history []op

// byTarget sorts a history apart; each part is in the order of its calls.
func (h history) byTarget() map[*target]history {
	parts := map[*target]history{}
	for _, o := range h {
		parts[o.target] = append(parts[o.target], o)
	}
	for _, part := range parts {
		slices.SortFunc(part, func(a, b op) int { return cmp.Compare(a.call, b.call) })
	}
	return parts
}

// count is how many calls came to the verdict.
func (h history) count(v verdict) (n int) {
	for _, o := range h {
		if o.verdict == v {
			n++
		}
	}
	return n
}

// perhaps is the number of calls that may have used a unit: without an answer, or
// not decided in time.
func (h history) perhaps() int { return h.count(unknown) + h.count(undecided) }

// only is the calls that came to the verdict.
func (h history) only(v verdict) history {
	var some history
	for _, o := range h {
		if o.verdict == v {
			some = append(some, o)
		}
	}
	return some
}

// violation is a promise that was not kept, with the calls that show it.
type violation struct {
	what string
	ops  history
}

// mostShown bounds the calls that are printed of one violation.
const mostShown = 20

func (v violation) String() string {
	var b strings.Builder
	b.WriteString(v.what)
	for i, o := range v.ops {
		if i == mostShown {
			fmt.Fprintf(&b, "\n    and %d more", len(v.ops)-i)
			break
		}
		b.WriteString("\n    " + o.String())
	}
	return b.String()
}
