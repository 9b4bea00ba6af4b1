package store

import (
	"log/slog"

	"github.com/tollgate/tollgate/store/log"
)

// Recovery is what Recover has found and made.
type Recovery struct {
	log.Recovered
	ClusterID string
	// Generation is the one that begins, from 2.
	Generation uint64
	Domains    int
}

// Recoverable is what there is to be recovered.
type Recoverable struct {
	log.Recovered
	// Identity is the node's, to others of its cluster.
	Identity string
}

// Recover makes a cluster in which one node, which does not run, votes alone: for when the
// majority is gone for good. Everything in its log counts from then on, and what only
// others had is lost. It begins a new generation of the cluster, to which nodes of former
// ones are foreign. confirm is called before anything is changed, and may call it off. It
// gives the members that stay beside this node: without a vote, until they join anew.
func Recover(dir string, logger *slog.Logger, confirm func(Recoverable) ([]Server, error)) (r Recovery, err error) {
	var stopped error
	stays := map[string]bool{}
	m := newMachine(func(string, uint64) {}, func(err error) { stopped = err })
	finish := func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		s := &m.state
		s.rules = max(s.rules, RulesThird) // which have generations
		s.quota.Upgrade(s.rules.quotas())
		s.generation = max(s.generation, 1) + 1
		for id := range s.members {
			if !stays[id] {
				delete(s.members, id)
				s.quota.Forget(id)
			}
		}
		s.quota.SetMembers(len(s.members))
		r.ClusterID, r.Generation, r.Domains = s.clusterID, s.generation, len(s.catalog.Summaries())
	}
	r.Recovered, err = log.Recover(dir, m, logger, func(found log.Recovered) ([]Server, error) {
		r.Recovered = found
		id, err := found.Stable(keyClusterID)
		if err != nil {
			return nil, err
		}
		generation, err := readGeneration(&found)
		if err != nil {
			return nil, err
		}
		others, err := confirm(Recoverable{found, identityOf(string(id), generation)})
		stays[found.ID] = true
		for _, o := range others {
			stays[o.ID] = true
		}
		return others, err
	}, finish)
	if stopped != nil {
		err = stopped
	}
	return r, err
}
