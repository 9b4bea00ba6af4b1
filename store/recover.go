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

// Recover makes a cluster of one node, which does not run, alone: for when the majority
// is gone for good. Everything in its log counts from then on, and what only others had is
// lost. It begins a new generation of the cluster, to which nodes of former ones are
// foreign. confirm is called before anything is changed, and may call it off.
func Recover(dir string, logger *slog.Logger, confirm func(log.Recovered) error) (r Recovery, err error) {
	var stopped error
	m := newMachine(func(string, uint64) {}, func(err error) { stopped = err })
	finish := func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		s := &m.state
		s.rules = max(s.rules, RulesThird) // which have generations
		s.quota.Upgrade(s.rules.quotas())
		s.generation = max(s.generation, 1) + 1
		for id := range s.members {
			if id != r.ID {
				delete(s.members, id)
				s.quota.Forget(id)
			}
		}
		s.quota.SetMembers(len(s.members))
		r.ClusterID, r.Generation, r.Domains = s.clusterID, s.generation, len(s.catalog.Summaries())
	}
	r.Recovered, err = log.Recover(dir, m, logger, func(found log.Recovered) error {
		r.Recovered = found
		return confirm(found)
	}, finish)
	if stopped != nil {
		err = stopped
	}
	return r, err
}
