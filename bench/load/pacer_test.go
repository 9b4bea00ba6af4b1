package load

import (
	"sync/atomic"
	"testing"
	"time"
)

// TestPacerWakesForTheRightCall has a connection that waits for its third call
// while the pacer comes to the calls before it, late.
func TestPacerWakesForTheRightCall(t *testing.T) {
	var stopped atomic.Bool
	s := newPacer(&Plan{Connections: 2, Rate: 100, Slice: time.Second, Slices: 1}, &stopped)
	woken := make(chan struct{})
	go func() {
		s.wait(1, 5)
		close(woken)
	}()
	waits := func() bool { return s.places[1].call.Load() == 6 }
	for !waits() {
		time.Sleep(time.Millisecond)
	}
	for i := range int64(5) {
		s.passed.Store(i + 1)
		s.release(i)
	}
	if !waits() {
		t.Error("it was woken for a call before")
	}
	s.passed.Store(6)
	s.release(5)
	<-woken
	s.wait(1, 3) // the pacer is past it: nobody would come
	s.releaseAll()
	s.wait(1, 1000)
}

func TestPacerKeepsTheRate(t *testing.T) {
	s := newPacer(&Plan{Connections: 1, Rate: 3, Slice: time.Second, Slices: 1}, nil)
	if got := []time.Duration{s.due(0), s.due(1), s.due(3), s.due(3_000_000_000)}; got[0] != 0 || got[1] != time.Second/3 ||
		got[2] != time.Second || got[3] != 1_000_000_000*time.Second {
		t.Errorf("calls are due at %v", got)
	}
}
