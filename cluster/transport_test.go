package cluster

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tollgate/tollgate/cluster/pki"
)

// patience is how long a test waits for a state before it fails.
const patience = 30 * time.Second

const (
	tokenA = "a token of the length that a token must have"
	tokenB = "b token of the length that a token must have"
)

// port opens the cluster port of a node that belongs to a cluster, or to none
// if clusterID is empty.
func port(t *testing.T, clusterID, token string) *Transport {
	t.Helper()
	return portOf(t, "n1", clusterID, token)
}

// portOf is port for a node of that ID.
func portOf(t *testing.T, id, clusterID, token string) *Transport {
	t.Helper()
	p, err := Listen(TCP{}, "127.0.0.1:0", id, authority(t, token), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	p.Serve(someone(clusterID))
	t.Cleanup(func() { p.Close() })
	return p
}

// authority is that of a cluster key, nil for none.
func authority(t *testing.T, key string) *pki.Authority {
	t.Helper()
	if key == "" {
		return nil
	}
	a, err := pki.Derive(key)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// arrivals says of every connection that p passes on what it was for.
func arrivals(t *testing.T, p *Transport) <-chan byte {
	t.Helper()
	came := make(chan byte, 64)
	for purpose, q := range map[byte]*acceptQueue{forRaft: p.raft, forRPC: p.rpc} {
		go func() {
			for {
				c, err := q.Accept()
				if err != nil {
					return // the port is closed at the end of the test
				}
				came <- purpose
				_, _ = io.Copy(c, c) // echo
				c.Close()
			}
		}()
	}
	return came
}

// checkEcho makes sure that a connection carries bytes both ways.
func checkEcho(t *testing.T, c net.Conn) {
	t.Helper()
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	sent := bytes.Repeat([]byte("over and out "), 1000)
	go func() { _, _ = c.Write(sent) }()
	got := make([]byte, len(sent))
	if _, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, sent) {
		t.Errorf("echo of %d bytes: %v", len(sent), err)
	}
}

// checkAlive makes sure that p still welcomes a node of its own.
func checkAlive(t *testing.T, p, from *Transport, came <-chan byte) {
	t.Helper()
	c, err := from.dial(t.Context(), "n1", p.Addr(), forRPC)
	if err != nil {
		t.Fatalf("the port is dead to its own: %v", err)
	}
	if got := <-came; got != forRPC {
		t.Errorf("a connection for %c was passed on as one for %c", forRPC, got)
	}
	checkEcho(t, c)
}

// TestGreeting: nodes of two clusters refuse each other, in both directions and
// for all purposes; a node of none is welcome everywhere and, once it is
// invited, welcomes all.
func TestGreeting(t *testing.T) {
	for _, token := range []string{"", tokenA} {
		ports := map[string]*Transport{}
		came := map[string]<-chan byte{}
		for _, id := range []string{"", "red", "blue", strings.Repeat("x", 255)} {
			ports[id] = port(t, id, token)
			ports[id].invited.Store(true)
			came[id] = arrivals(t, ports[id])
		}
		for from, dialler := range ports {
			for to, listener := range ports {
				for _, purpose := range []byte{forRaft, forRPC, forJoin} {
					name := fmt.Sprintf("from %.5q to %.5q for %c, token %.1q", from, to, purpose, token)
					c, err := dialler.dial(t.Context(), "n1", listener.Addr(), purpose)
					if from != "" && to != "" && from != to {
						if !errors.Is(err, errForeign) || !strings.Contains(err.Error(), listener.Addr()) {
							t.Errorf("%s: %v, want a foreign cluster at %s", name, err, listener.Addr())
						}
						continue
					}
					if err != nil {
						t.Errorf("%s: %v", name, err)
						continue
					}
					if purpose == forJoin {
						c.Close() // that was all
						continue
					}
					if got := <-came[to]; got != purpose {
						t.Errorf("%s: passed on as for %c", name, got)
					}
					checkEcho(t, c)
				}
			}
		}
		for id, c := range came {
			if len(c) > 0 {
				t.Errorf("%.5q: %d connections were passed on that should have been refused", id, len(c))
			}
		}
	}
}

// TestInvitation: a node of no cluster takes no part in Raft until it is asked
// to join; one that has a cluster needs no invitation, and takes none elsewhere.
func TestInvitation(t *testing.T) {
	member, fresh, foreign := port(t, "red", ""), port(t, "", ""), port(t, "blue", "")
	came := arrivals(t, fresh)
	arrivals(t, member)
	raft := func(to *Transport) error {
		c, err := member.Raft().Dial("n1", to.Addr(), patience)
		if err == nil {
			c.Close()
		}
		return err
	}
	checkAlive(t, fresh, member, came) // to say who it is, it needs no invitation
	if err := raft(fresh); !errors.Is(err, errUninvited) {
		t.Errorf("uninvited: %v", err)
	}
	if _, err := member.dial(t.Context(), "n1", foreign.Addr(), forJoin); !errors.Is(err, errForeign) || foreign.invited.Load() {
		t.Errorf("inviting a node of another cluster: %v", err)
	}
	c, err := member.dial(t.Context(), "n1", fresh.Addr(), forJoin)
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	if err := raft(fresh); err != nil {
		t.Errorf("invited: %v", err)
	}
	if got := <-came; got != forRaft {
		t.Errorf("what is passed on is for %c", got)
	}
	if err := raft(member); err != nil {
		t.Errorf("to a member: %v", err)
	}
}

// TestWrongNode: a connection leads to the node that is wanted, or to none,
// wherever the address leads: an answer of another would be counted as its word.
func TestWrongNode(t *testing.T) {
	for _, key := range []string{"", tokenA} {
		n1, n2 := portOf(t, "n1", "red", key), portOf(t, "n2", "red", key)
		came := arrivals(t, n2)
		for _, purpose := range []byte{forRaft, forRPC, forJoin} {
			c, err := n1.dial(t.Context(), "n3", n2.Addr(), purpose)
			var other *otherError
			if !errors.As(err, &other) || other.id != "n2" {
				t.Errorf("key %.1q, for %c: %v, want another node, n2", key, purpose, err)
			}
			if err == nil {
				c.Close()
			}
		}
		if len(came) > 0 {
			t.Errorf("key %.1q: %d connections were passed on", key, len(came))
		}
		if key == "" {
			continue
		}
		// A node that says it is another than its certificate says.
		liar, err := Listen(TCP{}, "127.0.0.1:0", "n3", authority(t, key), slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { liar.Close() })
		liar.certificates.id = "n9"
		liar.Serve(someone("red"))
		if c, err := n1.dial(t.Context(), "n3", liar.Addr(), forRPC); err == nil {
			c.Close()
			t.Error("a node with another's certificate was believed")
		}
		if c, err := liar.dial(t.Context(), "n2", n2.Addr(), forRPC); err == nil {
			c.Close()
			t.Error("a dialler with another's certificate was believed")
		}
	}
}

// TestClaims: a node learns that a cluster takes it for one of its own, from who
// means it, and from nobody else.
func TestClaims(t *testing.T) {
	for _, c := range []struct {
		name            string
		own, theirs, to string
		purpose         byte
		key             string
		claimed         bool
	}{
		{"a wiped member is missed", "", "red", "n1", forRaft, tokenA, true},
		{"a wiped member is asked", "", "red", "n1", forRPC, tokenA, true},
		{"a founder is missed by its former cluster", "blue", "red", "n1", forRaft, tokenA, true},
		{"by its own cluster", "red", "red", "n1", forRaft, tokenA, false},
		{"another node is meant", "", "red", "n7", forRaft, tokenA, false},
		{"a fresh node asks", "", "", "n1", forRPC, tokenA, false},
		{"it is about to join", "", "red", "n1", forJoin, tokenA, false},
		{"under another key", "", "red", "n1", forRaft, tokenB, false},
	} {
		p := portOf(t, "n1", c.own, tokenA)
		arrivals(t, p)
		if conn, err := portOf(t, "n2", c.theirs, c.key).dial(t.Context(), c.to, p.Addr(), c.purpose); err == nil {
			conn.Close()
		}
		claim, standing := p.claims.standing()
		if standing != c.claimed || standing && (claim.Cluster != "red" || claim.By != "n2") {
			t.Errorf("%s: %+v %v, want %v", c.name, claim, standing, c.claimed)
		}
	}
}

// TestTokens: only who has the token talks to a node, and finds out before
// anything is said.
func TestTokens(t *testing.T) {
	ports := map[string]*Transport{}
	came := map[string]<-chan byte{}
	for _, token := range []string{"", tokenA, tokenB} {
		ports[token] = port(t, "red", token)
		came[token] = arrivals(t, ports[token])
	}
	for from, dialler := range ports {
		for to, listener := range ports {
			c, err := dialler.dial(t.Context(), "n1", listener.Addr(), forRaft)
			if from == to {
				if err != nil {
					t.Errorf("both with token %.1q: %v", from, err)
					continue
				}
				<-came[to]
				checkEcho(t, c)
			} else if err == nil {
				c.Close()
				t.Errorf("a node with token %.1q talks to one with token %.1q", from, to)
			} else if !strings.Contains(err.Error(), "key") && !strings.Contains(err.Error(), "tls") {
				t.Errorf("from token %.1q to %.1q: %q says nothing of the key", from, to, err)
			}
		}
	}
	for token, c := range came {
		if len(c) > 0 {
			t.Errorf("token %.1q: %d connections were passed on that should have been refused", token, len(c))
		}
		checkAlive(t, ports[token], ports[token], c)
	}
}

// TestStrangers: what else may knock at the port is hung up on without a word
// of ours, and the node goes on.
func TestStrangers(t *testing.T) {
	garbage := make([]byte, 64<<10)
	if _, err := rand.Read(garbage); err != nil {
		t.Fatal(err)
	}
	garbage[0] = 'X'
	strangerTLS, err := (&certificates{authority: authority(t, tokenB), id: "n1"}).config("red")
	if err != nil {
		t.Fatal(err)
	}
	strangers := map[string]func(net.Conn) net.Conn{
		"garbage":                says(string(garbage)),
		"HTTP":                   says("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"),
		"TLS garbage":            says("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + string(garbage[:512])),
		"another cluster":        says("TGT2G\xff" + string(garbage[:255]) + "\x02n1\x02n1"),
		"another node":           says("TGT2G\x03red\x02n2\x02n3"),
		"an older greeting":      says("TGT1G\x03red"),
		"unknown magic":          says("TGT9G\x00\x00\x02n1"),
		"unknown purpose":        says("TGT2X\x00\x02n2\x02n1"),
		"raft without greeting":  says("\x00" + string(garbage[:100])),
		"http2 without greeting": says("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00"),
		"a TLS client of another key": func(c net.Conn) net.Conn {
			s := tls.Client(c, strangerTLS)
			_, _ = s.Write([]byte("TGT2G\x00\x02n2\x02n1"))
			return s
		},
		"a TLS client without a key": func(c net.Conn) net.Conn {
			s := tls.Client(c, &tls.Config{InsecureSkipVerify: true})
			_, _ = s.Write([]byte("TGT2G\x00\x02n2\x02n1"))
			return s
		},
	}
	for _, token := range []string{"", tokenA} {
		p := port(t, "red", token)
		came := arrivals(t, p)
		for name, knock := range strangers {
			c, err := net.Dial("tcp", p.Addr())
			if err != nil {
				t.Fatal(err)
			}
			if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
				t.Fatal(err)
			}
			// Hung up on: the end of the connection comes, and before it no
			// welcome. (An unknown purpose is known only after the greeting.)
			answer, err := io.ReadAll(knock(c))
			var timeout net.Error
			if errors.As(err, &timeout) && timeout.Timeout() {
				t.Errorf("%s, token %.1q: still connected after %v", name, token, patience)
			}
			if name != "unknown purpose" && len(answer) > 0 && answer[0] == answerWelcome {
				t.Errorf("%s, token %.1q: is welcomed with %q", name, token, answer)
			}
			c.Close()
		}
		if len(came) > 0 {
			t.Errorf("token %.1q: %d strangers were passed on", token, len(came))
		}
		checkAlive(t, p, p, came)
	}
	// A node that is told to join a web server.
	web := &http.Server{Handler: http.NotFoundHandler()}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = web.Serve(ln) }()
	defer web.Close()
	for _, token := range []string{"", tokenA} {
		// It waits for the end of a line: the caller's patience decides.
		if c, err := port(t, "red", token).Raft().Dial("n1", ln.Addr().String(), 200*time.Millisecond); err == nil {
			c.Close()
			t.Errorf("token %.1q: a web server is taken for a node", token)
		}
	}
}

func says(what string) func(net.Conn) net.Conn {
	return func(c net.Conn) net.Conn {
		_, _ = c.Write([]byte(what))
		return c
	}
}

// TestSlowGreeting: who does not finish the greeting is dropped when its time
// is up, and holds nobody else up meanwhile.
func TestSlowGreeting(t *testing.T) {
	for _, token := range []string{"", tokenA} {
		p := port(t, "red", token)
		came := arrivals(t, p)
		var slow []net.Conn
		begin := time.Now()
		for _, part := range []string{"", "T", "TGT2G", "TGT2G\x05gre", "TGT2G\x03red\x02n2", "\x16\x03\x01"} {
			c, err := net.Dial("tcp", p.Addr())
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { c.Close() })
			if _, err := io.WriteString(c, part); err != nil {
				t.Fatal(err)
			}
			slow = append(slow, c)
		}
		checkAlive(t, p, p, came)
		if took := time.Since(begin); took > greetingTimeout {
			t.Fatalf("with slow greetings under way, another node waits %v", took)
		}
		t.Run(fmt.Sprintf("dropped, token %.1q", token), func(t *testing.T) {
			t.Parallel()
			for i, c := range slow {
				if err := c.SetReadDeadline(begin.Add(patience)); err != nil {
					t.Fatal(err)
				}
				_, err := io.ReadAll(c)
				var timeout net.Error
				if errors.As(err, &timeout) && timeout.Timeout() {
					t.Errorf("greeting %d is still waited for after %v", i, patience)
				}
			}
			p.mu.Lock()
			left := len(p.greeting)
			p.mu.Unlock()
			if left > 0 {
				t.Errorf("%d greetings are still remembered", left)
			}
		})
	}
}

// TestDialGivesUp: a node that does not answer the greeting is given up at the
// caller's deadline.
func TestDialGivesUp(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0") // accepts by itself, never answers
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	for _, token := range []string{"", tokenA} {
		p := port(t, "red", token)
		begin := time.Now()
		c, err := p.Raft().Dial("n1", ln.Addr().String(), 100*time.Millisecond)
		if err == nil {
			c.Close()
			t.Fatal("nobody answered, and there is a connection")
		}
		if took := time.Since(begin); took > greetingTimeout {
			t.Errorf("token %.1q: given up after %v, want about 100ms", token, took)
		}
	}
}

// TestTransportClose ends what is under way, whatever it waits for.
func TestTransportClose(t *testing.T) {
	p := port(t, "red", "")
	var accepts sync.WaitGroup
	accepts.Go(func() {
		if _, err := p.rpc.Accept(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("accept: %v", err)
		}
	})
	mute, err := net.Dial("tcp", p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer mute.Close()
	// Nobody takes this one: welcome waits in its queue.
	raft, err := p.Raft().Dial("n1", p.Addr(), patience)
	if err != nil {
		t.Fatal(err)
	}
	defer raft.Close()
	begin := time.Now()
	for range 2 {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	}
	if took := time.Since(begin); took > greetingTimeout/2 {
		t.Errorf("the port waited %v for a greeting", took)
	}
	accepts.Wait()
	for name, c := range map[string]net.Conn{"in its greeting": mute, "in the queue": raft} {
		if err := c.SetReadDeadline(time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
		_, err := c.Read(make([]byte, 1))
		var timeout net.Error
		if err == nil || errors.As(err, &timeout) && timeout.Timeout() {
			t.Errorf("a connection %s outlives the port: %v", name, err)
		}
	}
	if c, err := p.dial(t.Context(), "n1", p.Addr(), forRPC); err == nil {
		c.Close()
		t.Error("a closed port answers")
	}
}

// failing is a network whose Accept fails for a while.
type failing struct{ left int }

type failingListener struct {
	net.Listener
	of *failing
}

func (f *failing) Listen(addr string) (net.Listener, error) {
	ln, err := net.Listen("tcp", addr)
	return failingListener{ln, f}, err
}

func (f *failing) Dial(ctx context.Context, addr string) (net.Conn, error) {
	return TCP{}.Dial(ctx, addr)
}

func (l failingListener) Accept() (net.Conn, error) {
	if l.of.left > 0 {
		l.of.left--
		return nil, errors.New("accept: too many open files")
	}
	return l.Listener.Accept()
}

// TestAcceptFails: running out of files is a state that passes.
func TestAcceptFails(t *testing.T) {
	p, err := Listen(&failing{left: 3}, "127.0.0.1:0", "n1", nil, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	p.Serve(someone("red"))
	checkAlive(t, p, p, arrivals(t, p))
}

// someone is a node of a cluster, or a fresh one.
type someone string

func (s someone) Identity() string { return string(s) }
func (s someone) Fresh() bool      { return s == "" }
