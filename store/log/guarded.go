package log

import (
	"fmt"
	"sync/atomic"

	"github.com/hashicorp/raft"
)

// keyTerm is raft's own key of the term that it is in.
const keyTerm = "CurrentTerm"

// guarded is an engine of which nothing is written any more after a write that has
// failed: what of that one is on the disk, nobody can know.
type guarded struct {
	engine
	dir    string
	fail   func(error) // is told why, once
	failed atomic.Pointer[error]
}

// write runs an operation that writes, unless one before it has failed.
func (g *guarded) write(op func() error) error {
	if err := g.failed.Load(); err != nil {
		return *err
	}
	err := op()
	if err == nil {
		return nil
	}
	err = fmt.Errorf("a write to %s has failed: %w", g.dir, err)
	if g.failed.CompareAndSwap(nil, &err) {
		g.fail(err)
	}
	return err
}

// IsMonotonic implements raft.MonotonicLogStore.
func (g *guarded) IsMonotonic() bool { return isMonotonic(g.engine) }

// StoreLog implements raft.LogStore.
func (g *guarded) StoreLog(l *raft.Log) error {
	return g.write(func() error { return g.engine.StoreLog(l) })
}

// StoreLogs implements raft.LogStore.
func (g *guarded) StoreLogs(l []*raft.Log) error {
	return g.write(func() error { return g.engine.StoreLogs(l) })
}

// DeleteRange implements raft.LogStore.
func (g *guarded) DeleteRange(least, most uint64) error {
	return g.write(func() error { return g.engine.DeleteRange(least, most) })
}

// Set implements raft.StableStore.
func (g *guarded) Set(key, value []byte) error {
	return g.write(func() error { return g.engine.Set(key, value) })
}

// SetUint64 implements raft.StableStore. Raft panics where its term cannot be kept. This
// node takes no entry and gives no vote any more, so that nobody counts on what it does in
// that term; it stops in good order in place of it.
func (g *guarded) SetUint64(key []byte, value uint64) error {
	err := g.write(func() error { return g.engine.SetUint64(key, value) })
	if string(key) == keyTerm {
		return nil
	}
	return err
}
