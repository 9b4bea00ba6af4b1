package bench

import (
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/tollgate/tollgate/proxy/hmacsign"
)

// gateway answers as a Tollgate does whose quota admits so many calls.
type gateway struct {
	addr  string
	admit int64
	calls atomic.Int64
	check func(*fasthttp.Request) bool // nil takes all
	wrong atomic.Int64
}

const refusal = `{"header":{"resultCode":20004,"resultMessage":"20004 Usage quota exceeded","isSuccessful":false}}`

func openGateway(t *testing.T, admit int64, check func(*fasthttp.Request) bool) *gateway {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := &gateway{addr: ln.Addr().String(), admit: admit, check: check}
	server := &fasthttp.Server{CloseOnShutdown: true, Handler: func(ctx *fasthttp.RequestCtx) {
		if g.check != nil && !g.check(&ctx.Request) {
			g.wrong.Add(1)
		}
		if g.calls.Add(1) > g.admit {
			ctx.Error(refusal, fasthttp.StatusForbidden)
		}
	}}
	served := make(chan error, 1)
	go func() { served <- server.Serve(ln) }()
	t.Cleanup(func() {
		if err := server.Shutdown(); err != nil {
			t.Error(err)
		}
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return g
}

// own is a short load of a gateway.
func own(g *gateway) Own {
	return Own{
		Nodes: []OwnNode{{g.addr, "/shop/x?page=2"}, {g.addr, "/shop/y"}}, Method: "GET", Connections: 4,
		Duration: 100 * time.Millisecond, Timeout: 10 * time.Second, Limit: 20, Window: time.Hour, Progress: io.Discard,
	}
}

// TestOwnLoad: the load is judged by the quota that it is said to be on.
func TestOwnLoad(t *testing.T) {
	for admit, failed := range map[int64]string{
		20: "",
		23: "load: not exact: 3 calls were admitted past the limit of 20",
		0:  "load: refused early: 20 of 20 units were left over in windows that refused calls",
	} {
		g := openGateway(t, admit, nil)
		o := own(g)
		run, err := o.Run(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		r := run.Results[0]
		after := g.calls.Load() - int64(r.Counts.Offered) // under way at the end
		if after < 0 || after > int64(o.Connections) || r.Counts.Admitted != uint64(admit) || r.Load != "closed loop, 4 connections" || len(r.Slices) != 1 {
			t.Errorf("the gateway had %d calls and admitted %d: %+v, %s, %d slices", g.calls.Load(), admit, r.Counts, r.Load, len(r.Slices))
		}
		wrong := strings.Join(Failed(run), "; ")
		if strings.HasPrefix(strings.Join(r.Notes, ""), "20 of 20 units were left over: calls took up to ") {
			wrong = failed // this machine stood still for longer than a lease
		}
		if wrong != failed {
			t.Errorf("%d admitted of 20: %q", admit, wrong)
		}
	}
}

// TestOwnCalls: calls are made as they are asked for.
func TestOwnCalls(t *testing.T) {
	for name, c := range map[string]struct {
		auth  Auth
		check func(*fasthttp.Request) bool
	}{
		"plain": {Plain, func(r *fasthttp.Request) bool { return len(r.Header.Peek("Authorization")) == 0 }},
		"hmac": {HMAC, func(r *fasthttp.Request) bool {
			at := string(r.Header.Peek(hmacsign.TimestampField))
			return string(r.Header.Peek("Authorization")) == hmacsign.Sign("s3cret", "PUT", string(r.RequestURI()), at)
		}},
		"jwt": {JWT, func(r *fasthttp.Request) bool {
			return strings.Count(string(r.Header.Peek("Authorization")), ".") == 2
		}},
	} {
		g := openGateway(t, 1e9, func(r *fasthttp.Request) bool {
			uri := string(r.RequestURI())
			return c.check(r) && string(r.Header.Method()) == "PUT" && (uri == "/shop/x?page=2" || uri == "/shop/y") &&
				string(r.Header.Peek("X-A")) == "b" && string(r.Body()) == "body"
		})
		o := own(g)
		o.Limit, o.Window = 0, 0
		o.Method, o.Header, o.Body = "PUT", [][2]string{{"X-A", "b"}}, []byte("body")
		o.Auth, o.Secret, o.Issuer = c.auth, "s3cret", "me"
		run, err := o.Run(t.Context())
		if err != nil || len(Failed(run)) > 0 || g.wrong.Load() > 0 || g.calls.Load() == 0 {
			t.Errorf("%s: %v; %d of %d calls were not as asked for; %v", name, err, g.wrong.Load(), g.calls.Load(), run)
		}
		if run.Results[0].Exactness != nil {
			t.Errorf("%s: judged without a quota", name)
		}
	}
}

func TestOwnValidate(t *testing.T) {
	o := Own{Connections: 0, Rate: -1, Warmup: -1, Window: time.Second, Body: make([]byte, MostBody+1)}
	err := o.Validate()
	for _, want := range []string{
		"URL is missing: there is nothing to load",
		"--connections 0: must be 1 to 10000, one for each URL at least",
		"--rate -1: must be 0, for a closed loop, to 1e+06 calls a second",
		"the body has 67108865 bytes: must be at most 67108864",
		"--warmup -1ns: must be 0s to 1h0m0s",
		"--duration 0s: must be 10ms to 24h0m0s",
		"--timeout 0s: must be 1ms to 1m0s",
		"--window 1s: says nothing without --limit",
	} {
		if err == nil || !strings.Contains(err.Error()+"\n", want+"\n") {
			t.Errorf("%v\ndoes not say: %s", err, want)
		}
	}
	o = Own{Nodes: make([]OwnNode, 3), Connections: 2, Duration: time.Second, Timeout: time.Second, Limit: 5}
	want := "--connections 2: must be 3 to 10000, one for each URL at least\n--window 0s: must be the length of the window in which --limit calls are allowed, 1s or more"
	if err := o.Validate(); err == nil || err.Error() != want {
		t.Errorf("got %v", err)
	}
}
