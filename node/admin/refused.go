package admin

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"
)

// Bounds of what is remembered of callers whose token was refused.
const (
	// maxSuspects bounds the addresses; the others share one place.
	maxSuspects = 1024
	// suspicion is how long an address is remembered after its last refusal.
	suspicion = time.Minute
	// refusalLogPause is the least time between two lines about one address.
	refusalLogPause = time.Second
	// delayStep is what each further refusal of an address makes its answer
	// later, up to maxDelay.
	delayStep = 100 * time.Millisecond
	maxDelay  = 3 * time.Second
	// maxDelayed bounds the answers that are held back at a time. Beyond it
	// they come at once: memory is worth more than a guesser's time.
	maxDelayed = 256
)

// refusals slows callers down who try tokens, and tells the log of them
// without letting them fill it. Nothing of it delays a call that is let in.
type refusals struct {
	logger *slog.Logger

	mu       sync.Mutex
	suspects map[netip.Prefix]*suspect
	delayed  int
}

// suspect is an address from which tokens were refused.
type suspect struct {
	failures int       // since it was first remembered
	last     time.Time // of the failures
	logged   time.Time // of the newest line
	unlogged int       // failures after that line
	pending  bool      // a line for unlogged is under way
}

func newRefusals(logger *slog.Logger) *refusals {
	return &refusals{logger: logger, suspects: map[netip.Prefix]*suspect{}}
}

// refused notes one refusal of a caller at remote and waits for as long as its
// answer is to be held back, or until ctx ends.
func (r *refusals) refused(ctx context.Context, remote string, err error) {
	delay := r.note(remote, err)
	if delay == 0 || !r.hold(1) {
		return
	}
	defer r.hold(-1)
	wait := time.NewTimer(delay)
	defer wait.Stop()
	select {
	case <-wait.C:
	case <-ctx.Done():
	}
}

// hold counts an answer that is held back, or one that no longer is.
func (r *refusals) hold(n int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if n > 0 && r.delayed >= maxDelayed {
		return false
	}
	r.delayed += n
	return true
}

// note counts a refusal and logs it, at once or with those of the second that
// it falls in. It returns how late the answer is to be.
func (r *refusals) note(remote string, err error) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	at := networkOf(remote)
	s := r.suspects[at]
	if s == nil {
		s, at = r.admit(at, now)
	}
	if now.Sub(s.last) > suspicion {
		s.failures = 0
	}
	s.failures++
	s.last = now
	s.unlogged++
	switch rest := refusalLogPause - now.Sub(s.logged); {
	case s.pending: // the line to come counts this one too
	case rest <= 0:
		r.log(s, at, now, err)
	default:
		s.pending = true
		time.AfterFunc(rest, func() {
			r.mu.Lock()
			defer r.mu.Unlock()
			s.pending = false
			r.log(s, at, time.Now(), err)
		})
	}
	return min(time.Duration(s.failures-1)*delayStep, maxDelay)
}

// log writes the line. r.mu is held.
func (r *refusals) log(s *suspect, at netip.Prefix, now time.Time, err error) {
	address := at.Addr().String()
	switch {
	case !at.IsValid():
		address = "others"
	case !at.IsSingleIP():
		address = at.String()
	}
	r.logger.Warn("admin calls refused: no token that is known here", "address", address, "count", s.unlogged, keyError, err)
	s.logged, s.unlogged = now, 0
}

// admit remembers one more address, if there is room once the quiet ones are
// forgotten. r.mu is held.
func (r *refusals) admit(at netip.Prefix, now time.Time) (*suspect, netip.Prefix) {
	if len(r.suspects) >= maxSuspects {
		for p, s := range r.suspects {
			if now.Sub(s.last) > suspicion && !s.pending {
				delete(r.suspects, p)
			}
		}
	}
	if len(r.suspects) >= maxSuspects {
		at = netip.Prefix{}
		if s := r.suspects[at]; s != nil {
			return s, at
		}
	}
	s := &suspect{}
	r.suspects[at] = s
	return s, at
}

// networkOf is whom an address belongs to: itself, and for IPv6 its /64. It is
// no valid prefix where remote is no IP address.
func networkOf(remote string) netip.Prefix {
	host, _, err := net.SplitHostPort(remote)
	if err != nil {
		host = remote
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return netip.Prefix{}
	}
	ip = ip.Unmap().WithZone("")
	bits := 32
	if ip.Is6() {
		bits = 64
	}
	p, _ := ip.Prefix(bits) // bits fit: no error
	return p
}
