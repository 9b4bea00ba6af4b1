package store

import (
	"errors"
	"fmt"

	"github.com/tollgate/tollgate/store/quota"
)

// Rules names what applying a command means. What Apply does changes only with a
// new number, and the old meaning stays in the code for as long as a log may hold
// entries of it: replicas of two releases would differ without an error otherwise.
// Each entry carries the number that it is to be applied by. The leader raises it
// once every member has said that it knows the next one.
type Rules uint32

// The rules that this release can apply. DESIGN.md says how one is retired.
const (
	// RulesFirst are those of every entry before there were numbers.
	RulesFirst Rules = 1
	// RulesSecond have KindCheckpoint, KindPiece and compressed documents.
	RulesSecond Rules = 2
	// RulesThird have callers, calendar windows and costs (quota.Third), KindReset and
	// KindAdjust, the history of the domains, the audit, restores, and the generations of
	// a cluster that was recovered.
	RulesThird Rules = 3

	oldestRules = RulesFirst
	newestRules = RulesThird
)

// quotas is the version of frames and counters that commands by r have.
func (r Rules) quotas() quota.Version {
	if r < RulesThird {
		return quota.First
	}
	return quota.Third
}

// RulesRange are the rules that a node can apply, from Oldest to Newest.
type RulesRange struct{ Oldest, Newest Rules }

// KnownRules are those of this release.
func KnownRules() RulesRange { return RulesRange{oldestRules, newestRules} }

// Has reports whether a node of this range can apply entries by r.
func (k RulesRange) Has(r Rules) bool { return k.Oldest <= r && r <= k.Newest }

// String is for messages.
func (k RulesRange) String() string {
	if k.Oldest == k.Newest {
		return fmt.Sprint("rules ", k.Oldest)
	}
	return fmt.Sprintf("rules %d to %d", k.Oldest, k.Newest)
}

// unknownRules: an entry or a snapshot is to be read by rules that this release
// does not know. Nothing of it was applied.
type unknownRules struct {
	where string
	rules Rules
}

func (e *unknownRules) Error() string {
	what := "a newer release of Tollgate wrote it: start this node with that release, and upgrade all nodes before any is upgraded further"
	if e.rules < oldestRules {
		what = "an older release of Tollgate wrote it: start this node once with a release in between, until it has made a snapshot"
	}
	return fmt.Sprintf("%s has rules %d, this release knows %v; nothing of it is applied. %s", e.where, e.rules, KnownRules(), what)
}

// Rules are those that the cluster has come to.
func (s *Store) Rules() Rules { return read(s, func(st *state) Rules { return st.rules }) }

// RaiseRules has this node propose by r from now on while it leads. Every member
// must have said that it knows them. The cluster has come to them with the next
// entry. It never goes back.
func (s *Store) RaiseRules(r Rules) {
	for {
		have := s.raised.Load()
		if uint32(r) <= have || s.raised.CompareAndSwap(have, uint32(r)) {
			return
		}
	}
}

// ErrUpgrading: a command needs rules that not every member knows yet. Nothing was
// proposed.
var ErrUpgrading = errors.New("a member runs an older release that does not know this yet: upgrade all nodes first")

// FrameVersion is that of the newest frames that this node may propose while it leads.
func (s *Store) FrameVersion() quota.Version { return s.proposing().quotas() }

// proposing are the rules of this node's next proposal.
func (s *Store) proposing() Rules { return max(s.Rules(), Rules(s.raised.Load())) }
