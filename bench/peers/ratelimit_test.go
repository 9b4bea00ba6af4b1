package peers

import (
	"errors"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/tollgate/tollgate/bench/load"
)

// TestDecide calls two services that share no more than what is asked for.
func TestDecide(t *testing.T) {
	var mu sync.Mutex
	var seen []fakeRequest
	answers := []fakeAnswer{
		{code: codeOK, perUnit: 10, unit: unitHour},
		{code: codeOverLimit, perUnit: 10, unit: unitHour},
		{code: codeOK}, // no limit is known
		{code: codeOK, perUnit: 11, unit: unitHour}, // another limit
		{code: codeOK, perUnit: 10, unit: unitHour + 1},
		{code: 7, perUnit: 10, unit: unitHour},
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	service := serveRatelimit(ln, func(r fakeRequest) fakeAnswer {
		mu.Lock()
		defer mu.Unlock()
		seen = append(seen, r)
		return answers[len(seen)-1]
	})
	defer service.close()
	caller, err := dialRatelimit([]string{ln.Addr().String()}, 2)
	if err != nil {
		t.Fatal(err)
	}
	defer caller.close()
	request := rateLimitRequest("d", "k", "v")
	for i, want := range []load.Verdict{load.Admitted, load.Refused, load.Failed, load.Failed, load.Failed, load.Failed} {
		got, err := caller.decide(t.Context(), i, request, 10)
		if got != want || (err == nil) != (want != load.Failed) {
			t.Errorf("%+v was taken for %v with error %v, expected %v", answers[i], got, err, want)
		}
		if seen[i] != (fakeRequest{"d", "k", "v"}) {
			t.Errorf("the service was asked for %+v", seen[i])
		}
		if noLimit := i >= 2 && i <= 4; errors.Is(err, errNoLimit) != noLimit {
			t.Errorf("%+v: %v", answers[i], err)
		}
	}
	service.close()
	if got, err := caller.decide(t.Context(), 0, request, 10); got != load.Unknown || err == nil {
		t.Errorf("a service that is gone: %v with error %v, expected no answer", got, err)
	}
}

func TestWireCodec(t *testing.T) {
	if _, err := (wireCodec{}).Marshal("text"); err == nil || !strings.Contains(err.Error(), "not string") {
		t.Errorf("text to send: %v", err)
	}
	if err := (wireCodec{}).Unmarshal(nil, new(string)); err == nil || !strings.Contains(err.Error(), "not *string") {
		t.Errorf("text to read into: %v", err)
	}
}
