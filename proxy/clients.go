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
}

// clientUse is that of one address, or one /64 of IPv6, for as long as it has connections.
type clientUse struct {
	key   netip.Addr
	conns int // guarded by clients.mu
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
// is not known has no limit of its own.
func (s *clients) enter(ip netip.Addr) (who *clientUse, refused string) {
	key := clientKey(ip)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conns >= s.maxConns {
		return nil, reasonFull
	}
	who = s.by[key]
	if who == nil {
		who = &clientUse{key: key}
		s.by[key] = who
	}
	if key.IsValid() && who.conns >= s.maxConnsEach {
		return nil, reasonClient
	}
	who.conns++
	s.conns++
	return who, ""
}

// leave counts a connection out.
func (s *clients) leave(who *clientUse) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conns--
	if who.conns--; who.conns == 0 {
		delete(s.by, who.key)
	}
}
