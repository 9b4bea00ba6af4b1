package proxy

import (
	"strings"
	"testing"
	"time"
)

// TestConfig: what is out of bounds is named with its bounds, all at once.
func TestConfig(t *testing.T) {
	_, err := New(Config{MaxConns: -1, MaxHeader: 1, UpstreamTimeout: time.Millisecond, IdleTimeout: 2 * time.Hour})
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{"Quota is nil", "MaxConns is -1: it must be between 1 and 1000000", "MaxHeader is 1:", "UpstreamTimeout is 1ms: it must be between 10ms and 1h0m0s", "IdleTimeout is 2h0m0s"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error lacks %q:\n%v", want, err)
		}
	}
	if _, err := New(Config{Quota: admitAll{}}); err != nil {
		t.Errorf("only defaults: %v", err)
	}
}
