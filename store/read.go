package store

import (
	"crypto/sha256"

	"github.com/tollgate/tollgate/store/catalog"
	"github.com/tollgate/tollgate/store/quota"
)

// Digest is the index of the newest applied command and a hash of the whole
// replicated state: replicas at equal index have equal digests.
func (s *Store) Digest() (index uint64, sum [sha256.Size]byte) { return s.machine.digest() }

// Applied is the index of the newest applied command.
func (s *Store) Applied() uint64 {
	s.machine.mu.RLock()
	defer s.machine.mu.RUnlock()
	return s.machine.state.applied
}

// ReplicatedClusterID is the cluster's ID as the log says it; empty before the
// founder has written it.
func (s *Store) ReplicatedClusterID() string {
	return read(s, func(st *state) string { return st.clusterID })
}

// Members are the known listeners of members, by ID.
func (s *Store) Members() map[string]Member {
	return read(s, func(st *state) map[string]Member {
		m := make(map[string]Member, len(st.members))
		for id, member := range st.members {
			m[id] = member
		}
		return m
	})
}

// DeployedChanged has a value whenever the live domains may have changed since
// the last one was received. It is for one receiver.
func (s *Store) DeployedChanged() <-chan struct{} { return s.machine.deployed }

// DeployedIndex is the index of the log at which the live domains last changed.
func (s *Store) DeployedIndex() uint64 { return s.machine.deployedAt.Load() }

// Deployed lists the domains that are live, sorted by key.
func (s *Store) Deployed() []catalog.Entry {
	return read(s, func(st *state) []catalog.Entry { return st.catalog.Deployed() })
}

// Domains lists all domains, sorted by key.
func (s *Store) Domains() []catalog.Summary {
	return read(s, func(st *state) []catalog.Summary { return st.catalog.Summaries() })
}

// Domain is one domain; ok is false when there is none of that key.
func (s *Store) Domain(key string) (e catalog.Entry, ok bool) {
	s.machine.mu.RLock()
	defer s.machine.mu.RUnlock()
	return s.machine.state.catalog.Entry(key)
}

// ObserveQuota tells o all counters, and from then on what changes of them.
func (s *Store) ObserveQuota(o QuotaObserver) { s.machine.watch(o) }

// OnQuotaEvents has what happens to quotas told, as commands are applied: tell is called
// under the state machine's lock, and must not block. Events of commands that are applied
// again, as a replica catches up, are told again.
func (s *Store) OnQuotaEvents(tell func([]quota.Event)) { s.machine.events.Store(&tell) }

// QuotaDomains lists the live domains that have quota conditions, sorted by key.
func (s *Store) QuotaDomains() []string {
	return read(s, func(st *state) []string { return st.quota.Domains() })
}

// Readings reads the quota conditions of a live domain out as of cluster time
// now, in milliseconds.
func (s *Store) Readings(key string, now int64) []quota.Reading {
	return read(s, func(st *state) []quota.Reading { return st.quota.Readings(key, now) })
}

// CallerReadings reads the conditions with By of a live domain out for one caller each, as
// of cluster time now, in ms; see quota.State.Callers.
func (s *Store) CallerReadings(key string, now int64, value func(quota.By) []byte) []quota.Reading {
	return read(s, func(st *state) []quota.Reading { return st.quota.Callers(key, now, value) })
}

// TopCallers reads out who has used most of a live domain's conditions with By; see
// quota.Snapshot.Top. It goes through all callers, and holds nobody up.
func (s *Store) TopCallers(key string, now int64, n int) []quota.CallerReading {
	shot, _ := s.machine.snapshot()
	return shot.quota.Top(key, now, n)
}

// QuotaRule is a condition in force, found by its name. Of a period the time zone may be
// left out, where that leaves one.
func (s *Store) QuotaRule(key string, name quota.ConditionName) (rule quota.Rule, ok bool) {
	s.machine.mu.RLock()
	defer s.machine.mu.RUnlock()
	return s.machine.state.quota.Lookup(key, name)
}

// read runs f with the state held still.
func read[T any](s *Store, f func(*state) T) T {
	s.machine.mu.RLock()
	defer s.machine.mu.RUnlock()
	return f(&s.machine.state)
}
