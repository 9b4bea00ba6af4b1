package body

import "sync"

// Memory gives out pieces of memory of one size. They are not the garbage
// collector's where the system has another way: its heap may grow to twice of
// what is held, and shrinks late. Its methods may be called at the same time.
type Memory struct {
	size int
	// warmest bounds the memory of free pieces that is kept for the next body.
	warmest int

	mu sync.Mutex
	// warm are free pieces as they were given back, cold those whose memory
	// the system has again.
	warm, cold [][]byte
}

func (m *Memory) take() []byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.warm) == 0 {
		if len(m.cold) == 0 {
			m.cold = moreMemory(m.cold, m.size)
		}
		m.warm, m.cold = move(m.warm, m.cold)
	}
	p := m.warm[len(m.warm)-1]
	m.warm = m.warm[:len(m.warm)-1]
	return p
}

func (m *Memory) give(p []byte) {
	p = p[:m.size]
	m.mu.Lock()
	defer m.mu.Unlock()
	if (len(m.warm)+1)*m.size <= m.warmest {
		m.warm = append(m.warm, p)
	} else if cool(p) {
		m.cold = append(m.cold, p)
	}
}

// move takes the last of from to the end of to.
func move(to, from [][]byte) (_, _ [][]byte) {
	last := len(from) - 1
	to = append(to, from[last])
	from[last] = nil
	return to, from[:last]
}
