package proxy

import (
	"net/netip"
	"sync"
	"sync/atomic"
)

// clients counts what clients take, so that none takes everything. Its methods
// may be called at the same time.
type clients struct {
	maxConns, maxConnsEach int

	mu    sync.Mutex
	conns int
	by    map[netip.Addr]*clientUse
	free  []*clientUse // to be used again, maxFree at most
}

// maxFree is how many clientUses are kept: behind a trusted proxy each call may
// want another.
const maxFree = 1000

// clientUse is that of one address, or one /64 of IPv6, for as long as it has
// connections, or calls on those of trusted proxies.
type clientUse struct {
	key netip.Addr
	// conns are its connections, refs those and its calls through trusted
	// proxies. Both are guarded by clients.mu.
	conns, refs int
	// calls are those in flight.
	calls atomic.Int64
}

func newClients(maxConns, maxConnsEach int) *clients {
	return &clients{maxConns: maxConns, maxConnsEach: maxConnsEach, by: make(map[netip.Addr]*clientUse)}
}

// clientKey is what counts as one client: whoever has one address of IPv6 has
// the /64 around it.
func clientKey(ip netip.Addr) netip.Addr {
	if !ip.Is6() {
		return ip
	}
	p, err := ip.Prefix(64)
	if err != nil {
		return ip
	}
	return p.Addr()
}

// Reasons for which a connection is turned away.
const (
	reasonFull   = "full"   // MaxConns are open
	reasonClient = "client" // MaxConnsPerClient of its client are
	// reasonStopping: the last calls are being finished.
	reasonStopping = "stopping"
)

// enter counts a connection in, or says why it may not. A client whose address
// is not known has no limit of its own, nor has one that is exempt.
func (s *clients) enter(ip netip.Addr, exempt bool) (who *clientUse, refused string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conns >= s.maxConns {
		return nil, reasonFull
	}
	if who = s.add(ip, exempt); who == nil {
		return nil, reasonClient
	}
	s.conns++
	return who, ""
}

// add counts a connection for a client, or returns nil.
func (s *clients) add(ip netip.Addr, exempt bool) *clientUse {
	who := s.hold(ip)
	if who.key.IsValid() && who.conns >= s.maxConnsEach && !exempt {
		s.drop(who)
		return nil
	}
	who.conns++
	return who
}

// move counts a connection over to another client. It stays where it is, and ok
// is false, when that one has as many as it may have.
func (s *clients) move(from *clientUse, to netip.Addr, exempt bool) (who *clientUse, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if who = s.add(to, exempt); who == nil {
		return from, false
	}
	from.conns--
	s.drop(from)
	return who, true
}

// leave counts a connection out.
func (s *clients) leave(who *clientUse) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conns--
	who.conns--
	s.drop(who)
}

// begin finds the client of a call that comes through a trusted proxy, until end.
func (s *clients) begin(ip netip.Addr) *clientUse {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.hold(ip)
}

func (s *clients) end(who *clientUse) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drop(who)
}

// hold finds a client and keeps it until drop.
func (s *clients) hold(ip netip.Addr) *clientUse {
	key := clientKey(ip)
	who := s.by[key]
	if who == nil {
		if last := len(s.free) - 1; last >= 0 {
			who, s.free = s.free[last], s.free[:last]
		} else {
			who = new(clientUse)
		}
		who.key = key
		s.by[key] = who
	}
	who.refs++
	return who
}

func (s *clients) drop(who *clientUse) {
	if who.refs--; who.refs > 0 {
		return
	}
	delete(s.by, who.key)
	if len(s.free) < maxFree && who.calls.Load() == 0 {
		s.free = append(s.free, who)
	}
}
