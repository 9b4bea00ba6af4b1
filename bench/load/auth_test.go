package load

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/tollgate/tollgate/proxy/hmacsign"
	"github.com/tollgate/tollgate/proxy/jwtauth"
)

func TestSignedCallsAreAccepted(t *testing.T) {
	targets := []Target{{URI: "/shop/a?x=1", Counter: 3}, {Method: "POST", URI: "/shop/b%20c", Body: []byte("b"), Counter: 4}}
	prepare := HMAC("a key", targets...)
	v := hmacsign.New("a key", time.Minute)
	var req fasthttp.Request
	seen := map[string]int{}
	for n := range 20 {
		counter := prepare(&req, 5, n)
		if counter != 3 && counter != 4 {
			t.Fatalf("call %d is on counter %d", n, counter)
		}
		target := targets[counter-3]
		if got := string(req.Header.RequestURI()); got != target.URI || string(req.Body()) != string(target.Body) {
			t.Fatalf("call %d asks for %s with %q, want %+v", n, got, req.Body(), target)
		}
		reason := v.Verify(string(req.Header.Method()), req.Header.RequestURI(),
			req.Header.Peek(hmacsign.TimestampField), req.Header.Peek(hmacsign.AuthorizationField), time.Now())
		if reason != hmacsign.OK {
			t.Fatalf("call %d: %v", n, reason)
		}
		seen[target.URI]++
	}
	if seen[targets[0].URI] != 10 || seen[targets[1].URI] != 10 {
		t.Errorf("calls by target: %v, want 10 of each", seen)
	}
}

// TestSignatureIsRenewed makes calls over some time, at a gateway that takes
// signatures of the same second only.
func TestSignatureIsRenewed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, targets := range [][]Target{{{URI: "/a"}}, {{URI: "/a"}, {URI: "/b"}}} {
			prepare := HMAC("a key", targets...)
			v := hmacsign.New("a key", time.Second-1)
			var req fasthttp.Request
			for n := range 20 {
				prepare(&req, 0, n)
				reason := v.Verify("GET", req.Header.RequestURI(),
					req.Header.Peek(hmacsign.TimestampField), req.Header.Peek(hmacsign.AuthorizationField), time.Now())
				if reason != hmacsign.OK {
					t.Fatalf("%d targets, call %d: %v", len(targets), n, reason)
				}
				time.Sleep(300 * time.Millisecond)
			}
		}
	})
}

func TestTokenIsAccepted(t *testing.T) {
	fields := [][2]string{{"Accept", "text/plain"}, {"Authorization", "left alone"}}
	targets := []Target{{URI: "/shop/a", Header: fields[:1]}} // with room behind
	prepare, err := JWT("a key", "somebody", time.Hour, targets...)
	if err != nil {
		t.Fatal(err)
	}
	var req fasthttp.Request
	prepare(&req, 0, 0)
	if got := jwtauth.New("a key", "somebody", 0).Verify(req.Header.Peek("Authorization"), time.Now()); got != jwtauth.OK {
		t.Errorf("the token: %v", got)
	}
	if got := string(req.Header.Peek("Accept")); got != "text/plain" {
		t.Errorf("Accept is %q", got)
	}
	if len(targets[0].Header) != 1 || fields[1][1] != "left alone" {
		t.Errorf("the target was changed: %v", fields)
	}
}

func TestTokensThatAreNone(t *testing.T) {
	if _, err := JWT("a key", "", time.Millisecond); err == nil || !strings.Contains(err.Error(), "1ms: must be 1s or more") {
		t.Errorf("ttl: %v", err)
	}
	if _, err := JWT("", "", time.Hour); err == nil {
		t.Error("a token was signed with no key")
	}
}

// TestTargetsAreCalledInTurn counts what each of some targets gets of calls that
// connections make, of which some are faster: all get the same, and none twice before the
// others had their turn.
func TestTargetsAreCalledInTurn(t *testing.T) {
	for _, count := range []int{2, 3, 7, 1000} {
		targets := make([]Target, count)
		for i := range targets {
			targets[i] = Target{URI: "/", Counter: i}
		}
		prepare := Plain(targets...)
		called, made := make([]int, count), make([]int, 8)
		for call := range 5 * count {
			conn := call * call % len(made) // some come more often
			var req fasthttp.Request
			called[prepare(&req, conn, made[conn])]++
			made[conn]++
			if most, least := slices.Max(called), slices.Min(called); most-least > 1 {
				t.Fatalf("%d targets: one was called %d times, another %d", count, most, least)
			}
		}
	}
}

// TestPlainLeavesNothingBehind alternates between targets that have fields and
// bodies, and those that have not.
func TestPlainLeavesNothingBehind(t *testing.T) {
	prepare := Plain(
		Target{Method: "PUT", URI: "/a", Header: [][2]string{{"Content-Type", "text/plain"}, {"X-A", "1"}, {"Host", "elsewhere"}}, Body: []byte("body")},
		Target{URI: "/b"},
	)
	want := map[string]string{
		"/a": "PUT /a HTTP/1.1\r\nHost: elsewhere\r\nContent-Type: text/plain\r\nX-A: 1\r\n\r\n",
		"/b": "GET /b HTTP/1.1\r\n\r\n",
	}
	var req fasthttp.Request
	for n := range 4 {
		prepare(&req, 0, n)
		if got := req.Header.String(); got != want[string(req.Header.RequestURI())] {
			t.Errorf("call %d: %q", n, got)
		}
	}
}
