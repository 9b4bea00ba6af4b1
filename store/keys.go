package store

import (
	"crypto/sha256"
	"math"
	"sync"

	"github.com/tollgate/tollgate/store/catalog"
	"github.com/tollgate/tollgate/store/quota"
)

// keys finds consumers by their API keys, for every call of the data plane: it does not
// wait for what is applied. It follows from the state.
type keys struct {
	mu      sync.RWMutex
	domains map[string]map[[sha256.Size]byte]*catalog.Consumer
}

func newKeys() *keys {
	return &keys{domains: map[string]map[[sha256.Size]byte]*catalog.Consumer{}}
}

// replace puts a consumer in the place of another; either may be nil.
func (k *keys) replace(old, made *catalog.Consumer) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.put(old, false)
	k.put(made, true)
}

func (k *keys) put(c *catalog.Consumer, there bool) {
	if c == nil {
		return
	}
	of := k.domains[c.Domain]
	if of == nil {
		of = map[[sha256.Size]byte]*catalog.Consumer{}
		k.domains[c.Domain] = of
	}
	for i := range c.Keys {
		if there {
			of[c.Keys[i].Digest] = c
		} else {
			delete(of, c.Keys[i].Digest)
		}
	}
}

// forget drops a domain.
func (k *keys) forget(domain string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.domains, domain)
}

// restore takes over what a state has.
func (k *keys) restore(of *catalog.State) {
	all := newKeys()
	of.EachConsumer(func(c *catalog.Consumer) { all.put(c, true) })
	k.mu.Lock()
	defer k.mu.Unlock()
	k.domains = all.domains
}

// Consumer is the consumer of a domain that has the API key of a digest, and its plan. It
// waits for nothing.
func (s *Store) Consumer(domain string, key [sha256.Size]byte) (id, plan string, ok bool) {
	k := s.machine.keys
	k.mu.RLock()
	defer k.mu.RUnlock()
	c := k.domains[domain][key]
	if c == nil {
		return "", "", false
	}
	return c.ID, c.Plan, true
}

// ConsumerIDs are the IDs of a domain's consumers.
func (s *Store) ConsumerIDs(domain string) (ids []string) {
	for _, c := range s.Consumers(domain, "", math.MaxInt) {
		ids = append(ids, c.ID)
	}
	return ids
}

// ConsumerSeeds are the seeds of a domain's conditions by consumer.
func (s *Store) ConsumerSeeds(domain string) []quota.Seed {
	return read(s, func(st *state) (seeds []quota.Seed) {
		for _, r := range st.quota.Rules(domain) {
			if r.By == quota.ByConsumer {
				seeds = append(seeds, r.Seed)
			}
		}
		return seeds
	})
}

// ConsumerOf is a domain's consumer of an ID; nil if there is none.
func (s *Store) ConsumerOf(domain, id string) *catalog.Consumer {
	return read(s, func(st *state) *catalog.Consumer { return st.catalog.Consumer(domain, id) })
}

// Consumers lists up to n consumers of a domain behind an ID, sorted by ID.
func (s *Store) Consumers(domain, after string, n int) []*catalog.Consumer {
	return read(s, func(st *state) []*catalog.Consumer { return st.catalog.Consumers(domain, after, n) })
}
