package soak

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// TestLameDuck: a node that is stopped under calls fails none of a client that
// looks at its readiness now and then and goes elsewhere when that ends: what
// is called until then, and what is under way, is answered.
func TestLameDuck(t *testing.T) {
	s := start(t, "--lame-duck", "3s", "--drain-timeout", "20s")
	if err := s.deploy(t.Context(), []string{startOrigin(t, "a")}, 0); err != nil {
		t.Fatal(err)
	}
	var gone atomic.Bool
	var calls atomic.Int64
	var wg sync.WaitGroup
	kinds := []string{"plain", "signed", "token", "upload, chunks", "slow upload", "download, chunks", "events", "long poll", "WebSocket"}
	for _, kind := range kinds {
		for range 2 {
			wg.Go(func() {
				for !gone.Load() {
					if err := callers[kind].call(t.Context(), s); err != nil {
						t.Errorf("%s: %v", kind, err)
					}
					calls.Add(1)
				}
			})
		}
	}
	for calls.Load() < 100 && !t.Failed() {
		time.Sleep(10 * time.Millisecond)
	}
	s.node.Signal(syscall.SIGTERM)
	for !gone.Load() {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.admin.URL+"/readyz", nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err == nil {
			resp.Body.Close()
			gone.Store(resp.StatusCode != http.StatusOK)
		}
		cancel()
		time.Sleep(50 * time.Millisecond) // as often as the client looks
	}
	atEnd := calls.Load()
	wg.Wait()
	select {
	case <-s.node.Done():
	case <-time.After(patience):
		t.Fatal("it does not end")
	}
	if state := s.node.State(); state == nil || !state.Success() {
		t.Errorf("it ends with %v: %v", state, s.node.Err())
	}
	t.Logf("%d calls, %d of them behind the end of its readiness", calls.Load(), calls.Load()-atEnd)
}
