package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

var (
	someNodes = []string{"n1", "n2", "n3"}
	someQuota = quota{Max: 4, Seconds: 60}
)

// round is what a check of someQuota should see.
func round() []outcome {
	outcomes := make([]outcome, 8)
	for i := range outcomes {
		o := outcome{number: i + 1, node: someNodes[i%3], status: 200, mediaType: "application/json", body: "{}"}
		if i >= someQuota.Max {
			o.status, o.mediaType, o.body, o.retryAfter = 403, refusalType, refusalBody, "60"
		}
		outcomes[i] = o
	}
	return outcomes
}

func TestJudge(t *testing.T) {
	const took = time.Second
	if wrong := judge(round(), someNodes, someQuota, 4, took); wrong != nil {
		t.Errorf("a check as it should be: %q", wrong)
	}
	for name, c := range map[string]struct {
		change  func([]outcome) []outcome
		arrived int
		took    time.Duration
		want    []string
	}{
		"one too many": {
			func(o []outcome) []outcome { o[4] = outcome{number: 5, node: "n2", status: 200}; return o }, 5, took,
			[]string{"expected exactly 4 calls to be admitted, 5 were"}},
		"one too few": {
			func(o []outcome) []outcome { o[3] = o[4]; return o }, 3, took,
			[]string{"expected exactly 4 calls to be admitted, 3 were"}},
		"admitted after a refusal": {
			func(o []outcome) []outcome {
				o[3].status, o[4].status = o[4].status, o[3].status
				o[3].mediaType, o[3].body = refusalType, refusalBody
				return o
			}, 4, took,
			[]string{"call 5, to n2: expected 20004, since call 4 had got it, was admitted"}},
		"another error": {
			func(o []outcome) []outcome { o[7].status, o[7].body = 503, "no quorum"; return o }, 4, took,
			[]string{"call 8, to n2: expected 200, or 403 with " + refusalBody + " as " + refusalType + "; got 503 with no quorum as " + refusalType}},
		"a byte more": {
			func(o []outcome) []outcome { o[7].body += "\n"; return o }, 4, took,
			[]string{"call 8, to n2: expected 200, or 403 with " + refusalBody + " as " + refusalType + "; got 403 with " + refusalBody + "\n as " + refusalType}},
		"another media type": {
			func(o []outcome) []outcome { o[7].mediaType = "text/plain"; return o }, 4, took,
			[]string{"call 8, to n2: expected 200, or 403 with " + refusalBody + " as " + refusalType + "; got 403 with " + refusalBody + " as text/plain"}},
		"a node that refused nothing": {
			func(o []outcome) []outcome {
				return slices.DeleteFunc(o, func(o outcome) bool { return o.node == "n3" && o.refused() })
			}, 4, took,
			[]string{"expected 20004 from every node, got none from n3"}},
		"a call that came twice": {
			func(o []outcome) []outcome { return o }, 5, took,
			[]string{"expected each admitted call to reach the endpoint server once: 4 were admitted, 5 arrived"}},
		"longer than the window": {
			func(o []outcome) []outcome { return o }, 4, time.Minute,
			[]string{"the calls were expected to fall into one window of 60 s, took 1m0s: nothing follows from them"}},
	} {
		if got := judge(c.change(round()), someNodes, someQuota, c.arrived, c.took); !slices.Equal(got, c.want) {
			t.Errorf("%s:\n got %q\nwant %q", name, got, c.want)
		}
	}
}

func TestSummary(t *testing.T) {
	outcomes := append(round(), outcome{number: 9, node: "n3", status: 503})
	want := `NODE  CALLS  ADMITTED  20004  OTHER
n1    3      2         1      0
n2    3      1         2      0
n3    3      1         1      1
all   9      4         4      1
`
	if got := summary(outcomes, someNodes); got != want {
		t.Errorf("got\n%s", got)
	}
}

func TestOutcomeLine(t *testing.T) {
	var got strings.Builder
	for _, o := range []outcome{round()[0], round()[7], {number: 12, node: "n3", status: 503, body: "{}"}} {
		fmt.Fprint(&got, o.line())
	}
	want := `   1  n1  200  answered by the endpoint server
   8  n2  403  20004 Usage quota exceeded; retry after 60 s
  12  n3  503  {}
`
	if got.String() != want {
		t.Errorf("got\n%s", got.String())
	}
}
