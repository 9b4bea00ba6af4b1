package log

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	raftboltdb "github.com/hashicorp/raft-boltdb/v2"
	"go.etcd.io/bbolt"
	bbolterrors "go.etcd.io/bbolt/errors"
)

const (
	// logFile holds the log and the stable store.
	logFile = "raft.db"
	// snapshotDir is raft's name for the directory of snapshots.
	snapshotDir = "snapshots"
)

// Keys of the stable store, beside raft's own. The names are older than the
// package: they are on disks.
var (
	keyIncarnation = []byte("TollgateIncarnation")
	keyNodeID      = []byte("TollgateNodeID")
	keyHadOthers   = []byte("TollgateHadOthers")
)

// openDB opens the log and the stable store.
func openDB(dir string) (*raftboltdb.BoltStore, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	path := filepath.Join(dir, logFile)
	if err := checkWhole(path); err != nil {
		return nil, openError(path, err)
	}
	db, err := raftboltdb.New(raftboltdb.Options{
		Path: path,
		// The freelist of a log that is written at its end and cut at its
		// start is costly to write with every commit and cheap to rebuild.
		BoltOptions: &bbolt.Options{Timeout: time.Second, NoFreelistSync: true, FreelistType: bbolt.FreelistMapType},
	})
	if err != nil {
		return nil, openError(path, err)
	}
	return db, nil
}

func openError(path string, err error) error {
	if errors.Is(err, bbolterrors.ErrTimeout) {
		return fmt.Errorf("%s is in use by another process", path)
	}
	return fmt.Errorf("opening %s: %w", path, err)
}

// checkWhole fails on a log that was cut off, as by a full disk while it was
// copied: bbolt would panic in a goroutine of its own.
func checkWhole(path string) error {
	if info, err := os.Stat(path); err != nil || info.Size() == 0 {
		return nil // there is none yet, or opening it says why not
	}
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{Timeout: time.Second, ReadOnly: true})
	if err != nil {
		return err
	}
	defer db.Close()
	return db.View(func(tx *bbolt.Tx) error {
		info, err := os.Stat(path)
		if err == nil && info.Size() < tx.Size() {
			err = fmt.Errorf("the file is cut off: it has %d bytes, must have %d or more", info.Size(), tx.Size())
		}
		return err
	})
}

// readStable reads what the node keeps beside the log: whose it is, and how often
// it was opened.
func (l *Log) readStable() error {
	if err := l.readOwner(); err != nil {
		return err
	}
	n, err := l.db.GetUint64(keyIncarnation)
	switch {
	case errors.Is(err, raftboltdb.ErrKeyNotFound) && !l.fresh:
		// Without the log, this node has forgotten its vote, and that what
		// its first incarnation sent was applied long ago.
		return fmt.Errorf("%s is lost, but there are snapshots beside it: put it back, or let this node leave and start from an empty directory", filepath.Join(l.cfg.Dir, logFile))
	case err != nil && !errors.Is(err, raftboltdb.ErrKeyNotFound):
		return err
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
func (l *Log) Stable(key []byte) ([]byte, error) {
	v, err := l.db.Get(key)
	if errors.Is(err, raftboltdb.ErrKeyNotFound) {
		return nil, nil
	}
	return v, err
}

// SetStable keeps a value beside the log, on this node alone. It is on the disk
// when SetStable returns.
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
