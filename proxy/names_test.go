package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"
)

// fakeNetwork resolves names as it is told and leads addresses to listeners.
type fakeNetwork struct {
	mu      sync.Mutex
	names   map[string][]string
	fails   bool
	leads   map[string]string // address to "host:port"; missing: silent
	lookups int
	dialled []string
}

func (n *fakeNetwork) LookupNetIP(_ context.Context, _, host string) (list []netip.Addr, err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.lookups++
	if n.fails {
		return nil, errors.New("no name server")
	}
	for _, a := range n.names[host] {
		list = append(list, netip.MustParseAddr(a))
	}
	return list, nil
}

func (n *fakeNetwork) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	n.mu.Lock()
	n.dialled = append(n.dialled, host)
	to, ok := n.leads[host]
	n.mu.Unlock()
	if !ok {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return new(net.Dialer).DialContext(ctx, network, to)
}

func (n *fakeNetwork) point(host string, addresses ...string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.names[host] = addresses
}

// dials returns where was dialled to since the last call.
func (n *fakeNetwork) dials() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	dialled := n.dialled
	n.dialled = nil
	return dialled
}

// named is an endpoint server that answers with its name.
func named(t *testing.T, name string) *recorder {
	return startRecorder(t, says(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(name), name)))
}

// hourglass is a clock that only a test moves.
type hourglass struct {
	mu  sync.Mutex
	now time.Time
}

func (h *hourglass) Now() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.now
}

func (h *hourglass) pass(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.now = h.now.Add(d)
}

func namedGateway(t *testing.T, network *fakeNetwork, clock *hourglass) *gateway {
	pre := parsed(t, "pre", "http://api.example:81", "", `GET /a "PRE_API":{"method":"GET","url":"http://pre.example/check"}`)
	return startGateway(t, func(c *Config) {
		c.UpstreamNetwork, c.UpstreamConnectTimeout = network, 5*time.Second
		c.UpstreamIdleTimeout, c.UpstreamMaxConnAge = 10*time.Minute, 24*time.Hour
		c.UpstreamClock = clock.Now
	}, domainOf("test", "http://api.example:81", everything...), pre)
}

// TestNameMoves: when a name points elsewhere, calls go there within 30 s,
// although the old address still answers on kept connections; Pre APIs too.
func TestNameMoves(t *testing.T) {
	old, new, api := named(t, "old"), named(t, "new"), named(t, "api")
	network := &fakeNetwork{
		names: map[string][]string{"api.example": {"192.0.2.1"}, "pre.example": {"192.0.2.1"}},
		leads: map[string]string{"192.0.2.1": old.Addr().String(), "192.0.2.2": new.Addr().String(), "192.0.2.3": api.Addr().String()},
	}
	clock := &hourglass{now: time.Now()}
	g := namedGateway(t, network, clock)
	for range 3 {
		if a := g.get(t, "/test/a"); a.body != "old" {
			t.Fatalf("answered by %q", a.body)
		}
	}
	if n := old.accepted(); n != 1 {
		t.Errorf("%d connections, one was enough", n)
	}
	g.get(t, "/pre/a")
	network.point("api.example", "192.0.2.2")
	network.point("pre.example", "192.0.2.3")
	clock.pass(30 * time.Second)
	if a := g.get(t, "/test/a"); a.body != "new" {
		t.Errorf("30 s later: answered by %q", a.body)
	}
	api.requests()
	if g.get(t, "/pre/a"); len(api.requests()) != 1 {
		t.Error("the Pre API's old address was asked")
	}
	// Half of that later it is looked up again beside the calls.
	network.point("api.example", "192.0.2.3")
	clock.pass(16 * time.Second)
	eventually(t, "answered by api", func() bool { return g.get(t, "/test/a").body == "api" })
	// A name that cannot be looked up for a while keeps its addresses.
	network.mu.Lock()
	network.fails = true
	network.mu.Unlock()
	for range 5 {
		clock.pass(time.Minute)
		if a := g.get(t, "/test/a"); a.body != "api" {
			t.Errorf("without a name server: answered %s", a.raw)
		}
	}
}

// TestMoveDuringStream: a connection that was in use when its address went away
// is not kept.
func TestMoveDuringStream(t *testing.T) {
	end := make(chan bool)
	old := startRecorder(t, func(c net.Conn, _ int, _ string) bool {
		_, _ = io.WriteString(c, inChunks+"186a0\r\n"+strings.Repeat("x", 100_000)+"\r\n")
		<-end
		_, err := io.WriteString(c, "0\r\n\r\n")
		return err == nil
	})
	new := named(t, "new")
	network := &fakeNetwork{
		names: map[string][]string{"api.example": {"192.0.2.1"}},
		leads: map[string]string{"192.0.2.1": old.Addr().String(), "192.0.2.2": new.Addr().String()},
	}
	clock := &hourglass{now: time.Now()}
	g := namedGateway(t, network, clock)
	c := dial(t, g.addr)
	defer c.Close()
	c.send("GET /test/a HTTP/1.1\r\nHost: h\r\n\r\n")
	if _, err := io.CopyN(io.Discard, c, 100_000); err != nil {
		t.Fatal(err)
	}
	network.point("api.example", "192.0.2.2")
	clock.pass(30 * time.Second)
	if a := g.get(t, "/test/a"); a.body != "new" {
		t.Errorf("answered by %q", a.body)
	}
	close(end)
	eventually(t, "the old connection is closed", func() bool { return old.open() == 0 })
}

// TestConnAge: a connection is not used any more when it is as old as it may
// be, however busy it is.
func TestConnAge(t *testing.T) {
	up := startRecorder(t, says(ok200))
	g := startGateway(t, func(c *Config) { c.UpstreamMaxConnAge = time.Second }, domainOf("test", up.url(), everything...))
	eventually(t, "a second connection is made", func() bool {
		if a := g.get(t, "/test/a"); a.StatusCode != 200 {
			t.Fatalf("answered %s", a.raw)
		}
		return up.accepted() > 1
	})
	eventually(t, "the first one is closed", func() bool { return up.open() == 1 })
}

// TestSilentAddress: a silent address costs a quarter of a second once, and
// then nothing; one that refuses costs nothing. All that answer are used.
func TestSilentAddress(t *testing.T) {
	one, two, gone := named(t, "one"), named(t, "two"), named(t, "gone")
	_ = gone.Close()
	for _, tc := range []struct {
		name      string
		addresses []string
		want      map[string]bool
	}{
		{"silent, good", []string{"2001:db8::1", "192.0.2.1"}, map[string]bool{"one": true}},
		{"good, silent", []string{"192.0.2.1", "192.0.2.9"}, map[string]bool{"one": true}},
		{"three silent, good", []string{"2001:db8::1", "2001:db8::2", "192.0.2.8", "192.0.2.1"}, map[string]bool{"one": true}},
		{"refuses, good", []string{"192.0.2.3", "192.0.2.1"}, map[string]bool{"one": true}},
		{"two good", []string{"192.0.2.1", "192.0.2.2"}, map[string]bool{"one": true, "two": true}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			network := &fakeNetwork{
				names: map[string][]string{"api.example": tc.addresses},
				leads: map[string]string{"192.0.2.1": one.Addr().String(), "192.0.2.2": two.Addr().String(), "192.0.2.3": gone.Addr().String()},
			}
			g := namedGateway(t, network, &hourglass{now: time.Now()})
			seen := map[string]bool{}
			call := func() {
				a := g.get(t, "/test/a")
				if a.StatusCode != 200 {
					t.Fatalf("answered %s", a.raw)
				}
				seen[a.body] = true
				g.table.Load().domains["test"].closeIdle() // the next call has to connect
			}
			for range len(tc.addresses) {
				call() // each is found out
			}
			network.dials()
			for range 6 {
				call()
			}
			for _, address := range network.dials() {
				if _, leads := network.leads[address]; !leads || address == "192.0.2.3" {
					t.Errorf("%s was dialled although it is known to be bad", address)
				}
			}
			if fmt.Sprint(seen) != fmt.Sprint(tc.want) {
				t.Errorf("answered by %v, want %v", seen, tc.want)
			}
		})
	}
}

// TestNoAddress: names that lead nowhere are 50200, or 50400 in the end.
func TestNoAddress(t *testing.T) {
	gone := named(t, "gone")
	_ = gone.Close()
	for _, tc := range []struct {
		name      string
		addresses []string
		fails     bool
		code      int
	}{
		{"none", nil, false, 50200},
		{"no name server", nil, true, 50200},
		{"all refuse", []string{"192.0.2.3", "2001:db8::3"}, false, 50200},
		{"all silent", []string{"192.0.2.8", "192.0.2.9"}, false, 50400},
	} {
		network := &fakeNetwork{
			names: map[string][]string{"api.example": tc.addresses}, fails: tc.fails,
			leads: map[string]string{"192.0.2.3": gone.Addr().String(), "2001:db8::3": gone.Addr().String()},
		}
		g := startGateway(t, func(c *Config) {
			c.UpstreamNetwork, c.UpstreamConnectTimeout = network, 400*time.Millisecond
		}, domainOf("test", "http://api.example:81", everything...))
		if a := g.get(t, "/test/a"); a.code() != tc.code {
			t.Errorf("%s: answered %s", tc.name, a.raw)
		}
		if n := len(network.dials()); n != len(tc.addresses) {
			t.Errorf("%s: %d addresses dialled of %d", tc.name, n, len(tc.addresses))
		}
	}
}
