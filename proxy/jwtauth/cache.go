package jwtauth

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"math"
	"sync"
	"time"
)

// Cache remembers tokens that were good, for all Verifiers of a process, so
// that a token which comes again is not verified again. Its methods may be
// called at the same time.
//
// It holds digests, no tokens, and its size is fixed. A token that comes once
// takes the place of none that comes often: where a set is full, a newcomer has
// to come twice before it contends, and then it wears the least used one down
// before it takes that one's place (the admission of TinyLFU, Einziger et al.,
// ACM TOS 2017, with counters beside the entries).
type Cache struct {
	sets [1 << setBits]set
}

const (
	setBits = 11
	ways    = 8
	// CacheTokens is how many tokens a Cache holds.
	CacheTokens = ways << setBits
)

// digest is of a token and of the Verifier that has found it good.
type digest [sha256.Size]byte

type set struct {
	mu      sync.Mutex
	entries [ways]entry
	// met are the last that have come once, next is where the next one goes.
	met  [ways]uint32
	next uint8
}

// entry is a token that is good at from and later, and before until, both in
// seconds of Unix time. The zero entry is good never.
type entry struct {
	digest      digest
	from, until int64
	uses        uint8
}

// NewCache makes an empty Cache.
func NewCache() *Cache { return new(Cache) }

func (c *Cache) set(d *digest) *set {
	return &c.sets[binary.LittleEndian.Uint64(d[:])&(1<<setBits-1)]
}

// has reports whether a token is known and good at a time.
func (c *Cache) has(d *digest, now int64) bool {
	s := c.set(d)
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.entries {
		e := &s.entries[i]
		if e.digest == *d {
			if e.uses < math.MaxUint8 {
				e.uses++
			}
			return e.from <= now && now < e.until
		}
	}
	return false
}

// add takes a token in, if there is room or it is worth more than another.
func (c *Cache) add(d *digest, from, until, now int64) {
	s := c.set(d)
	s.mu.Lock()
	defer s.mu.Unlock()
	least := &s.entries[0]
	for i := range s.entries {
		e := &s.entries[i]
		if e.digest == *d {
			e.from, e.until = from, until
			return
		}
		if least.until > now && (e.until <= now || e.uses < least.uses) {
			least = e
		}
	}
	switch {
	case least.until <= now: // its place is free
		*least = entry{*d, from, until, 0}
	case !s.hasMet(d):
	case least.uses > 0:
		least.uses--
	default:
		*least = entry{*d, from, until, 1}
	}
}

// hasMet reports whether a token has come before, not long ago, and remembers
// that it has.
func (s *set) hasMet(d *digest) bool {
	short := binary.LittleEndian.Uint32(d[8:])
	for _, m := range s.met {
		if m == short {
			return true
		}
	}
	s.met[s.next%ways] = short
	s.next++
	return false
}

// verifierID tells the entries of one Verifier from those of all others, also of
// one with the same key.
type verifierID [16]byte

func newVerifierID() (id verifierID) {
	_, _ = rand.Read(id[:]) // never fails (Go 1.24)
	return id
}

// digest is that of a token for this Verifier. scratch is used, and returned.
func (id *verifierID) digest(scratch, token []byte) (d digest, _ []byte) {
	scratch = append(append(scratch[:0], id[:]...), token...)
	return sha256.Sum256(scratch), scratch
}

// interval is from when until when claims that were found good are, in whole
// seconds of Unix time that are within: at its borders a token is verified again.
func (c *claims) interval(skew time.Duration) (from, until int64) {
	from = math.MinInt64
	if nbf, err := c.GetNotBefore(); err == nil && nbf != nil {
		from = nbf.Add(-skew).Unix() + 1
	}
	if exp, err := c.GetExpirationTime(); err == nil && exp != nil {
		until = exp.Add(skew).Unix()
	}
	return from, until
}
