package load

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"
)

// load is one load while it is made.
type load struct {
	plan    *Plan
	whole   time.Duration
	judge   func(*fasthttp.Response) Verdict
	callers []*caller
	pacer   *pacer // nil for a closed loop
	// began is when it did; all times are since then.
	began time.Time
	// stopped is set to end it early.
	stopped   atomic.Bool
	recorders []*recorder
}

func (l *load) clock() time.Duration { return time.Since(l.began) }

// Run makes the load that the plan says and returns once the last call was
// answered, or given up. It fails where the plan is none that can be carried
// out, where a connection cannot be made at the beginning, and where ctx ends
// before the load does. Calls that fail are no error: Outcome.Counts has them.
func Run(ctx context.Context, p Plan) (*Outcome, error) {
	if err := p.check(); err != nil {
		return nil, err
	}
	l := newLoad(&p)
	defer l.close()
	if err := l.connect(ctx); err != nil {
		return nil, err
	}
	if err := l.run(ctx); err != nil {
		return nil, err
	}
	o := outcome(&p, l.recorders)
	o.Calls = calls(l.callers)
	if l.pacer != nil {
		for _, c := range l.callers {
			o.Counts.Unsent += c.unsent()
		}
		o.Counts.Offered += o.Counts.Unsent
	}
	return o, nil
}

func newLoad(p *Plan) *load {
	l := &load{plan: p, whole: p.whole(), judge: p.Judge, recorders: newRecorders(p)}
	if l.judge == nil {
		l.judge = judge
	}
	if p.Rate > 0 {
		l.pacer = newPacer(p, &l.stopped)
	}
	for i := range p.Connections {
		l.callers = append(l.callers, &caller{
			load: l, number: i, recorder: l.recorders[i%len(l.recorders)],
			wire: newWire(p.Addresses[i%len(p.Addresses)], p.timeout(), &l.stopped),
		})
	}
	return l
}

// dialAtOnce bounds the connections that are being made at the same time, well
// below what a server lets wait.
const dialAtOnce = 32

// connect makes all connections.
func (l *load) connect(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	for first := range min(dialAtOnce, len(l.callers)) {
		wg.Go(func() {
			for i := first; i < len(l.callers) && ctx.Err() == nil; i += dialAtOnce {
				if err := l.callers[i].wire.dial(ctx); err != nil {
					cancel(fmt.Errorf("connection %d of the load: %w", i, err))
				}
			}
		})
	}
	wg.Wait()
	return context.Cause(ctx)
}

// run makes the calls and reports on them. A call is not begun once ctx is over,
// and one that is under way is given up.
func (l *load) run(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stopped := make(chan struct{})
	unhook := context.AfterFunc(ctx, func() { l.stop(); close(stopped) })
	defer func() {
		if !unhook() {
			<-stopped
		}
	}()
	var wg sync.WaitGroup
	start := func(f func() error) {
		wg.Go(func() {
			if err := f(); err != nil {
				cancel(err)
			}
		})
	}
	l.began = time.Now()
	if l.pacer != nil {
		start(l.pace)
	}
	for _, c := range l.callers {
		start(func() error { return c.run(ctx) })
	}
	if err := l.watch(ctx); err != nil {
		cancel(err)
	}
	wg.Wait()
	return context.Cause(ctx)
}

// pace runs the pacer. Nobody waits for it once it has returned.
func (l *load) pace() error {
	a, err := newAlarm()
	if err == nil {
		defer a.close()
		err = l.pacer.run(l.clock, a)
	}
	if err != nil {
		l.stopped.Store(true)
		l.pacer.releaseAll()
	}
	return err
}

// stop ends the load early.
func (l *load) stop() {
	l.stopped.Store(true)
	for _, c := range l.callers {
		c.wire.interrupt()
	}
}

func (l *load) close() {
	for _, c := range l.callers {
		c.wire.close()
	}
}
