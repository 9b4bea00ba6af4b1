package load

import (
	"context"
	"fmt"
	"sort"
	"time"

	"github.com/valyala/fasthttp"
)

// redialPause is how long a connection that could not be made again waits, so
// that calls to a server that is down do not take the cores from the others.
const redialPause = 10 * time.Millisecond

// caller makes the calls of one connection.
type caller struct {
	load     *load
	number   int // of the connection
	wire     *wire
	recorder *recorder
	req      fasthttp.Request
	resp     fasthttp.Response
	history  history
	made     int64 // calls that were begun, or could not be for want of a connection
}

// run makes calls until the load is over or stopped.
func (c *caller) run(ctx context.Context) error {
	l := c.load
	var due, lateness time.Duration
	for free := l.clock(); free < l.whole && !l.stopped.Load(); c.made++ {
		if l.pacer != nil {
			i := c.made*int64(l.plan.Connections) + int64(c.number)
			if due = l.pacer.due(i); due >= l.whole {
				return nil
			}
			if due > free {
				l.pacer.wait(c.number, i)
			}
		}
		counter, err := c.prepare()
		if err != nil {
			return err
		}
		begin := l.clock()
		switch {
		case l.stopped.Load() || begin >= l.whole:
			return nil
		case l.pacer != nil:
			lateness = begin - max(due, free)
		default:
			due = begin
		}
		end, err := c.call(ctx, counter, begin, due, lateness)
		if err != nil {
			return err
		}
		free = end
	}
	return nil
}

// prepare makes the next call ready.
func (c *caller) prepare() (counter int, err error) {
	p := c.load.plan
	counter = p.Prepare(&c.req, c.number, int(c.made))
	if counter >= p.Counters || counter < -1 {
		return 0, fmt.Errorf("load plan: Prepare has call %d of connection %d on counter %d: must be -1 or below Counters, %d",
			c.made, c.number, counter, p.Counters)
	}
	if len(c.req.Header.Host()) == 0 {
		c.req.Header.SetHost(c.wire.addr)
	}
	return counter, nil
}

// call makes one call and records it. It returns when it was over.
func (c *caller) call(ctx context.Context, counter int, begin, due, lateness time.Duration) (end time.Duration, err error) {
	l := c.load
	if err := c.wire.dial(ctx); err != nil {
		// Nothing was sent: no quota can have counted it.
		c.record(Unknown, l.clock(), due, lateness)
		pause(ctx, redialPause)
		return l.clock(), nil
	}
	verdict := Unknown
	answered, err := c.wire.exchange(&c.req, &c.resp, l.began.Add(begin))
	if err != nil {
		return 0, fmt.Errorf("load plan: Prepare made call %d of connection %d, which cannot be written: %w", c.made, c.number, err)
	}
	end = l.clock()
	if answered {
		verdict = min(l.judge(&c.resp), Unknown)
	}
	if counter >= 0 {
		c.history.add(Call{Counter: int32(counter), Verdict: verdict, Begin: begin, End: end})
	}
	c.record(verdict, end, due, lateness)
	return end, nil
}

// record counts a call in the slice that it was over in.
func (c *caller) record(v Verdict, end, due, lateness time.Duration) {
	l := c.load
	if end >= l.whole && v == Unknown {
		c.recorder.lost()
		return
	}
	slice := -1
	if end >= l.plan.Warmup {
		slice = int((end - l.plan.Warmup) / l.plan.Slice)
	}
	c.recorder.call(slice, v, end-due, lateness)
}

// unsent is how many calls of the connection were due by the end of an open
// loop that was not stopped, and were not made.
func (c *caller) unsent() uint64 {
	l := c.load
	step := int64(l.plan.Connections)
	most := int(l.plan.Rate*l.whole.Seconds())/l.plan.Connections + 2
	return uint64(sort.Search(most, func(n int) bool {
		return l.pacer.due((c.made+int64(n))*step+int64(c.number)) >= l.whole
	}))
}

// pause waits for d, or until ctx is over.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
