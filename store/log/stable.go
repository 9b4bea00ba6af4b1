package log

import (
	"fmt"
	"path/filepath"
)

// snapshotDir is raft's name for the directory of snapshots.
const snapshotDir = "snapshots"

// Keys of the stable store, beside raft's own. The names are older than the
// package: they are on disks.
var (
	keyIncarnation = []byte("TollgateIncarnation")
	keyNodeID      = []byte("TollgateNodeID")
	keyHadOthers   = []byte("TollgateHadOthers")
)

// readStable reads what the node keeps beside the log: whose it is, and how often
// it was opened.
func (l *Log) readStable() error {
	if err := l.readOwner(); err != nil {
		return err
	}
	n, err := getUint64(l.db, keyIncarnation)
	if err != nil {
		return err
	}
	if n == 0 && !l.fresh {
		// Without the log, this node has forgotten its vote, and that what
		// its first incarnation sent was applied long ago.
		return fmt.Errorf("%s is lost, but there are snapshots beside it: put it back, or let this node leave and start from an empty directory", filepath.Join(l.cfg.Dir, boltFile))
	}
	return l.setIncarnation(n + 1)
}

// readOwner makes sure that the directory is this node's: under another ID it
// would be a member that nobody knows, with the vote of one that they do.
func (l *Log) readOwner() error {
	owner, err := l.Stable(keyNodeID)
	if err != nil {
		return err
	}
	if len(owner) > 0 && string(owner) != l.cfg.ID {
		return fmt.Errorf("it belongs to node %s: start it with --id %s, or give %s a directory of its own", owner, owner, l.cfg.ID)
	}
	return l.db.Set(keyNodeID, []byte(l.cfg.ID))
}

// Stable reads a value that this node keeps beside the log, nil if there is none.
func (l *Log) Stable(key []byte) ([]byte, error) { return get(l.db, key) }

// SetStable keeps a value beside the log, on this node alone. It is on the disk
// when SetStable returns. Config.Keys names the key.
func (l *Log) SetStable(key, value []byte) error { return l.db.Set(key, value) }

// Incarnation counts the times this replica was opened, from 1.
func (l *Log) Incarnation() uint64 { return l.incarnation.Load() }

// RaiseIncarnation makes the incarnation greater than seen, which somebody has
// heard of: a directory that was put back from a copy has forgotten its starts
// since.
func (l *Log) RaiseIncarnation(seen uint64) error {
	if seen < l.Incarnation() {
		return nil
	}
	return l.setIncarnation(seen + 1)
}

func (l *Log) setIncarnation(n uint64) error {
	if err := l.db.SetUint64(keyIncarnation, n); err != nil {
		return err
	}
	l.incarnation.Store(n)
	return nil
}

// HadOthers reports whether this node's group has ever had another member.
func (l *Log) HadOthers() bool {
	if l.hadOthers.Load() {
		return true
	}
	stored, err := l.Stable(keyHadOthers)
	if err == nil && stored == nil && len(l.configured()) > 1 {
		stored = []byte{1}
		err = l.SetStable(keyHadOthers, stored)
	}
	if err != nil {
		l.cfg.Logger.Error("could not remember that the cluster has other members", "error", err)
	}
	l.hadOthers.Store(stored != nil)
	return stored != nil
}
