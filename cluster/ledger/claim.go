package ledger

import (
	"time"

	"github.com/tollgate/tollgate/store/quota"
)

// claim is one use of a signature that waits for the log.
type claim struct {
	quota.Claim
	answer chan claimAnswer // holds one
}

type claimAnswer struct {
	result quota.ClaimResult
	err    error
}

// Claim uses a signature of a domain that is good once, and reports whether it is the
// first to. At is the signature's timestamp. It returns within the wait budget; after
// ErrUndecided the signature may be used or not.
func (l *Ledger) Claim(domain string, signature []byte, at time.Time) (bool, error) {
	begin := time.Now()
	one := quota.Claim{Domain: domain, Digest: quota.DigestOf(quota.Seed{}, signature), At: max(at.UnixMilli(), 0)}
	timer := time.NewTimer(l.budget)
	defer timer.Stop()
	for {
		moved := *l.rulesMoved.Load()
		c := &claim{one, make(chan claimAnswer, 1)}
		if !l.enqueueClaim(c) {
			_, err := l.undecided()
			return false, err
		}
		var a claimAnswer
		select {
		case a = <-c.answer:
		case <-timer.C:
			_, err := l.undecided()
			return false, err
		}
		switch {
		case a.err != nil:
			return false, a.err
		case a.result == quota.ClaimSuperseded:
			if !l.waitForRules(moved, begin) {
				_, err := l.undecided()
				return false, err
			}
		case a.result == quota.ClaimsFull:
			l.metrics.claimsFull.Inc()
			return false, nil
		default:
			return a.result == quota.Claimed, nil
		}
	}
}

// enqueueClaim has a claim wait for the next frame. It reports false if no more may.
func (b *books) enqueueClaim(c *claim) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closing || b.version < quota.Third || len(b.claims) >= maxWaiting {
		return false
	}
	b.claims = append(b.claims, c)
	b.due()
	return true
}
