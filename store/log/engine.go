package log

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/hashicorp/raft"
	raftboltdb "github.com/hashicorp/raft-boltdb/v2"
	wal "github.com/hashicorp/raft-wal"
	"github.com/hashicorp/raft-wal/migrate"
	"go.etcd.io/bbolt"
	bbolterrors "go.etcd.io/bbolt/errors"
)

// Engine is what keeps the log on the disk.
type Engine string

// The engines. A directory is moved from one to the other as it is opened.
const (
	// BoltDB is a B-tree in one file (hashicorp/raft-boltdb).
	BoltDB Engine = "boltdb"
	// WAL is a directory of files that are written from their beginning to their end
	// (hashicorp/raft-wal). A write costs one fsync of what is new.
	WAL Engine = "wal"
)

const (
	// boltFile holds the log and the stable store of BoltDB.
	boltFile = "raft.db"
	// walDir holds those of WAL; walMeta in it is a bbolt file, and locked.
	walDir, walMeta = "wal", "wal-meta.db"
	// walSegment is the size that a file of WAL is made with.
	walSegment = 8 << 20
	// migrateBatch is how many bytes of entries are moved at once.
	migrateBatch = 1 << 20
)

// moved stands in boltFile while the log is in walDir. It is no database: a release
// that knows of boltFile only must not take the directory for a fresh one.
const moved = "The log of this node is in the directory wal beside this file: start it with --log-store wal.\n"

// engine is the log and the stable store.
type engine interface {
	raft.LogStore
	raft.StableStore
	io.Closer
}

// openEngine opens the log in dir, kept by want, or by what keeps it now where want is
// empty. A log that another engine keeps is moved first, with the values of the stable
// store under keys.
func openEngine(dir string, want Engine, keys [][]byte, logger *slog.Logger) (engine, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	for _, left := range []string{boltFile + ".new", walDir + ".new", walDir + ".old"} { // by a move that was cut off
		if err := os.RemoveAll(filepath.Join(dir, left)); err != nil {
			return nil, fmt.Errorf("data directory: %w", err)
		}
	}
	bolt, walled := kept(dir)
	switch want = cmp.Or(want, inUse(bolt, walled)); {
	case want == BoltDB && walled:
		if err := toBolt(dir, bolt, keys, logger); err != nil {
			return nil, fmt.Errorf("moving the log to %s: %w", BoltDB, err)
		}
	case want == WAL && bolt && !walled:
		if err := toWAL(dir, keys, logger); err != nil {
			return nil, fmt.Errorf("moving the log to %s: %w", WAL, err)
		}
	}
	if want == WAL {
		if err := mark(dir); err != nil {
			return nil, err
		}
		return openWAL(filepath.Join(dir, walDir), logger)
	}
	return openBolt(filepath.Join(dir, boltFile))
}

// kept tells which engines keep a log in dir. If both do, a move was cut off between its
// last two steps, and they have the same.
func kept(dir string) (bolt, walled bool) {
	info, err := os.Stat(filepath.Join(dir, walDir))
	walled = err == nil && info.IsDir()
	file := filepath.Join(dir, boltFile)
	if info, err = os.Stat(file); err == nil && info.Size() == int64(len(moved)) {
		text, err := os.ReadFile(file)
		return err != nil || string(text) != moved, walled
	}
	return !errors.Is(err, fs.ErrNotExist), walled
}

func inUse(bolt, walled bool) Engine {
	if walled && !bolt {
		return WAL
	}
	return BoltDB
}

// mark puts moved in the place of boltFile.
func mark(dir string) error {
	file := filepath.Join(dir, boltFile)
	if err := os.WriteFile(file+".new", []byte(moved), 0o600); err != nil {
		return err
	}
	return replace(file+".new", file)
}

// toWAL moves the log out of boltFile, which is left for mark.
func toWAL(dir string, keys [][]byte, logger *slog.Logger) error {
	src, err := openBolt(filepath.Join(dir, boltFile))
	if err != nil {
		return err
	}
	to := filepath.Join(dir, walDir)
	dst, err := openWAL(to+".new", logger)
	if err != nil {
		return errors.Join(err, src.Close())
	}
	if err := errors.Join(move(dst, src, keys, WAL, logger), dst.Close(), src.Close()); err != nil {
		return err
	}
	return replace(to+".new", to)
}

// toBolt moves the log out of walDir, unless it has been moved already.
func toBolt(dir string, done bool, keys [][]byte, logger *slog.Logger) error {
	from, to := filepath.Join(dir, walDir), filepath.Join(dir, boltFile)
	if !done {
		src, err := openWAL(from, logger)
		if err != nil {
			return err
		}
		dst, err := openBolt(to + ".new")
		if err != nil {
			return errors.Join(err, src.Close())
		}
		if err := errors.Join(move(dst, src, keys, BoltDB, logger), dst.Close(), src.Close()); err != nil {
			return err
		}
		if err := replace(to+".new", to); err != nil {
			return err
		}
	}
	if err := replace(from, from+".old"); err != nil { // at once, so that no part of it is left
		return err
	}
	return os.RemoveAll(from + ".old")
}

// move copies the entries, and the values under raft's own keys and those given.
func move(dst, src engine, keys [][]byte, to Engine, logger *slog.Logger) error {
	first, err := src.FirstIndex()
	if err != nil {
		return err
	}
	last, err := src.LastIndex()
	if err == nil && last > 0 {
		err = migrate.CopyLogs(context.Background(), dst, src, migrateBatch, nil)
	}
	if err != nil {
		return err
	}
	for _, key := range [][]byte{[]byte(keyTerm), []byte("LastVoteTerm"), keyIncarnation} {
		n, err := getUint64(src, key)
		if err == nil && n > 0 {
			err = dst.SetUint64(key, n)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
	}
	for _, key := range append([][]byte{[]byte("LastVoteCand"), keyNodeID, keyHadOthers}, keys...) {
		v, err := get(src, key)
		if err == nil && len(v) > 0 {
			err = dst.Set(key, v)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
	}
	logger.Info("the log is moved", "to", to, "firstIndex", first, "lastIndex", last)
	return nil
}

// replace renames, durably.
func replace(from, to string) error {
	if err := os.Rename(from, to); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(to))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// get reads a value of a stable store; nil if there is none.
func get(s raft.StableStore, key []byte) ([]byte, error) {
	v, err := s.Get(key)
	if errors.Is(err, raftboltdb.ErrKeyNotFound) {
		return nil, nil
	}
	return v, err
}

// getUint64 reads a number of a stable store; 0 if there is none.
func getUint64(s raft.StableStore, key []byte) (uint64, error) {
	n, err := s.GetUint64(key)
	if errors.Is(err, raftboltdb.ErrKeyNotFound) {
		return 0, nil
	}
	return n, err
}

// openBolt opens a log that BoltDB keeps, an empty one if there is none.
func openBolt(path string) (engine, error) {
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

// openWAL opens a log that WAL keeps, an empty one if there is none.
func openWAL(dir string, logger *slog.Logger) (engine, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	if err := checkWhole(filepath.Join(dir, walMeta)); err != nil { // WAL would wait for another process for ever
		return nil, openError(dir, err)
	}
	w, err := wal.Open(dir, wal.WithSegmentSize(walSegment), wal.WithLogger(raftLogger(logger)))
	if err != nil {
		return nil, openError(dir, err)
	}
	return w, nil
}

func openError(path string, err error) error {
	if errors.Is(err, bbolterrors.ErrTimeout) {
		return fmt.Errorf("%s is in use by another process", path)
	}
	return fmt.Errorf("opening %s: %w", path, err)
}

// checkWhole fails on a database that was cut off, as by a full disk while it was
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

// logBytes is what the files in dir that hold the log take.
func logBytes(dir string) (bytes int64) {
	for _, pattern := range []string{boltFile, filepath.Join(walDir, "*")} {
		files, _ := filepath.Glob(filepath.Join(dir, pattern)) // of a pattern without an error
		for _, file := range files {
			if info, err := os.Stat(file); err == nil {
				bytes += info.Size()
			}
		}
	}
	return bytes
}
