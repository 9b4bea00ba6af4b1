package node

import (
	"context"
	"time"
)

// HangIn makes the stop of a step hang, as a disk can make it.
func (n *Node) HangIn(name string) (release func()) {
	hang := make(chan struct{})
	for i, s := range n.stopped {
		if s.name == name {
			stop := s.stop
			n.stopped[i].stop = func(ctx context.Context) error {
				<-hang
				return stop(context.WithoutCancel(ctx))
			}
		}
	}
	return func() { close(hang) }
}

// StopSteps are the names of the steps that a stop goes through, in its order.
func (n *Node) StopSteps() []string {
	var names []string
	for i := len(n.stopped) - 1; i >= 0; i-- {
		names = append(names, n.stopped[i].name)
	}
	return names
}

// StopStepTimes is what the steps of a stop may take together.
func StopStepTimes() (sum time.Duration) {
	for _, s := range (&Node{}).steps() {
		sum += s.stopWithin
	}
	return sum
}

// LimitOf is the setting's name in proxy.Config.
func LimitOf(s Setting) string { return s.limit }

// FlushStats writes the minutes of statistics that have ended by the node's clock.
func (n *Node) FlushStats() { n.stats.Flush(false) }
