package proxy

import (
	"errors"
	"io"
	"net"
	"sync/atomic"
	"time"

	"github.com/tollgate/tollgate/proxy/accesslog"
	"github.com/tollgate/tollgate/proxy/callstats"
	"github.com/tollgate/tollgate/proxy/envelope"
)

// ending is what is told of a call when its answer has ended. That is later than
// its handler: fasthttp writes the answer then. It is a part of the connection,
// and for one answer at a time.
type ending struct {
	// pending is true from the handler's end until it has been told.
	pending atomic.Bool
	begin   time.Time
	series  *series
	outcome callstats.Outcome // but for what is known at the end
	trace   Trace             // nil: it is not traced
	record  *accesslog.Record // nil: there is no log
	log     *accesslog.Log
	// in and out are bytes of the bodies. Where streams is true, more of the
	// request's may be coming.
	in, out int64
	streams bool
	// cut is who has cut the answer off, missing what was not sent of a write.
	cut     atomic.Uint32
	missing atomic.Int64
}

// Who has cut an answer off.
const (
	nobody uint32 = iota
	cutByClient
	cutByServer
	cutByGateway
)

var cutNames = [...]string{nobody: "", cutByClient: accesslog.Client, cutByServer: accesslog.EndpointServer, cutByGateway: accesslog.Gateway}

// reset is for a call that begins.
func (e *ending) reset() {
	e.cut.Store(nobody)
	e.missing.Store(0)
}

// cutBy notes who has cut the answer off, if it is the first.
func (e *ending) cutBy(who uint32) { e.cut.CompareAndSwap(nobody, who) }

// unsent notes that n bytes could not be written to the client, if err says so,
// and returns err.
func (e *ending) unsent(n int, err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, net.ErrClosed) {
		e.cutBy(cutByGateway)
	} else {
		e.cutBy(cutByClient)
	}
	e.missing.Add(int64(n))
	return err
}

// answerLength is how many bytes the body of the answer has, 0 where that is
// counted as it comes.
func (c *call) answerLength() int64 {
	a := &c.Answer
	switch {
	case a.Bodiless || a.Coming != nil || c.Ctx.IsHead():
		return 0
	case a.Held != nil:
		return int64(a.Held.Len())
	}
	return int64(len(a.Body))
}

// awaitEnd leaves what is to be told of the call with its connection.
func (c *call) awaitEnd(code int, length int64) {
	e := &c.conn.ending
	e.begin, e.series, e.out = c.Ctx.Time(), c.series, length
	e.outcome = callstats.Outcome{Status: c.Ctx.Response.StatusCode(), Code: code, ByGateway: code != 0 || c.Server == ""}
	e.in, e.streams = 0, c.conn.upload != nil
	if !e.streams {
		e.in = c.conn.body.Received()
	}
	if e.trace = c.trace; e.trace != nil {
		e.trace.Answered(c.traced(code))
	}
	e.record = nil
	if log := c.proxy.cfg.AccessLog; log != nil {
		e.log, e.record = log, log.Record(c.entry(code))
	}
	e.pending.Store(true)
}

// entry is what the log tells of the call so far.
func (c *call) entry(code int) *accesslog.Entry {
	e := &c.logged
	*e = accesslog.Entry{
		Time: c.Ctx.Time(), RequestID: c.ID, ClientAddress: c.Upstream.Forwarded.Client,
		Method: c.Request.Method, Path: c.Request.Target,
		Domain: c.key(), Endpoint: c.endpoint,
		Status: c.Ctx.Response.StatusCode(), ResultCode: code,
		Plugin: c.By, Consumer: c.Consumer, QuotaUnits: c.Units, Shadowed: c.Shadowed,
		Upstream: c.Server, UpstreamTime: c.ServerTook,
	}
	if c.trace != nil {
		e.TraceID = []byte(c.trace.ID())
	} else {
		e.TraceID = traceID(c.Request.Fields)
	}
	if !c.proxy.cfg.LogQueries {
		e.Path = withoutQuery(e.Path)
	}
	return e
}

// tell answers a client whose request nobody reads, and has it logged.
func (p *Proxy) tell(c *clientConn, to io.Writer, say *envelope.Sealed) error {
	var room [2 * 16]byte
	id, begun := newID(&room), time.Now()
	_, err := to.Write(rawAnswer(say, id, p.clock.date(begun)))
	if log := p.cfg.AccessLog; log != nil {
		e := accesslog.Entry{
			Time: begun, RequestID: id, ClientAddress: c.address,
			Status: say.Status, ResultCode: say.Code, BytesOut: int64(len(say.Body)), Total: time.Since(begun),
		}
		if err != nil {
			e.BytesOut, e.Cut = 0, accesslog.Client
		}
		log.Put(log.Record(&e))
	}
	return err
}

// finish tells of the last call, whose answer has been written, or never will be.
func (c *clientConn) finish() {
	e := &c.ending
	if !e.pending.Load() || !e.pending.CompareAndSwap(true, false) {
		return
	}
	took := time.Since(e.begin)
	if e.streams {
		e.in = c.body.Received()
	}
	out := max(0, e.out-e.missing.Load())
	e.series.ended(took, e.in, out)
	o := e.outcome
	o.Took, o.BytesOut = took, out
	e.series.stats.Record(o)
	cut := cutNames[e.cut.Load()]
	if e.trace != nil {
		e.trace.Ended(e.in, out, cut)
		e.trace = nil
	}
	if r := e.record; r != nil {
		e.record = nil
		r.BytesIn, r.BytesOut, r.Total, r.Cut = e.in, out, took, cut
		e.log.Put(r)
	}
}
