package quota

// counter counts one condition. Its window starts with the first call that it
// counts; a counter whose window has ended keeps it until the next call.
type counter struct {
	endpoint string
	reset    uint32 // s
	max      uint64 // of the next window

	window window
}

// window is one run of a counter. The zero window has never been open.
type window struct {
	start int64 // cluster time, ms; 0 means never opened
	max   uint64
	used  uint64 // units taken; more than max once that was lowered below it
	phase Phase
}

// pool is the number of units that nobody has taken.
func (w *window) pool() uint64 { return w.max - min(w.used, w.max) }

// unit names the window of a counter that a unit was taken from.
type unit struct {
	endpoint string
	reset    uint32
	start    int64
}

func (c *counter) ends() int64 { return c.window.start + int64(c.reset)*1000 }

// open reports whether a window runs at now.
func (c *counter) open(now int64) bool { return c.window.start != 0 && now < c.ends() }

// take charges n calls and returns how many of them the condition allows. A
// call beyond the pool exhausts the window: it is about to be refused.
func (c *counter) take(now int64, n uint64) uint64 {
	if !c.open(now) {
		c.window = window{start: now, max: c.max}
	}
	w := &c.window
	if w.phase == Exhausted {
		return 0
	}
	if pool := w.pool(); n > pool {
		n = pool
		w.phase = Exhausted
	}
	w.used += n
	return n
}

// giveBack returns n units to the window they came from. Nothing returns to a
// window that has ended or from which a call has been refused: a later call
// would be admitted after a refusal (promise 3).
func (c *counter) giveBack(now, start int64, n uint64) {
	w := &c.window
	if !c.open(now) || w.start != start || w.phase == Exhausted {
		return
	}
	w.used -= min(n, w.used)
}

// limit sets the maximum. It holds at once while a window runs that is not
// exhausted, keeping what is used of it, else from the next window on.
func (c *counter) limit(now int64, max uint64) {
	c.max = max
	w := &c.window
	if !c.open(now) || w.phase == Exhausted {
		return
	}
	w.max = max
}

// read is the counter as of now.
func (c *counter) read(now int64) Reading {
	r := Reading{Condition: Condition{Endpoint: c.endpoint, Max: c.max, ResetSeconds: c.reset}}
	if c.open(now) {
		r.Used = c.window.used
		r.Phase = c.window.phase
		r.WindowEnds = c.ends()
	}
	return r
}
