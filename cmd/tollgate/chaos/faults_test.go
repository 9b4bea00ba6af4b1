//go:build linux

package chaos

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"
)

// strikes carries the faults of a round out and notes when.
type strikes struct {
	c *cluster
	// membership is held for writing by faults that must be alone.
	membership sync.RWMutex

	mu   sync.Mutex
	done []strike
	errs []error
}

// strike is a fault that was carried out.
type strike struct {
	fault
	begin, end time.Duration
	node       *node // nil where it is all of them
	wasLeader  bool
}

// run carries out a plan and returns when all faults are over. The pauses
// between them are part of the plan.
func (s *strikes) run(ctx context.Context, faults []fault) error {
	begin := clock()
	var wg sync.WaitGroup
	for _, f := range faults {
		pause(ctx, begin+f.at-clock())
		if ctx.Err() != nil {
			break
		}
		if f.kind.alone() {
			wg.Wait()
		}
		wg.Go(func() {
			if err := s.strike(f); err != nil {
				s.mu.Lock()
				defer s.mu.Unlock()
				s.errs = append(s.errs, fmt.Errorf("%v: %w", f, err))
			}
		})
	}
	wg.Wait()
	return errors.Join(s.errs...)
}

// strike carries out one fault, from its beginning to its end.
func (s *strikes) strike(f fault) error {
	if f.kind.alone() {
		s.membership.Lock()
		defer s.membership.Unlock()
	} else {
		s.membership.RLock()
		defer s.membership.RUnlock()
	}
	st := s.aim(f)
	defer st.node.fault.Unlock()
	st.begin = clock()
	err := s.carryOut(st)
	st.end = clock()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.done = append(s.done, st)
	s.c.t.Logf("%8.3f to %8.3f s  %v (%s, leader: %v)", st.begin.Seconds(), st.end.Seconds(), f, st.node.id, st.wasLeader)
	return err
}

// aim finds whom a fault strikes, and takes that node for it.
func (s *strikes) aim(f fault) strike {
	st := strike{fault: f, node: s.c.nodes[f.victim]}
	for range 5 { // while it waits for a node, another may come to lead
		if leader := s.c.leader(); f.leader && leader != nil {
			st.node = leader
		}
		st.node.fault.Lock()
		st.wasLeader = st.node == s.c.leader()
		if !f.leader || st.wasLeader || f.kind == replaced {
			return st
		}
		st.node.fault.Unlock()
	}
	st.node.fault.Lock()
	return st
}

func (s *strikes) carryOut(st strike) error {
	n, lasts := st.node, st.lasts
	switch st.kind {
	case killed:
		n.process().Kill()
		time.Sleep(lasts)
		return n.start()
	case allKilled:
		return s.killAll(lasts)
	case frozen:
		n.freeze()
		time.Sleep(lasts)
		n.thaw()
	case cutOff, slowed:
		s.cut(st)
	case severed:
		for a := range s.c.nodes {
			for b := range a {
				s.c.net.sever(a, b)
			}
		}
		time.Sleep(lasts)
	case transfer:
		return s.transfer(n, lasts)
	case restarted:
		if err := terminate(n.process()); err != nil {
			return fmt.Errorf("%s: %w", n.id, err)
		}
		time.Sleep(lasts)
		return n.start()
	case left, replaced:
		return s.leaveAndReturn(st)
	}
	return nil
}

// killAll ends every process before it starts the first again.
func (s *strikes) killAll(lasts time.Duration) error {
	for _, n := range s.c.nodes {
		n.process().Kill()
	}
	time.Sleep(lasts)
	var errs []error
	for _, n := range s.c.nodes {
		errs = append(errs, n.start())
	}
	return errors.Join(errs...)
}

// cut changes the weather between the node and all others, for a time.
func (s *strikes) cut(st strike) {
	others := func(do func(o int)) {
		for o := range s.c.nodes {
			if o != st.node.i {
				do(o)
			}
		}
	}
	in, out := st.how, st.how
	if st.kind == cutOff && !st.in {
		in = weather{}
	}
	if st.kind == cutOff && !st.out {
		out = weather{}
	}
	sever := func(o int) { s.c.net.sever(o, st.node.i) }
	others(func(o int) {
		s.c.net.set(o, st.node.i, in)
		s.c.net.set(st.node.i, o, out)
		if st.sever && st.how.refused {
			sever(o)
		}
	})
	time.Sleep(st.lasts)
	others(func(o int) {
		if st.sever && !st.how.refused {
			sever(o) // before what was lost can arrive
		}
		s.c.net.set(o, st.node.i, weather{})
		s.c.net.set(st.node.i, o, weather{})
	})
}

// transfer hands leadership to the node, or from it where it leads. With other
// faults about it may be refused.
func (s *strikes) transfer(n *node, lasts time.Duration) error {
	to := n.id
	if n == s.c.leader() {
		to = ""
	}
	err := s.c.admin.of(n).Transfer(context.Background(), to)
	if err != nil {
		s.c.t.Logf("leadership transfer, %s: %v", n.id, err)
	}
	time.Sleep(lasts)
	return nil
}

// leaveAndReturn has a node leave the cluster and join it again. One that is
// replaced dies before it leaves, and returns as a fresh node of its name.
func (s *strikes) leaveAndReturn(st strike) error {
	n := st.node
	if err := s.c.healed(healPatience); err != nil {
		return err
	}
	via := func() *node { return s.c.nodes[(n.i+1)%len(s.c.nodes)] }
	if !st.gently {
		n.process().Kill()
	}
	if err := s.c.leave(via, n.id, healPatience); err != nil {
		return err
	}
	time.Sleep(st.lasts)
	if st.gently {
		if err := terminate(n.process()); err != nil {
			return fmt.Errorf("%s: %w", n.id, err)
		}
	} else if err := os.RemoveAll(n.data); err != nil {
		return err
	}
	if err := n.start(); err != nil {
		return err
	}
	return s.c.healed(healPatience)
}
