package quota

import (
	"math"

	"github.com/tidwall/btree"
)

// Claims are uses of what is good once: a HMAC signature. One is refused once its
// timestamp is so old that the plugin refuses the signature; until then it is kept. Both
// of two claims of one signature would have to come before that moment, of which the
// second finds the first, whatever any clock says.
const (
	// MaxClaims is how many claims are kept. Beyond it all are refused.
	MaxClaims = 4_000_000
	// claimMargin is how much longer than the plugin's clockSkew a claim is good, in
	// ms: a node's clock and the cluster's differ by less.
	claimMargin = 5000
	// maxSkew is the greatest clockSkew, in ms.
	maxSkew = 86_400_000
	// claimsSwept is how many claims that are over are removed for each that is made.
	claimsSwept = 2
)

// Claim is one use of a signature of a domain.
type Claim struct {
	Domain string
	// Digest stands for the signature, At is its timestamp in ms since the Unix epoch.
	Digest Digest
	At     int64
}

// ClaimResult is what became of a claim.
type ClaimResult uint8

// The results of claims.
const (
	// Claimed: it is the first.
	Claimed ClaimResult = iota
	// ClaimRefused: it is not, or it may not be.
	ClaimRefused
	// ClaimsFull: there is no room.
	ClaimsFull
	// ClaimSuperseded: the domain takes no claims, as far as the log goes.
	ClaimSuperseded
)

// claims are those of all domains.
type claims struct {
	domains btree.Map[string, *signatures]
	count   int
	// sweep has the domains by when there is something to remove. It follows from
	// the domains.
	sweep *btree.BTreeG[claimEnding]
}

// claimEnding is a domain and when its first claim is over.
type claimEnding struct {
	at     int64 // cluster time, ms
	domain string
}

func newClaims() claims {
	return claims{sweep: btree.NewBTreeGOptions(func(a, b claimEnding) bool {
		return a.at < b.at || a.at == b.at && a.domain < b.domain
	}, btree.Options{NoLocks: true})}
}

// signatures are those of one domain.
type signatures struct {
	epoch uint64
	// skew is the plugin's clockSkew in ms; on is false while the domain takes no
	// claims.
	skew int64
	on   bool
	// forgotten is the newest timestamp of those that were removed. None up to it is
	// taken: by a greater skew it might be good again.
	forgotten int64
	used      *btree.BTreeG[signature]
}

// signature is one that was used.
type signature struct {
	at     int64
	digest Digest
}

func newSignatures(epoch uint64) *signatures {
	return &signatures{epoch: epoch, used: btree.NewBTreeGOptions(func(a, b signature) bool {
		return a.at < b.at || a.at == b.at && a.digest.compare(b.digest) < 0
	}, btree.Options{NoLocks: true})}
}

// ends is when there is something to remove: the first claim, or the domain itself.
func (sig *signatures) ends() int64 {
	if first, ok := sig.used.Min(); ok {
		return first.at + sig.skew + claimMargin
	}
	if sig.on {
		return math.MaxInt64
	}
	return sig.forgotten + maxSkew + claimMargin
}

// changeSignatures changes a domain's signatures; made, if there are none.
func (s *State) changeSignatures(key string, change func(*signatures)) {
	sig, _ := s.claims.domains.Get(key)
	switch {
	case sig == nil:
		sig = newSignatures(s.epoch)
	case sig.epoch != s.epoch:
		own := *sig
		own.epoch, own.used = s.epoch, sig.used.Copy()
		sig = &own
	}
	s.claims.sweep.Delete(claimEnding{sig.ends(), key})
	change(sig)
	s.claims.domains.Set(key, sig)
	s.claims.sweep.Set(claimEnding{sig.ends(), key})
}

// SetSingleUse says whether a domain's signatures are good once, and with which
// clockSkew, in ms. What was claimed stays claimed, as long as it may.
func (s *State) SetSingleUse(key string, on bool, skew int64) {
	if _, known := s.claims.domains.Get(key); !known && !on {
		return
	}
	s.changeSignatures(key, func(sig *signatures) {
		if sig.on = on; on {
			sig.skew = skew
		}
	})
}

// removeClaims removes up to n claims that are over, and domains that have none.
func (s *State) removeClaims(n int) {
	for range n {
		first, ok := s.claims.sweep.Min()
		if !ok || first.at > s.now {
			return
		}
		s.changeSignatures(first.domain, func(sig *signatures) {
			if old, ok := sig.used.PopMin(); ok {
				sig.forgotten = max(sig.forgotten, old.at)
				s.claims.count--
			}
		})
		if sig, _ := s.claims.domains.Get(first.domain); !sig.on && sig.used.Len() == 0 && sig.ends() <= s.now {
			s.claims.sweep.Delete(claimEnding{sig.ends(), first.domain})
			s.claims.domains.Delete(first.domain)
		}
	}
}

// claim makes a claim.
func (s *State) claim(c Claim) ClaimResult {
	s.removeClaims(claimsSwept)
	sig, _ := s.claims.domains.Get(c.Domain)
	if sig == nil || !sig.on {
		return ClaimSuperseded
	}
	if s.now >= c.At+sig.skew+claimMargin || c.At > s.now+sig.skew+claimMargin || c.At <= sig.forgotten {
		return ClaimRefused
	}
	if _, used := sig.used.Get(signature{c.At, c.Digest}); used {
		return ClaimRefused
	}
	if s.claims.count >= MaxClaims {
		return ClaimsFull
	}
	s.changeSignatures(c.Domain, func(sig *signatures) { sig.used.Set(signature{c.At, c.Digest}) })
	s.claims.count++
	return Claimed
}
