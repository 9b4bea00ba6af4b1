//go:build linux

package chaos

import (
	"net"
	"sync"
	"time"
)

// wires is a network on loopback: in front of each node's cluster port stands
// a proxy whose address the node advertises, and all that nodes tell each other
// goes through it, each direction of each pair over a link of its own.
type wires struct {
	places []place
	fronts []net.Listener
	links  [][]*link // [from][to]
	stop   chan struct{}
	wg     sync.WaitGroup

	mu    sync.Mutex
	pid   func(i int) int
	conns map[*wire]struct{}
}

// dialPatience is how long a proxy tries to reach its node.
const dialPatience = 2 * time.Second

// newWires lays wires for n nodes.
func newWires(n int) (*wires, error) {
	w := &wires{stop: make(chan struct{}), conns: map[*wire]struct{}{}, pid: func(int) int { return 0 }}
	free, err := freeAddresses(4 * n)
	if err != nil {
		return nil, err
	}
	for i := range n {
		p := place{free[4*i], free[4*i+1], free[4*i+2], free[4*i+3]}
		front, err := net.Listen("tcp", p.advertise)
		if err != nil {
			w.close()
			return nil, err
		}
		w.places, w.fronts = append(w.places, p), append(w.fronts, front)
		w.links = append(w.links, make([]*link, n))
		for to := range n {
			w.links[i][to] = newLink()
		}
	}
	for i, front := range w.fronts {
		w.wg.Go(func() { w.accept(i, front) })
	}
	return w, nil
}

func (w *wires) place(i int) place { return w.places[i] }

func (w *wires) command(_ int, name string, args []string) (string, []string) { return name, args }

func (w *wires) slows() bool   { return true }
func (w *wires) secured() bool { return false }

func (w *wires) origin(pid func(int) int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.pid = pid
}

func (w *wires) set(from, to int, now weather) { w.links[from][to].set(now) }

func (w *wires) sever(a, b int) bool {
	w.mu.Lock()
	var those []*wire
	for c := range w.conns {
		if c.dialler == a && c.to == b || c.dialler == b && c.to == a {
			those = append(those, c)
		}
	}
	w.mu.Unlock()
	for _, c := range those {
		c.cut()
	}
	return true
}

// accept takes the connections to node to.
func (w *wires) accept(to int, front net.Listener) {
	for {
		near, err := front.Accept()
		if err != nil {
			return // closed
		}
		w.wg.Go(func() { w.serve(to, near) })
	}
}

// serve joins one connection through to node to.
func (w *wires) serve(to int, near net.Conn) {
	from, ok := w.dialler(near)
	if !ok {
		reset(near) // of a process that has just died, or a stranger
		return
	}
	c := &wire{dialler: from, to: to, near: near, stop: make(chan struct{})}
	if !w.add(c) {
		reset(near)
		return
	}
	defer w.drop(c)
	out, back := w.links[from][to], w.links[to][from]
	if now, _ := out.weather(); now.refused || !out.pass(time.Now(), c.stop) {
		return
	}
	far, err := net.DialTimeout("tcp", w.places[to].cluster, dialPatience)
	if err != nil || !c.join(far) {
		return
	}
	var flows sync.WaitGroup
	flows.Go(func() { out.carry(far, near, c.stop) })
	flows.Go(func() { back.carry(near, far, c.stop) })
	flows.Wait()
}

// dialler is the node that made a connection.
func (w *wires) dialler(near net.Conn) (int, bool) {
	w.mu.Lock()
	pid := w.pid
	w.mu.Unlock()
	remote, ok := near.RemoteAddr().(*net.TCPAddr)
	if !ok {
		return 0, false
	}
	local := near.LocalAddr().(*net.TCPAddr)
	inode, ok := socketInode(remote.Port, local.Port)
	for i := range w.places {
		if ok && hasSocket(pid(i), inode) {
			return i, true
		}
	}
	return 0, false
}

func (w *wires) add(c *wire) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	select {
	case <-w.stop:
		return false
	default:
		w.conns[c] = struct{}{}
		return true
	}
}

// drop ends a wire and forgets it.
func (w *wires) drop(c *wire) {
	c.cut()
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.conns, c)
}

func (w *wires) close() {
	close(w.stop)
	for _, front := range w.fronts {
		front.Close()
	}
	w.mu.Lock()
	var all []*wire
	for c := range w.conns {
		all = append(all, c)
	}
	w.mu.Unlock()
	for _, c := range all {
		c.cut()
	}
	w.wg.Wait()
}
