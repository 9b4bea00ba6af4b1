package stats

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math"
	"os"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.etcd.io/bbolt"
	bbolterrors "go.etcd.io/bbolt/errors"

	"github.com/tollgate/tollgate/proxy/callstats"
)

const (
	// damagedSuffix is put behind the name of a file that is set aside.
	damagedSuffix = ".damaged"
	// newSuffix is put behind that of one that is to take its place.
	newSuffix = ".new"
	// lockTimeout is how long a file that another process holds is waited for.
	lockTimeout = time.Second
	// minFile is the size of the smallest database: its two meta pages.
	minFile = 8 << 10
	// reserve is which part of the bound is kept free: what a write needs anew before
	// it gives free what it replaces.
	reserve = 8
	// maxDrop bounds the points that one write drops, so that it stays short.
	maxDrop = 50_000
	// leastSteps is how many steps before the last one are kept for as long as possible.
	leastSteps = 60
	// pointOverhead is what the file needs for a point beside its key and its value, in
	// bytes: a leaf's element.
	pointOverhead = 16
)

// errDamaged: the file is not what was written.
var errDamaged = errors.New("the file is damaged")

var (
	metaBucket = []byte("meta")
	formatKey  = []byte("format") // a byte
	lastKey    = []byte("last")   // the number of the last batch, 8 bytes
	openKey    = []byte("open")   // until when there is all, 8 bytes, while a node writes
)

// bucketName is the bucket of a step's points: their keys are the minute of their time
// (4 bytes, big-endian), the domain, a zero byte and the endpoint, so that the oldest
// come first and those of a domain stand together.
func bucketName(step int64) []byte { return strconv.AppendInt(nil, step, 10) }

// openName is the bucket of points of a step that is longer than a minute, while more
// comes to them. They grow with each minute: among the others they would leave the pages
// that they have grown out of half empty for good.
func openName(step int64) []byte { return append([]byte("open-"), bucketName(step)...) }

// file is statistics on the disk. One goroutine may write while others read.
type file struct {
	db       *bbolt.DB
	path     string
	maxBytes int64
	// opened is the number of the last batch that it had when it was opened.
	opened uint64
	// left is until when it has all, in Unix seconds, if whoever wrote it last did not
	// close it; else 0.
	left int64
}

// openFile opens the file at path, or makes it. An error is errDamaged where the file
// itself is the reason.
func openFile(path string, maxBytes int64) (f *file, err error) {
	err = guarded(func() error {
		f = &file{path: path, maxBytes: maxBytes}
		db, err := openDB(path, maxBytes)
		if err != nil {
			return err
		}
		f.db = db
		if err = f.settle(); err == nil && f.size() > maxBytes {
			err = f.shrink()
		}
		if err != nil {
			_ = f.db.Close() // the first error tells more
		}
		return err
	})
	// Anything else, such as a full disk or a file that another process holds, says
	// nothing against the file.
	for _, bad := range []error{bbolterrors.ErrInvalid, bbolterrors.ErrVersionMismatch, bbolterrors.ErrChecksum} {
		if errors.Is(err, bad) {
			return nil, fmt.Errorf("%w: %w", errDamaged, err)
		}
	}
	if err != nil {
		return nil, err
	}
	return f, nil
}

// openDB opens a database that grows up to maxBytes, or not if it is larger already.
func openDB(path string, maxBytes int64) (*bbolt.DB, error) {
	if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
		if size := info.Size(); 0 < size && size < minFile {
			return nil, fmt.Errorf("%w: it has %d bytes, and at least %d from its first moment", errDamaged, size, minFile)
		} else if size > maxBytes {
			maxBytes = 0 // there is no bound until it has shrunk
		}
	}
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{Timeout: lockTimeout, FreelistType: bbolt.FreelistMapType, MaxSize: int(maxBytes)})
	if err == nil && maxBytes > 0 {
		db.AllocSize = int(min(1<<20, maxBytes/64))
	}
	return db, err
}

// size is the file's size in bytes; 0 if it cannot be told.
func (f *file) size() int64 {
	info, err := os.Stat(f.path)
	if err != nil {
		return 0
	}
	return info.Size()
}

// shrink makes the file smaller, whose bound was larger before: a database gives no
// space back by itself.
func (f *file) shrink() error {
	for over := int64(1); over > 0; {
		err := f.db.Update(func(tx *bbolt.Tx) (err error) {
			at := int64(math.MaxInt64)
			if k, _ := tx.Bucket(bucketName(minute)).Cursor().Last(); k != nil {
				at = timeOf(k)
			}
			over, err = f.drop(tx, at, time.Unix(0, 0), f.maxBytes/reserve) // nothing is too old for now
			return err
		})
		if err != nil {
			return err
		}
	}
	if err := os.Remove(f.path + newSuffix); err != nil && !errors.Is(err, fs.ErrNotExist) { // of a start that was cut off
		return err
	}
	small, err := bbolt.Open(f.path+newSuffix, 0o600, nil)
	if err != nil {
		return err
	}
	if err := errors.Join(bbolt.Compact(small, f.db, 1<<20), small.Close(), f.db.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.path+newSuffix, f.path); err != nil {
		return err
	}
	db, err := openDB(f.path, f.maxBytes)
	if err == nil {
		f.db = db
	}
	return err
}

// settle looks whether the file is whole, as far as that is quickly seen, and makes the
// buckets of a new one. One that has them is not written to: the disk may be full.
func (f *file) settle() error {
	made := false
	err := f.db.View(func(tx *bbolt.Tx) error {
		if size := f.size(); tx.Size() > size {
			return fmt.Errorf("%w: it has %d bytes of %d", errDamaged, size, tx.Size())
		}
		meta := tx.Bucket(metaBucket)
		if made = meta != nil; !made {
			return nil
		}
		if v := meta.Get(formatKey); !bytes.Equal(v, []byte{format}) {
			// Set aside as well: another release may take it up again.
			return fmt.Errorf("%w: it is of format %x, and this version reads %d", errDamaged, v, format)
		}
		if v := meta.Get(lastKey); len(v) == 8 {
			f.opened = binary.BigEndian.Uint64(v)
		}
		if v := meta.Get(openKey); len(v) == 8 {
			f.left = int64(binary.BigEndian.Uint64(v))
		}
		for _, s := range Steps {
			c := tx.Bucket(bucketName(s.Seconds)).Cursor()
			for _, end := range []func() ([]byte, []byte){c.First, c.Last} {
				if k, v := end(); k != nil {
					if _, err := decodeCounts(v); err != nil {
						return fmt.Errorf("%w: %w", errDamaged, err)
					}
				}
			}
		}
		return nil
	})
	if err != nil || made {
		return err
	}
	return f.db.Update(func(tx *bbolt.Tx) error {
		for _, s := range Steps {
			for _, name := range [][]byte{bucketName(s.Seconds), openName(s.Seconds)} {
				if _, err := tx.CreateBucket(name); err != nil {
					return err
				}
			}
		}
		meta, err := tx.CreateBucket(metaBucket)
		if err != nil {
			return err
		}
		return meta.Put(formatKey, []byte{format})
	})
}

// guarded runs what reads or writes a file. bbolt panics where a file is not what it
// should be, and its memory map faults where a file has become shorter. After that the
// file must not be used, not even closed: its locks may be held for ever.
func guarded(do func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("%w: %v", errDamaged, v)
		}
	}()
	return do()
}

// last is the number of the last batch that a view has; 0: none was written.
func last(tx *bbolt.Tx) (n uint64, err error) {
	err = guarded(func() error {
		if v := tx.Bucket(metaBucket).Get(lastKey); len(v) == 8 {
			n = binary.BigEndian.Uint64(v)
		}
		return nil
	})
	return n, err
}

// write adds a batch to the points of every step, in one transaction, and drops what is
// too old, or too much. A batch that does not fit in what is free has more dropped first.
func (f *file) write(b *batch, now time.Time) error {
	err := f.add(b, now)
	for free := f.maxBytes / reserve * 2; errors.Is(err, bbolterrors.ErrMaxSizeReached) && free <= f.maxBytes; free *= 2 {
		if err = f.makeRoom(b.at, now, free); err == nil {
			err = f.add(b, now)
		}
	}
	return err
}

// makeRoom drops points until so many bytes are free.
func (f *file) makeRoom(at int64, now time.Time, free int64) error {
	return guarded(func() error {
		return f.db.Update(func(tx *bbolt.Tx) error {
			_, err := f.drop(tx, at, now, free)
			return err
		})
	})
}

func (f *file) add(b *batch, now time.Time) error {
	return guarded(func() error {
		return f.db.Update(func(tx *bbolt.Tx) error {
			for _, s := range Steps {
				if err := add(tx, s.Seconds, b); err != nil {
					return err
				}
			}
			if _, err := f.drop(tx, b.at, now, f.maxBytes/reserve); err != nil {
				return err
			}
			meta := tx.Bucket(metaBucket)
			if err := meta.Put(openKey, timeValue(b.at+minute)); err != nil {
				return err
			}
			return meta.Put(lastKey, binary.BigEndian.AppendUint64(nil, b.number))
		})
	})
}

// mark says from when on this node writes.
func (f *file) mark(now time.Time) error {
	return guarded(func() error {
		return f.db.Update(func(tx *bbolt.Tx) error { return tx.Bucket(metaBucket).Put(openKey, timeValue(now.Unix())) })
	})
}

// close says that there is all, and closes the file.
func (f *file) close() error {
	err := guarded(func() error {
		return f.db.Update(func(tx *bbolt.Tx) error { return tx.Bucket(metaBucket).Delete(openKey) })
	})
	if errors.Is(err, errDamaged) {
		return err // not closed: see guarded
	}
	return errors.Join(err, f.db.Close())
}

// timeValue is a time in Unix seconds as a value.
func timeValue(at int64) []byte { return binary.BigEndian.AppendUint64(nil, uint64(at)) }

// add adds a batch to the points of one step.
func add(tx *bbolt.Tx, step int64, b *batch) error {
	at, to := floor(b.at, step), tx.Bucket(bucketName(step))
	to.FillPercent = 0.95 // what is written is behind all others
	if step != minute {
		open := tx.Bucket(openName(step))
		if err := shut(open, to, at); err != nil {
			return err
		}
		to = open
	}
	for _, key := range slices.Sorted(maps.Keys(b.counts)) {
		if err := put(to, append(binary.BigEndian.AppendUint32(nil, uint32(at/minute)), key...), *b.counts[key]); err != nil {
			return err
		}
	}
	return nil
}

// shut moves the points that begin before at to the others of their step.
func shut(open, to *bbolt.Bucket, at int64) error {
	var keys [][]byte // deleting under a cursor would have it skip some
	c := open.Cursor()
	for k, v := c.First(); k != nil && timeOf(k) < at; k, v = c.Next() {
		counts, err := decodeCounts(v)
		if err != nil {
			return fmt.Errorf("%w: %w", errDamaged, err)
		}
		key := bytes.Clone(k)
		if err := put(to, key, counts); err != nil {
			return err
		}
		keys = append(keys, key)
	}
	for _, k := range keys {
		if err := open.Delete(k); err != nil {
			return err
		}
	}
	return nil
}

// put adds counts to those of a key, where it has any.
func put(to *bbolt.Bucket, key []byte, sum callstats.Counts) error {
	if had := to.Get(key); had != nil {
		c, err := decodeCounts(had)
		if err != nil {
			return fmt.Errorf("%w: %w", errDamaged, err)
		}
		sum.Add(&c)
	}
	return to.Put(key, appendCounts(nil, &sum))
}

// drop deletes points whose time is over, and, where less than free bytes of the bound
// are, the oldest ones of the finest step that has some older than at; but the last hour
// of minutes, the last ten hours of ten minutes and the last 60 days stay as long as
// there is anything else. It tells by how many bytes the file is still over what it
// should have, as far as it could drop anything.
func (f *file) drop(tx *bbolt.Tx, at int64, now time.Time, free int64) (over int64, err error) {
	room, dropped := maxDrop, int64(0)
	for _, s := range Steps {
		if _, err := dropOldest(tx, s.Seconds, now.Add(-s.Keep).Unix()-s.Seconds, nil, &room); err != nil {
			return 0, err
		}
	}
	stats := f.db.Stats()
	used := tx.Size() - int64(stats.FreePageN+stats.PendingPageN)*int64(f.db.Info().PageSize)
	over = used - (f.maxBytes - free)
	for _, least := range [...]int64{leastSteps, 1} {
		for _, s := range Steps {
			if over <= 0 {
				return 0, nil
			}
			freed, err := dropOldest(tx, s.Seconds, floor(at, s.Seconds)-least*s.Seconds, &over, &room)
			if err != nil {
				return 0, err
			}
			dropped += freed
			over -= freed
		}
	}
	if dropped == 0 {
		return 0, nil
	}
	return over, nil
}

// dropOldest deletes points of a step that begin at or before last, the oldest first:
// all of them, or whole times until they have freed enough bytes. It takes what it
// deletes off room, and stops when that is used up.
func dropOldest(tx *bbolt.Tx, step, last int64, enough *int64, room *int) (freed int64, err error) {
	b := tx.Bucket(bucketName(step))
	var keys [][]byte // deleting under a cursor would have it skip some
	var before int64 = -1
	c := b.Cursor()
	for k, v := c.First(); k != nil && *room > 0; k, v = c.Next() {
		at := timeOf(k)
		if at > last || enough != nil && freed >= *enough && at != before {
			break
		}
		before = at
		keys = append(keys, bytes.Clone(k))
		freed += int64(len(k)+len(v)) + pointOverhead
		*room--
	}
	for _, k := range keys {
		if err := b.Delete(k); err != nil {
			return 0, err
		}
	}
	return freed, nil
}

// timeOf is the time in a key, in Unix seconds.
func timeOf(key []byte) int64 {
	if len(key) < 4 {
		return 0
	}
	return int64(binary.BigEndian.Uint32(key)) * minute
}

// begin is a view of the file as it is now. It is to be closed.
func (f *file) begin() (tx *bbolt.Tx, err error) {
	err = guarded(func() error {
		tx, err = f.db.Begin(false)
		return err
	})
	return tx, err
}

// read gathers what a view has for a question.
func read(tx *bbolt.Tx, g *gathered) error {
	return guarded(func() error {
		err := scan(tx.Bucket(bucketName(g.query.Step)).Cursor(), g)
		if err == nil {
			err = scan(tx.Bucket(openName(g.query.Step)).Cursor(), g)
		}
		return err
	})
}

func scan(c *bbolt.Cursor, g *gathered) error {
	q := g.query
	for at := q.From; at < q.To; {
		prefix := append(binary.BigEndian.AppendUint32(nil, uint32(at/minute)), keyOf(q.Domain, "")...)
		k, v := c.Seek(append(bytes.Clone(prefix), q.Endpoint...))
		for ; bytes.HasPrefix(k, prefix); k, v = c.Next() {
			endpoint := string(k[len(prefix):])
			if q.Endpoint != "" && endpoint != q.Endpoint {
				break
			}
			counts, err := decodeCounts(v)
			if err != nil {
				return fmt.Errorf("%w: %w", errDamaged, err)
			}
			if err := g.add(at, endpoint, &counts); err != nil {
				return err
			}
		}
		if k == nil {
			return nil
		}
		at = max(at+q.Step, timeOf(k)) // in between there is nothing of anybody
	}
	return nil
}

// keyOf is the key of a series in a batch, split takes it apart.
func keyOf(domain, endpoint string) string { return domain + "\x00" + endpoint }

func split(key string) (domain, endpoint string) {
	domain, endpoint, _ = strings.Cut(key, "\x00")
	return domain, endpoint
}

// batch is what was counted in one minute, under the rest of the keys that it gets.
type batch struct {
	number uint64
	at     int64
	counts map[string]*callstats.Counts
}
