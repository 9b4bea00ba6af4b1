package catalog

import (
	"crypto/sha256"
	"errors"
	"slices"
	"strings"

	"github.com/tidwall/btree"
)

// Bounds of consumers.
const (
	// MaxConsumerBytes bounds a consumer's ID.
	MaxConsumerBytes = 64
	// MaxConsumerKeys bounds the keys of a consumer.
	MaxConsumerKeys = 100
	// maxKeyPrefixBytes bounds the part of a key that names it.
	maxKeyPrefixBytes = 32
)

// The errors of commands on consumers.
var (
	// ErrNoConsumer: the domain has no consumer of that ID.
	ErrNoConsumer = errors.New("no such consumer")
	// ErrNoKey: the consumer has no key of that prefix.
	ErrNoKey = errors.New("no such key")
	// ErrKeyTaken: a consumer of the domain has this key, or the consumer one of that
	// prefix.
	ErrKeyTaken = errors.New("the key is taken")
	// ErrManyKeys: the consumer has as many keys as it may.
	ErrManyKeys = errors.New("a consumer has at most 100 keys")
)

// Consumer is who calls a domain with an API key. It is read-only.
type Consumer struct {
	// Domain is the domain's key. ID is 1 to MaxConsumerBytes of what a domain's key is
	// made of.
	Domain, ID string
	// Name is for people, up to MaxNameRunes. Plan chooses the maxima of conditions that
	// have plans, up to 64 bytes; empty: none.
	Name, Plan string
	// Keys are in the order in which they were made.
	Keys []Key
}

// Key is an API key. The key itself is known to its consumer alone.
type Key struct {
	// Prefix is how it begins, and names it among the consumer's.
	Prefix string
	Digest [sha256.Size]byte
	// Created is the cluster time at which it was made, in ms.
	Created int64
}

// consumers are those of all domains, by domain and ID, and by domain and digest of key.
// Neither name has a NUL.
type consumers struct {
	byID  btree.Map[string, *Consumer]
	byKey btree.Map[string, *Consumer]
}

func place(domain, rest string) string { return domain + "\x00" + rest }

// ApplyConsumer makes one change of a domain's consumers at a cluster time, in ms.
// ErrNotFound, ErrNoConsumer, ErrNoKey, ErrKeyTaken and ErrManyKeys are its errors; the
// state is then as it was.
func (s *State) ApplyConsumer(c ConsumerCommand, now int64) error {
	if _, ok := s.domains.Get(c.Domain); !ok {
		return ErrNotFound
	}
	old, known := s.byID.Get(place(c.Domain, c.ID))
	if c.Op == PutConsumer {
		made := &Consumer{Domain: c.Domain, ID: c.ID, Name: c.Name, Plan: c.Plan}
		if known {
			made.Keys = old.Keys
		}
		s.replace(old, made)
		return nil
	}
	if !known {
		return ErrNoConsumer
	}
	made := *old
	i := slices.IndexFunc(old.Keys, func(k Key) bool { return k.Prefix == c.Prefix })
	switch c.Op {
	case DeleteConsumer:
		s.replace(old, nil)
		return nil
	case AddKey:
		_, taken := s.byKey.Get(place(c.Domain, string(c.Digest[:])))
		if taken || i >= 0 {
			return ErrKeyTaken
		}
		if len(old.Keys) >= MaxConsumerKeys {
			return ErrManyKeys
		}
		made.Keys = append(slices.Clone(old.Keys), Key{c.Prefix, c.Digest, now})
	case DeleteKey:
		if i < 0 {
			return ErrNoKey
		}
		made.Keys = slices.Delete(slices.Clone(old.Keys), i, i+1)
	}
	s.replace(old, &made)
	return nil
}

// replace puts a consumer in the place of another; either may be nil.
func (cs *consumers) replace(old, made *Consumer) {
	if old != nil {
		cs.byID.Delete(place(old.Domain, old.ID))
		for _, k := range old.Keys {
			cs.byKey.Delete(place(old.Domain, string(k.Digest[:])))
		}
	}
	if made != nil {
		cs.byID.Set(place(made.Domain, made.ID), made)
		for _, k := range made.Keys {
			cs.byKey.Set(place(made.Domain, string(k.Digest[:])), made)
		}
	}
}

// removeAll removes the consumers of a domain.
func (cs *consumers) removeAll(domain string) {
	var all []*Consumer
	cs.scan(domain, "", func(c *Consumer) bool {
		all = append(all, c)
		return true
	})
	for _, c := range all {
		cs.replace(c, nil)
	}
}

// scan visits the consumers of a domain behind an ID, sorted by ID.
func (cs *consumers) scan(domain, after string, visit func(*Consumer) bool) {
	cs.byID.Ascend(place(domain, after), func(at string, c *Consumer) bool {
		if !strings.HasPrefix(at, place(domain, "")) {
			return false
		}
		return at == place(domain, after) || visit(c)
	})
}

// Consumer is a domain's consumer of an ID; nil if there is none.
func (s *State) Consumer(domain, id string) *Consumer {
	c, _ := s.byID.Get(place(domain, id))
	return c
}

// Consumers lists up to n consumers of a domain behind an ID, sorted by ID.
func (s *State) Consumers(domain, after string, n int) (list []*Consumer) {
	s.scan(domain, after, func(c *Consumer) bool {
		if len(list) < n {
			list = append(list, c)
		}
		return len(list) < n
	})
	return list
}

// EachConsumer visits the consumers of all domains.
func (s *State) EachConsumer(visit func(*Consumer)) {
	s.byID.Scan(func(_ string, c *Consumer) bool {
		visit(c)
		return true
	})
}
