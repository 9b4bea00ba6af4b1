package ledger

import (
	"encoding/binary"

	"github.com/tollgate/tollgate/store/quota"
)

// round is one frame and what is behind it. It is used again for the next.
type round struct {
	frame quota.Frame
	buf   []byte
	// sent is when the clocks were read, before the frame was first sent:
	// what it is granted lasts from then.
	sent instant
	// batches has the calls behind each of frame.Takes, held what each of
	// frame.Reports is about.
	batches [][]*call
	index   map[batchKey]int
	held    []*holding
	claims  []*claim
	scratch []byte
}

// batchKey is what calls of one Take have in common.
type batchKey struct {
	class   *class
	missing uint64
	units   uint32
	reserve bool
	// callers has the callers' digests and the maxima that they show; empty where
	// calls of the class are the same.
	callers string
}

// key is what a call has in common with others of its Take.
func (r *round) key(c *call) batchKey {
	key := batchKey{class: c.class, missing: c.missing, units: c.units, reserve: c.reserve}
	if c.class.together == nil {
		r.scratch = r.scratch[:0]
		for _, a := range c.asks {
			r.scratch = binary.LittleEndian.AppendUint64(append(r.scratch, a.id.Caller[:]...), a.limit)
		}
		key.callers = string(r.scratch)
	}
	return key
}

// Bounds of one frame's lists, so that it stays below MaxFrameBytes whatever is
// in them.
const (
	roundTakes   = 1024
	roundReports = 512
	roundOthers  = 512
	// takeBytes and so on are upper bounds of the encodings.
	takeBytes   = 16
	askBytes    = 10 // of a counter of all calls
	callerBytes = askBytes + 16 + 6
	itemBytes   = 64
	claimBytes  = 96
	frameBudget = quota.MaxFrameBytes - 1024
)

func (r *round) reset() {
	if r.index == nil {
		r.index = map[batchKey]int{}
	}
	clear(r.index)
	f := &r.frame
	f.Takes, f.Reports, f.Returns, f.Charges = f.Takes[:0], f.Reports[:0], f.Returns[:0], f.Charges[:0]
	f.Settles, f.Claims = f.Settles[:0], f.Claims[:0]
	clear(r.claims)
	r.claims = r.claims[:0]
	for i := range r.batches {
		clear(r.batches[i])
		r.batches[i] = r.batches[i][:0]
	}
	clear(r.held)
	r.held = r.held[:0]
}

// addTake opens a Take for calls such as c.
func (r *round) addTake(key batchKey, c *call) int {
	i := len(r.frame.Takes)
	r.index[key] = i
	t := quota.Take{Units: key.units, Reserve: key.reserve}
	for n, a := range c.asks {
		if key.missing&(1<<n) != 0 {
			t.Items = append(t.Items, quota.Item{ID: a.id, Limit: a.limit})
		}
	}
	r.frame.Takes = append(r.frame.Takes, t)
	if i == len(r.batches) {
		r.batches = append(r.batches, nil)
	}
	return i
}
