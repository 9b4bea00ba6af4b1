package log

import (
	"errors"
	"fmt"
	"io"
	"log/slog"

	"github.com/hashicorp/raft"
)

// Recovered is what Recover has found and made.
type Recovered struct {
	// ID is the node's, Address where others reached it.
	ID, Address string
	// Before are the members until now.
	Before []Server
	// Index and Term are of the newest entry, which counts from now on whether or not
	// it was committed.
	Index, Term uint64

	stable raft.StableStore
}

// Stable reads a value that the node kept by SetStable, nil if there is none.
func (r *Recovered) Stable(key []byte) ([]byte, error) { return get(r.stable, key) }

// recovering is a Machine whose snapshot is taken once, of what became of it.
type recovering struct {
	Machine
	finish func()
}

// Snapshot implements Machine.
func (r recovering) Snapshot() io.WriterTo {
	r.finish()
	return r.Machine.Snapshot()
}

// Recover makes the group of a replica that does not run one in which this node alone
// votes. All that is in its log counts from then on, what was never committed too. finish
// is called once the machine has applied it; what the machine is then goes into a
// snapshot, and the log before it goes. prepare is called before anything is changed, and
// may call it off. It gives the members that stay beside this node, without a vote.
func Recover(dir string, m Machine, logger *slog.Logger, prepare func(Recovered) ([]Server, error), finish func()) (found Recovered, err error) {
	if bolt, walled := kept(dir); !bolt && !walled {
		return found, fmt.Errorf("there is no node's data in %s", dir)
	}
	db, err := openEngine(dir, "", nil, logger)
	if err != nil {
		return found, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	snaps, err := raft.NewFileSnapshotStoreWithLogger(dir, retainedSnapshots, raftLogger(logger))
	if err != nil {
		return found, fmt.Errorf("snapshots: %w", err)
	}
	state, err := raft.HasExistingState(db, db, snaps)
	if err != nil {
		return found, fmt.Errorf("reading the log: %w", err)
	}
	if !state {
		return found, errors.New("this node has never been in a cluster: there is nothing to recover")
	}
	owner, err := db.Get(keyNodeID)
	if err != nil {
		return found, fmt.Errorf("reading whose data it is: %w", err)
	}
	found.ID, found.stable = string(owner), db
	if err := found.read(db, snaps); err != nil {
		return found, err
	}
	others, err := prepare(found)
	if err != nil {
		return found, err
	}
	conf := (&Log{cfg: Config{ID: found.ID}}).raftConfig(raftLogger(logger))
	addr, transport := raft.NewInmemTransport(raft.ServerAddress(found.Address))
	members := raft.Configuration{Servers: []raft.Server{{ID: raft.ServerID(found.ID), Address: addr}}}
	for _, o := range others {
		members.Servers = append(members.Servers, raft.Server{Suffrage: raft.Nonvoter, ID: raft.ServerID(o.ID), Address: raft.ServerAddress(o.Address)})
	}
	machine := &fsm{machine: recovering{m, finish}}
	if err := raft.RecoverCluster(conf, machine, db, db, snaps, transport, members); err != nil {
		return found, fmt.Errorf("recovering: %w", err)
	}
	// It has had others, who are not asked any more.
	return found, db.Set(keyHadOthers, []byte{1})
}

// read finds out who the members were, and the newest entry.
func (r *Recovered) read(db engine, snaps raft.SnapshotStore) error {
	var members raft.Configuration
	list, err := snaps.List()
	if err != nil {
		return fmt.Errorf("snapshots: %w", err)
	}
	if len(list) > 0 {
		members, r.Index, r.Term = list[0].Configuration, list[0].Index, list[0].Term
	}
	first, err := db.FirstIndex()
	if err != nil {
		return err
	}
	last, err := db.LastIndex()
	if err != nil {
		return err
	}
	for i := max(first, 1); i <= last && first > 0; i++ {
		var entry raft.Log
		if err := db.GetLog(i, &entry); err != nil {
			return fmt.Errorf("reading entry %d of the log: %w", i, err)
		}
		if entry.Index > r.Index {
			r.Index, r.Term = entry.Index, entry.Term
		}
		if entry.Type == raft.LogConfiguration {
			members = raft.DecodeConfiguration(entry.Data)
		}
	}
	for _, m := range members.Servers {
		r.Before = append(r.Before, Server{ID: string(m.ID), Address: string(m.Address), Voter: m.Suffrage == raft.Voter})
		if string(m.ID) == r.ID {
			r.Address = string(m.Address)
		}
	}
	if r.Address == "" {
		return fmt.Errorf("node %s is no member of its cluster any more: another node is to recover it", r.ID)
	}
	return nil
}
