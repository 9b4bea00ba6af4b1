package load

import (
	"context"
	"time"
)

// reportEvery is how often Progress is called.
const reportEvery = time.Second

// watch calls OnSlice and Progress when it is time, until the last slice has
// ended or ctx is over.
func (l *load) watch(ctx context.Context) error {
	a, err := newAlarm()
	if err != nil {
		return err
	}
	defer a.close()
	border := 0 // the next slice to begin
	begins := func() time.Duration { return l.plan.Warmup + time.Duration(border)*l.plan.Slice }
	reported := l.clock()
	report := reported + reportEvery
	if l.plan.Progress == nil {
		report = l.whole + reportEvery
	}
	for border <= l.plan.Slices && ctx.Err() == nil {
		now := l.clock()
		switch {
		case now >= begins():
			if l.plan.OnSlice != nil {
				l.plan.OnSlice(border)
			}
			border++
		case now >= report:
			l.report(now, now-reported)
			reported, report = now, now+reportEvery
		default:
			if err := a.sleep(min(begins()-now, report-now, longestSleep)); err != nil {
				return err
			}
		}
	}
	return nil
}

// report tells what happened in the time since the last report.
func (l *load) report(now, since time.Duration) {
	calls, p99, failed := progress(l.recorders)
	l.plan.Progress(Progress{
		Elapsed: now, Whole: l.whole, Warming: now < l.plan.Warmup,
		Calls: calls, Seconds: since.Seconds(), P99: p99, Failed: failed,
	})
}
