package plugin

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/tollgate/tollgate/proxy/envelope"
	"github.com/tollgate/tollgate/proxy/upstream"
	"github.com/tollgate/tollgate/store/catalog"
)

// Observer is told about the calls to an endpoint server or a Pre API. Its methods may be
// called at the same time.
type Observer interface {
	// Answered: an answer came after this time, its head and what of its body
	// is held.
	Answered(time.Duration)
	// Failed: none came that could be passed on, or it broke off; server is
	// the host that was called.
	Failed(server string, e *upstream.Error)
	// Retried: the request was sent a second time.
	Retried()
}

// httpProxy is HTTP_PROXY: the way to the endpoint servers.
type httpProxy struct {
	servers  *upstream.Group
	observer Observer
	// redirects is nil where they are left as they come.
	redirects *redirects
	// hash is true where the target goes by the header, or by the client's address
	// where the header is nil.
	hash   bool
	header []byte
	// clientHost sends the client's Host.
	clientHost bool
	// rule is how the target is chosen, for people.
	rule string
	// settle is the header of an answer that says what the call was worth; nil where
	// none does. Unsettled counts the answers that do not say it, overReserve the units
	// beyond the reserve that others say.
	settle                 []byte
	reserve                uint64
	unsettled, overReserve Counter
}

// buildSettledProxy builds the way of an endpoint whose calls are settled.
func buildSettledProxy(env *Env, d *catalog.Domain, e *catalog.Endpoint) (Step, error) {
	cost := e.Plugins.UsageCost
	if cost == nil || cost.SettleHeader == "" {
		return nil, nil
	}
	s, err := buildHTTPProxy(env, d)
	if err != nil {
		return nil, err
	}
	p := s.(*httpProxy)
	p.settle, p.reserve = []byte(cost.SettleHeader), uint64(cost.Units)
	p.unsettled, p.overReserve = env.Unsettled, env.OverReserve
	return p, nil
}

// settleCall takes from the answer what the call was worth. Where that is not said, it
// is all that was reserved.
func (p *httpProxy) settleCall(c *Call) {
	if p.settle == nil {
		return
	}
	value, _ := c.Answer.Fields.Only(p.settle)
	units, err := strconv.ParseUint(string(value), 10, 63)
	if err != nil || units > maxSettled {
		p.unsettled.Inc()
		return
	}
	if units > p.reserve && c.hasReserved() {
		p.overReserve.Add(float64(units - p.reserve))
	}
	c.SettleUnits(int64(units))
	c.Units = int64(units)
}

// maxSettled is the most that a call may turn out to be worth, in units.
const maxSettled = 1_000_000_000_000

func buildHTTPProxy(env *Env, d *catalog.Domain) (Step, error) {
	from := d.Plugins.HTTPProxy
	p := &httpProxy{
		servers: env.Servers, observer: env.Upstream,
		hash: from.Balance == catalog.Hash, clientHost: from.HostHeader == catalog.HostOfClient,
		rule: from.Balance,
	}
	if from.RewritesRedirects() {
		p.redirects = newRedirects(d.Key)
	}
	if p.rule == "" {
		p.rule = catalog.LeastRequests
	}
	if p.hash && from.HashHeader != "" {
		p.header = []byte(from.HashHeader)
		p.rule += " of " + from.HashHeader
	} else if p.hash {
		p.rule += " of the client's address"
	}
	return p, nil
}

// key is what the hash goes by.
func (p *httpProxy) key(c *Call) uint64 {
	if !p.hash {
		return 0
	}
	if p.header != nil {
		if value, ok := c.Request.Fields.Value(p.header); ok {
			return upstream.HashOf(value)
		}
	}
	address := c.Client.As16()
	return upstream.HashOf(address[:])
}

func (p *httpProxy) Serve(c *Call) (answered bool, err error) {
	start := time.Now()
	if p.clientHost {
		c.Upstream.HostHeader = c.Upstream.Forwarded.Host
	}
	span := c.begin(catalog.PluginHTTPProxy, &c.Upstream)
	retried, err := p.servers.Do(&c.Upstream, &c.Answer, p.key(c))
	c.Answer.Took = time.Since(start)
	c.end(span, &c.Answer, &c.Upstream, retried, err)
	c.Server, c.ServerTook = c.Answer.Target, c.Answer.Took
	if retried {
		p.observer.Retried()
	}
	server := c.Answer.Target
	if err == nil {
		p.observer.Answered(c.Answer.Took)
		p.settleCall(c)
		if p.redirects != nil {
			p.redirects.rewrite(c, p.servers)
		}
		if c.Answer.Coming != nil {
			c.Broken = func(e *upstream.Error) { p.observer.Failed(server, e) }
		}
		return true, nil
	}
	c.Cause = err
	var failed *upstream.Error
	if !errors.As(err, &failed) {
		return false, err
	}
	p.observer.Failed(server, failed)
	switch failed.Reason {
	case upstream.NoTarget:
		return false, envelope.NoTarget
	case upstream.Timeout:
		return false, envelope.TimedOut
	case upstream.Full:
		return false, envelope.AnswersFull
	}
	return false, envelope.Unreachable
}

func (p *httpProxy) Explain(c *Call) Finding {
	if p.clientHost {
		c.Upstream.HostHeader = c.Upstream.Forwarded.Host
	}
	all := p.servers.Plan(c.Upstream.Path, c.Upstream.Query, p.key(c))
	var open, out []string
	for _, t := range all {
		if t.Out != "" {
			out = append(out, t.URL+" "+t.Out)
			continue
		}
		c.Plan = append(c.Plan, t)
		if t.Due { // it comes first
			last := len(c.Plan) - 1
			c.Plan[0], c.Plan[last] = c.Plan[last], c.Plan[0]
		}
		said := t.URL
		if t.Weight != 1 {
			said = fmt.Sprintf("%s (weight %d)", said, t.Weight)
		}
		open = append(open, said)
	}
	if len(open) == 0 {
		return refuse(envelope.NoTarget, "no target would be tried now: "+strings.Join(out, "; "))
	}
	reason := c.Upstream.Method + " " + c.Plan[0].URL
	switch {
	case len(all) == 1:
	case c.Plan[0].Due:
		reason += fmt.Sprintf(", by %s of the targets %s", p.rule, strings.Join(open, ", "))
	default:
		reason = fmt.Sprintf("%s to one of these, by %s: %s", c.Upstream.Method, p.rule, strings.Join(open, ", "))
	}
	if len(out) > 0 {
		reason += "; not tried now: " + strings.Join(out, "; ")
	}
	return Finding{Decision: Called, Reason: reason}
}
