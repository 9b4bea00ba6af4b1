package quota

import (
	"bytes"
	"fmt"
	"testing"

	"pgregory.net/rapid"
)

// model is the specification read literally: one call at a time, a list of
// what was counted, no pools and no batches.
type model struct {
	now      int64
	counters map[string]*modelCounter // by "domain|endpoint|reset"
	limits   map[string][]Condition
	made     int
}

type modelCounter struct {
	id         int // a counter that went and came again is another
	start, max int64
	used       int64
	refused    bool
}

func (m *model) counter(domain string, c Condition) *modelCounter {
	key := fmt.Sprintf("%s|%s|%d", domain, c.Endpoint, c.ResetSeconds)
	if m.counters[key] == nil {
		m.made++
		m.counters[key] = &modelCounter{id: m.made}
	}
	return m.counters[key]
}

func (m *model) running(c *modelCounter, reset uint32) bool {
	return c.start != 0 && m.now < c.start+int64(reset)*1000
}

// call decides one call.
func (m *model) call(domain, endpoint string) bool {
	admitted := true
	for _, cond := range m.limits[domain] {
		if cond.Endpoint != "" && cond.Endpoint != endpoint {
			continue
		}
		c := m.counter(domain, cond)
		if !m.running(c, cond.ResetSeconds) {
			*c = modelCounter{id: c.id, start: m.now, max: int64(cond.Max)}
		}
		if c.refused || c.used >= c.max {
			c.refused = true
			admitted = false
			continue
		}
		c.used++
	}
	return admitted
}

// giveBack undoes an admitted call of the windows that started then.
func (m *model) giveBack(domain, endpoint string, starts map[string]modelWindow) {
	for _, cond := range m.limits[domain] {
		if cond.Endpoint != "" && cond.Endpoint != endpoint {
			continue
		}
		key := fmt.Sprintf("%s|%s|%d", domain, cond.Endpoint, cond.ResetSeconds)
		c := m.counter(domain, cond)
		if w, ok := starts[key]; ok && w == (modelWindow{c.id, c.start}) && m.running(c, cond.ResetSeconds) && !c.refused && c.used > 0 {
			c.used--
		}
	}
}

// modelWindow names a window of a counter.
type modelWindow struct {
	id    int
	start int64
}

// starts remembers which windows a call counted in.
func (m *model) starts(domain, endpoint string) map[string]modelWindow {
	list := map[string]modelWindow{}
	for _, cond := range m.limits[domain] {
		if cond.Endpoint == "" || cond.Endpoint == endpoint {
			key := fmt.Sprintf("%s|%s|%d", domain, cond.Endpoint, cond.ResetSeconds)
			c := m.counter(domain, cond)
			list[key] = modelWindow{c.id, c.start}
		}
	}
	return list
}

// deploy changes the limits of a domain.
func (m *model) deploy(domain string, conditions []Condition) {
	kept := map[string]bool{}
	for _, cond := range conditions {
		key := fmt.Sprintf("%s|%s|%d", domain, cond.Endpoint, cond.ResetSeconds)
		kept[key] = true
		if c := m.counters[key]; c != nil && m.running(c, cond.ResetSeconds) && !c.refused {
			c.max = int64(cond.Max)
		}
	}
	for key := range m.counters {
		if len(key) > len(domain) && key[:len(domain)+1] == domain+"|" && !kept[key] {
			delete(m.counters, key)
		}
	}
	m.limits[domain] = conditions
}

var (
	testDomains   = []string{"a", "b"}
	testEndpoints = []string{"", "GET /x", "GET /y/**"}
)

func drawConditions(t *rapid.T) []Condition {
	var list []Condition
	for _, e := range testEndpoints {
		for _, reset := range []uint32{1, 3} {
			if rapid.Bool().Draw(t, "has") {
				list = append(list, condition(e, rapid.Uint64Range(1, 12).Draw(t, "max"), reset))
			}
		}
	}
	return list
}

// pair drives the state machine and the model side by side.
type pair struct {
	t *rapid.T
	s *State
	m *model
	// nodes has what each node's next frame needs.
	nodes map[string]*sender
}

type sender struct {
	incarnation, seq uint64
	last             *Frame
	lastResult       Result
	lastCalls        []modelCall
}

// modelCall is what a Take stands for.
type modelCall struct {
	domain, endpoint string
	n                uint32
	starts           map[string]modelWindow
}

func newPair(t *rapid.T) *pair {
	p := &pair{t: t, s: NewState(), m: &model{counters: map[string]*modelCounter{}, limits: map[string][]Condition{}}, nodes: map[string]*sender{}}
	for _, n := range []string{"n1", "n2"} {
		p.nodes[n] = &sender{incarnation: 1}
	}
	p.s.Upgrade(rapid.SampledFrom([]Version{First, Third}).Draw(t, "version"))
	p.s.BeginFrames(strictly)
	p.s.SetMembers(3)
	p.tick(1)
	return p
}

func (p *pair) tick(ms int64) {
	p.m.now += ms
	p.s.Advance(p.m.now)
}

func (p *pair) deploy() {
	d := rapid.SampledFrom(testDomains).Draw(p.t, "domain")
	c := drawConditions(p.t)
	p.s.SetConditions(d, c, "")
	p.m.deploy(d, c)
}

// frame sends a new frame of a node, or the last one again.
func (p *pair) frame() {
	name := rapid.SampledFrom([]string{"n1", "n2"}).Draw(p.t, "node")
	n := p.nodes[name]
	if n.last != nil && rapid.IntRange(0, 4).Draw(p.t, "again") == 0 {
		if got := p.s.Apply(n.last); fmt.Sprint(got) != fmt.Sprint(n.lastResult) {
			p.t.Fatalf("frame sent again: %v, first: %v", got, n.lastResult)
		}
		return
	}
	if rapid.IntRange(0, 9).Draw(p.t, "restart") == 0 {
		*n = sender{incarnation: n.incarnation + 1}
	}
	n.seq++
	f := &Frame{Node: name, Incarnation: n.incarnation, Seq: n.seq}
	for i := range n.lastCalls {
		c := n.lastCalls[i]
		if d := n.lastResult.Decisions[i]; d.Admitted > 0 && rapid.Bool().Draw(p.t, "give back") {
			back := rapid.Uint32Range(1, d.Admitted).Draw(p.t, "units")
			for j, item := range n.last.Takes[i].Items {
				f.Returns = append(f.Returns, Return{item.ID, d.Taken[j].Window, uint64(back)})
			}
			for range back {
				p.m.giveBack(c.domain, c.endpoint, c.starts)
			}
		}
	}
	n.lastCalls = nil
	for range rapid.IntRange(0, 4).Draw(p.t, "calls") {
		c := modelCall{
			domain:   rapid.SampledFrom(testDomains).Draw(p.t, "domain"),
			endpoint: rapid.SampledFrom(testEndpoints).Draw(p.t, "endpoint"),
			n:        rapid.Uint32Range(1, 8).Draw(p.t, "n"),
		}
		if ids := p.s.on(c.domain, c.endpoint); len(ids) > 0 {
			f.Takes = append(f.Takes, take(c.n, ids...))
			n.lastCalls = append(n.lastCalls, c)
		}
	}
	n.last = f
	n.lastResult = p.s.Apply(f)
	for i := range n.lastCalls {
		c := &n.lastCalls[i]
		admitted := uint32(0)
		for range c.n {
			if p.m.call(c.domain, c.endpoint) {
				admitted++
			}
		}
		c.starts = p.m.starts(c.domain, c.endpoint)
		d := n.lastResult.Decisions[i]
		if d.Decided != c.n || d.Admitted != admitted {
			p.t.Fatalf("%+v: decided %d, admitted %d, the specification says %d", c, d.Decided, d.Admitted, admitted)
		}
		if (d.RetryAfter > 0) != (admitted < c.n) {
			p.t.Fatalf("%+v: %d of %d admitted, retry after %d ms", c, admitted, c.n, d.RetryAfter)
		}
	}
}

// compare holds the readings against the model.
func (p *pair) compare() {
	for _, d := range testDomains {
		for _, r := range p.s.Readings(d, 0) {
			c := p.m.counter(d, r.Condition)
			used := int64(0)
			if p.m.running(c, r.ResetSeconds) {
				used = c.used
			}
			if int64(r.Used) != used || (r.Phase == Exhausted) != (p.m.running(c, r.ResetSeconds) && c.refused) {
				p.t.Fatalf("%s %+v, the specification says used %d, refused %v", d, r, used, c.refused)
			}
		}
	}
}

// recode replaces the state by what its encoding decodes to.
func (p *pair) recode() {
	b := p.s.Append(nil)
	s, err := DecodeState(b, p.s.version)
	if err != nil {
		p.t.Fatalf("decoding a snapshot: %v", err)
	}
	if again := s.Append(nil); !bytes.Equal(b, again) {
		p.t.Fatalf("a restored state differs:\n%x\n%x", b, again)
	}
	p.s = s
}

// TestAgainstModel holds strict windows against the specification, read literally. The
// simulation (cluster/ledger) does so for leasing ones. It runs random commands, with
// repeated frames, restarts, units given back, limits changed, snapshots taken and
// restored at any point, and expects what the specification says at each.
func TestAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := newPair(t)
		p.deploy()
		for range rapid.IntRange(1, 60).Draw(t, "commands") {
			switch rapid.IntRange(0, 9).Draw(t, "command") {
			case 0:
				p.deploy()
			case 1, 2:
				p.tick(rapid.Int64Range(0, 1500).Draw(t, "ms"))
			case 3:
				p.recode()
			default:
				p.frame()
			}
			p.compare()
		}
	})
}
