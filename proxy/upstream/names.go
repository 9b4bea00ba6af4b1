package upstream

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Network is how names are looked up and addresses connected. Its methods may
// be called at the same time.
type Network interface {
	// LookupNetIP returns the addresses of a name; network is "ip".
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
	// DialContext connects to an address and port; network is "tcp".
	DialContext(ctx context.Context, network, address string) (net.Conn, error)
}

// system is the Network of the operating system.
type system struct {
	net.Resolver
	net.Dialer
}

// How old the addresses of a name may become. The system tells no TTL.
const (
	// refreshAfter is when they are looked up again, beside the calls.
	refreshAfter = 15 * time.Second
	// staleAfter is when calls wait for that.
	staleAfter = 30 * time.Second
	// retryAfter is when a look-up is tried again that failed.
	retryAfter = 5 * time.Second
	// slowFor is how long an address is tried last that was silent or refused.
	slowFor = 30 * time.Second
)

// names knows the addresses of a server.
type names struct {
	network Network
	host    string
	timeout time.Duration
	now     func() time.Time
	known   atomic.Pointer[addresses]

	mu      sync.Mutex
	pending *lookup // nil: none is under way
	slow    map[netip.Addr]time.Time
	turn    int
}

// addresses is what a look-up found. It is never changed.
type addresses struct {
	list []netip.Addr
	// found is when that was, tried when the last look-up ended, which may have
	// failed. Literal addresses have neither.
	found, tried time.Time
	literal      bool
}

// lookup is one look-up, for all who wait for it.
type lookup struct {
	done chan struct{}
	err  error
}

func newNames(cfg *Config, host string) *names {
	n := &names{network: cfg.Network, host: host, timeout: cfg.ConnectTimeout, now: cfg.Clock}
	if addr, err := netip.ParseAddr(host); err == nil {
		n.known.Store(&addresses{list: []netip.Addr{addr}, literal: true})
	}
	return n
}

// current returns the addresses, which it may have to wait for.
func (n *names) current(ctx context.Context) ([]netip.Addr, error) {
	known := n.known.Load()
	if known != nil && known.literal {
		return known.list, nil
	}
	if now := n.now(); known != nil && now.Sub(known.found) < staleAfter {
		if now.Sub(known.tried) >= refreshAfter {
			n.look()
		}
		return known.list, nil
	} else if known != nil && now.Sub(known.tried) < retryAfter {
		return known.list, nil // old ones are better than none
	}
	look := n.look()
	select {
	case <-look.done:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if known = n.known.Load(); known != nil {
		return known.list, nil
	}
	return nil, look.err
}

// has reports whether an address is still one of the name.
func (n *names) has(addr netip.Addr) bool {
	known := n.known.Load()
	if known == nil || known.literal {
		return true
	}
	if now := n.now(); now.Sub(known.tried) >= refreshAfter {
		if now.Sub(known.found) >= staleAfter {
			ctx, cancel := context.WithTimeout(context.Background(), n.timeout)
			_, _ = n.current(ctx)
			cancel()
			known = n.known.Load()
		} else {
			n.look()
		}
	}
	return slices.Contains(known.list, addr)
}

// look begins a look-up, unless one is under way. It ends by itself within the
// timeout, and holds nothing but the names.
func (n *names) look() *lookup {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.pending != nil {
		return n.pending
	}
	l := &lookup{done: make(chan struct{})}
	n.pending = l
	go func() {
		defer close(l.done)
		ctx, cancel := context.WithTimeout(context.Background(), n.timeout)
		defer cancel()
		list, err := n.network.LookupNetIP(ctx, "ip", n.host)
		n.mu.Lock()
		defer n.mu.Unlock()
		n.pending = nil
		l.err = n.learn(list, err)
	}()
	return l
}

func (n *names) learn(list []netip.Addr, err error) error {
	now := n.now()
	if err == nil && len(list) == 0 {
		err = errors.New("no address")
	}
	if err != nil {
		if old := n.known.Load(); old != nil {
			n.known.Store(&addresses{list: old.list, found: old.found, tried: now})
		}
		return fmt.Errorf("looking up %s: %w", n.host, err)
	}
	unmapped := make([]netip.Addr, len(list))
	for i, a := range list {
		unmapped[i] = a.Unmap()
	}
	n.known.Store(&addresses{list: unmapped, found: now, tried: now})
	for a := range n.slow {
		if !slices.Contains(unmapped, a) {
			delete(n.slow, a)
		}
	}
	return nil
}

// order returns the addresses as they are to be tried: each call begins with
// another, families alternate (RFC 8305), and those that were silent or
// refused come last.
func (n *names) order(list []netip.Addr) []netip.Addr {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(list) < 2 {
		return list
	}
	n.turn++
	var first, second, last []netip.Addr
	now, turn := n.now(), n.turn%len(list)
	for i := range list {
		a := list[(turn+i)%len(list)]
		switch at, slow := n.slow[a]; {
		case slow && now.Sub(at) < slowFor:
			last = append(last, a)
		case len(first) == 0 || a.Is4() == first[0].Is4():
			first = append(first, a)
		default:
			second = append(second, a)
		}
	}
	ordered := make([]netip.Addr, 0, len(list))
	for i := range max(len(first), len(second)) {
		if i < len(first) {
			ordered = append(ordered, first[i])
		}
		if i < len(second) {
			ordered = append(ordered, second[i])
		}
	}
	return append(ordered, last...)
}

// note remembers how an address did.
func (n *names) note(addr netip.Addr, slow bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !slow {
		delete(n.slow, addr)
		return
	}
	if n.slow == nil {
		n.slow = map[netip.Addr]time.Time{}
	}
	n.slow[addr] = n.now()
}
