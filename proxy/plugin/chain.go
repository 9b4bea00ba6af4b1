package plugin

import (
	"fmt"

	"github.com/tollgate/tollgate/proxy/envelope"
	"github.com/tollgate/tollgate/store/catalog"
)

// Domain is the steps of one deployed domain. It is built once and then
// read-only.
type Domain struct {
	env  *Env
	from *catalog.Domain
	// shared are the steps of the whole domain, by their place in order.
	shared [len(order)]Step
	// door is the step before an endpoint is known, CORS; it may be nil.
	door Step
}

// NewDomain builds the steps that a domain's endpoints share.
func NewDomain(env *Env, from *catalog.Domain) (*Domain, error) {
	d := &Domain{env: env, from: from}
	for i, p := range order {
		if p.domain == nil {
			continue
		}
		s, err := p.domain(env, from)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", p.plugins[0], err)
		}
		d.shared[i] = s
	}
	d.door = d.shared[0]
	return d, nil
}

// Admit decides what can be decided without an endpoint: CORS preflights.
func (d *Domain) Admit(c *Call) (answered bool, err error) {
	if d.door == nil {
		return false, nil
	}
	answered, err = d.door.Serve(c)
	if answered || err != nil {
		c.By = order[0].plugins[0]
	}
	return answered, err
}

// Return acts on an answer, also on a refusal, just before the client gets it.
func (d *Domain) Return(c *Call) {
	c.tellStandings()
	if r, ok := d.door.(Returner); ok {
		r.Return(c)
	}
}

// Chain is the steps of one endpoint in their order, HTTP_PROXY last.
type Chain struct {
	steps []Step
	// back has those steps that are Returners, nil for the others.
	back []Returner
	// places are theirs in order.
	places []int
	// custom is the first of the steps behind authentication.
	custom int
}

// Chain builds the chain of one endpoint.
func (d *Domain) Chain(e *catalog.Endpoint) (*Chain, error) {
	ch := &Chain{}
	for i, p := range order {
		s := d.shared[i]
		if i == 0 { // the door is the domain's
			continue
		}
		if p.endpoint != nil {
			own, err := p.endpoint(d.env, d.from, e)
			if err != nil {
				return nil, fmt.Errorf("endpoint %s: %s: %w", e.ID(), p.plugins[0], err)
			}
			if own != nil {
				s = own
			}
		}
		if s != nil {
			if i < firstCustom {
				ch.custom++
			}
			r, _ := s.(Returner)
			ch.steps, ch.back, ch.places = append(ch.steps, s), append(ch.back, r), append(ch.places, i)
		}
	}
	return ch, nil
}

// Admit runs the steps that can decide without the request's body. One that is
// too large is refused behind authentication: quotas count such a call as they
// do one whose chunks grow too large, and no Pre API hears of it.
func (ch *Chain) Admit(c *Call) (answered bool, err error) {
	for i, s := range ch.steps[:len(ch.steps)-1] {
		if i == ch.custom && c.TooLarge {
			return false, envelope.BodyTooLarge
		}
		if answered, err = s.Serve(c); err != nil {
			c.By = ch.name(i)
			return false, err
		}
		if answered {
			c.By = ch.name(i)
			ch.goBack(c, i)
			return true, nil
		}
	}
	if c.TooLarge {
		return false, envelope.BodyTooLarge
	}
	return false, nil
}

// Finish answers a call that Admit has let through.
func (ch *Chain) Finish(c *Call) error {
	last := len(ch.steps) - 1
	c.By = ch.name(last)
	if _, err := ch.steps[last].Serve(c); err != nil {
		return err
	}
	ch.goBack(c, last)
	return nil
}

// name is the plugin of the i-th step. Quotas of domain and endpoint are one
// step, which is the domain's where it has any.
func (ch *Chain) name(i int) string {
	plugins := order[ch.places[i]].plugins
	if q, ok := ch.steps[i].(*usageQuota); ok && !q.ofDomain {
		return plugins[1]
	}
	return plugins[0]
}

// goBack takes an answer of the i-th step past those before it.
func (ch *Chain) goBack(c *Call, i int) {
	for i--; i >= 0; i-- {
		if r := ch.back[i]; r != nil {
			r.Return(c)
		}
	}
}
