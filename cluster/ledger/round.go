package ledger

import "github.com/tollgate/tollgate/store/quota"

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
}

// batchKey is what calls of one Take have in common.
type batchKey struct {
	class   *class
	missing uint64
}

// Bounds of one frame's lists, so that it stays below MaxFrameBytes whatever is
// in them.
const (
	roundTakes   = 192
	roundReports = 512
	roundOthers  = 512
	// takeBytes and so on are upper bounds of the encodings.
	takeBytes   = 16
	itemBytes   = 40
	frameBudget = quota.MaxFrameBytes - 1024
)

func (r *round) reset() {
	if r.index == nil {
		r.index = map[batchKey]int{}
	}
	clear(r.index)
	f := &r.frame
	f.Takes, f.Reports, f.Returns, f.Charges = f.Takes[:0], f.Reports[:0], f.Returns[:0], f.Charges[:0]
	for i := range r.batches {
		clear(r.batches[i])
		r.batches[i] = r.batches[i][:0]
	}
	clear(r.held)
	r.held = r.held[:0]
}

// addTake opens a Take for calls of a kind.
func (r *round) addTake(key batchKey) int {
	i := len(r.frame.Takes)
	r.index[key] = i
	t := quota.Take{}
	for n, h := range key.class.holdings {
		if key.missing&(1<<n) != 0 {
			t.Counters = append(t.Counters, h.id)
		}
	}
	r.frame.Takes = append(r.frame.Takes, t)
	if i == len(r.batches) {
		r.batches = append(r.batches, nil)
	}
	return i
}
