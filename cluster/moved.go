package cluster

import "sync"

// moved has the addresses of members that were met elsewhere than the membership
// says. They are in it until the membership says so too, or nobody answers there.
type moved struct {
	mu   sync.Mutex
	here map[string]string // address by ID
}

// at is where a member is that the membership has at addr.
func (m *moved) at(id, addr string) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	if here := m.here[id]; here != "" {
		return here
	}
	return addr
}

// set has a member dialled at addr from now on.
func (m *moved) set(id, addr string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.here == nil {
		m.here = map[string]string{}
	}
	m.here[id] = addr
}

func (m *moved) forget(id string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.here, id)
}
