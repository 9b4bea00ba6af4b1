package node_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/tollgate/tollgate/node"
	"github.com/tollgate/tollgate/node/nodetest"
)

// alone is a configuration of a node of its own, on free ports.
func alone(t *testing.T) node.Config {
	return node.Config{
		ID: "n1", DataDir: filepath.Join(t.TempDir(), "n1"), Bootstrap: true,
		Listen: "127.0.0.1:0", Admin: "127.0.0.1:0", Cluster: "127.0.0.1:0",
	}
}

// listening holds a port of its own.
func listening(t *testing.T) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	return ln
}

// nothingLeft makes sure that a node that did not start, or has stopped, holds
// no port.
func nothingLeft(t *testing.T, cfg node.Config) {
	t.Helper()
	for _, addr := range []string{cfg.Listen, cfg.Admin, cfg.Cluster} {
		ln, err := net.Listen("tcp", addr)
		if err != nil {
			t.Errorf("%s is held: %v", addr, err)
			continue
		}
		ln.Close()
	}
}

// TestPortTaken: a node that cannot listen says which flag and address, and
// leaves nothing running; with the port free, it starts.
func TestPortTaken(t *testing.T) {
	for _, flag := range []string{"listen", "admin", "cluster"} {
		t.Run(flag, func(t *testing.T) {
			taken := listening(t)
			cfg := alone(t)
			for _, addr := range []*string{&cfg.Listen, &cfg.Admin, &cfg.Cluster} {
				ln := listening(t)
				*addr = ln.Addr().String()
				ln.Close()
			}
			*map[string]*string{"listen": &cfg.Listen, "admin": &cfg.Admin, "cluster": &cfg.Cluster}[flag] = taken.Addr().String()
			before := runtime.NumGoroutine()
			n, err := node.Open(t.Context(), cfg)
			if err == nil {
				n.Close(t.Context())
				t.Fatal("it starts on a port that is taken")
			}
			want := "--" + flag + " " + taken.Addr().String() + ": cannot listen there: "
			if !strings.HasPrefix(err.Error(), want) || !strings.Contains(err.Error(), "address already in use") || strings.Contains(err.Error(), "\n") {
				t.Errorf("%q, want %q and why", err, want)
			}
			nodetest.Eventually(t, "no goroutine of the node is left", func() bool { return runtime.NumGoroutine() <= before })
			taken.Close()
			nothingLeft(t, cfg)
			n, err = node.Open(t.Context(), cfg)
			if err != nil {
				t.Fatalf("with the port free: %v", err)
			}
			if err := n.Close(t.Context()); err != nil {
				t.Error(err)
			}
			nothingLeft(t, cfg)
		})
	}
}

// TestDataDirectory: where a node cannot keep its state it does not start, says
// which directory and why, leaves nothing running, and does a node that runs
// there no harm.
func TestDataDirectory(t *testing.T) {
	t.Parallel()
	var used *nodetest.Config
	running := nodetest.Start(t, 1, func(cfg *nodetest.Config) { used = cfg }).Nodes[0]
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	damaged := filepath.Join(t.TempDir(), "damaged")
	if err := os.MkdirAll(damaged, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(damaged, "raft.db"), []byte("no database"), 0o600); err != nil {
		t.Fatal(err)
	}
	for dir, why := range map[string]string{
		used.DataDir: "raft.db is in use by another process",
		file:         "not a directory",
		file + "/n1": "not a directory",
		damaged:      "raft.db",
	} {
		cfg := alone(t)
		cfg.DataDir = dir
		for _, addr := range []*string{&cfg.Listen, &cfg.Admin, &cfg.Cluster} {
			ln := listening(t)
			*addr = ln.Addr().String()
			ln.Close()
		}
		n, err := node.Open(t.Context(), cfg)
		if err == nil {
			n.Close(t.Context())
			t.Errorf("%s: it starts", dir)
			continue
		}
		if !strings.HasPrefix(err.Error(), "--data-dir "+dir+": ") || !strings.Contains(err.Error(), why) {
			t.Errorf("%q, want --data-dir %s and %q", err, dir, why)
		}
		nothingLeft(t, cfg)
	}
	if !running.Ready() {
		t.Error("the node in the directory is not ready any more")
	}
}

// TestBootstrapAgain: the command line that founded a cluster starts the node
// again, and founds none.
func TestBootstrapAgain(t *testing.T) {
	t.Parallel()
	c := nodetest.Start(t, 1)
	n := c.Nodes[0]
	c.Deploy(document([][2]int{{5, 3600}}, nil))
	var first tally
	load(c, 1, 3, endpoint, &first)
	c.Raised()
	id, digest := n.Store().ClusterID(), c.Digest()
	for range 2 {
		n.Stop()
		n.Start() // with --bootstrap, as before
		n.WaitReady()
		if got := n.Store().ClusterID(); got != id {
			t.Errorf("the cluster was %s, is %s", id, got)
		}
		if got := c.Digest(); got != digest {
			t.Errorf("digest %x after the restart, %x before", got, digest)
		}
	}
	var second tally
	load(c, 1, 3, endpoint, &second)
	if second.admitted.Load() != 2 || second.refused.Load() != 1 {
		t.Errorf("of 5, 3 were used before the restart; now %d of 3 are admitted", second.admitted.Load())
	}
}

// TestMemberWithBootstrap: on a node that has state, --bootstrap means nothing,
// whoever founded the cluster.
func TestMemberWithBootstrap(t *testing.T) {
	t.Parallel()
	var cfg *nodetest.Config
	c := nodetest.Start(t, 2, func(c *nodetest.Config) { cfg = c })
	id := c.Nodes[0].Store().ClusterID()
	c.Nodes[1].Stop()
	cfg.Bootstrap, cfg.Join = true, nil
	c.Nodes[1].Start()
	c.Nodes[1].WaitReady()
	if got := c.Nodes[1].Store(); got.ClusterID() != id || len(got.Servers().List) != 2 {
		t.Errorf("cluster %s with %v, want %s with two members", got.ClusterID(), got.Servers().List, id)
	}
	c.Leader()
	c.Digest()
}

// slowDomain is a domain "slow" in front of an endpoint server that answers
// when it is told to.
func slowDomain(t *testing.T) (document string, arrived <-chan struct{}, answer chan<- struct{}) {
	t.Helper()
	came, do := make(chan struct{}, 16), make(chan struct{})
	ln := listening(t)
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		came <- struct{}{}
		<-do
		fmt.Fprint(w, "at last")
	})}
	go func() { _ = server.Serve(ln) }()
	t.Cleanup(func() { server.Close() })
	return `{"swagger":"2.0","info":{"title":"slow","version":"1"},"basePath":"/slow","schemes":["http"],
		"paths":{"/x":{"get":{}}},
		"x-toastcloud-apigw":{"plugins":{"HTTP_PROXY":{"url":"http://` + ln.Addr().String() + `"},
			"USAGE_QUOTA":{"usageQuotaBeans":[{"maxUsageQuota":1000,"resetTimeSeconds":3600}]}}}}`, came, do
}

// TestGracefulStop: a leader that is stopped finishes the calls it has, refuses
// new ones with 50301, and hands leadership over before it goes.
func TestGracefulStop(t *testing.T) {
	c := nodetest.Start(t, 3)
	slow, arrived, answer := slowDomain(t)
	c.Deploy(slow)
	leader := c.Leader()
	proxy, admin := leader.ProxyAddr(), leader.AdminAddr()

	kept := &http.Client{Timeout: nodetest.Patience, Transport: &http.Transport{MaxIdleConnsPerHost: 4}}
	defer kept.CloseIdleConnections()
	if r := call(t, kept, "GET", proxy, "/none", ""); r.status != 404 { // connects
		t.Fatalf("before the stop: %v", r)
	}
	const calls = 4
	inFlight := make(chan reply, calls)
	for range calls {
		go func() {
			r, err := tryCall(web, "GET", proxy, "/slow/x", "")
			if err != nil {
				r.body = err.Error()
			}
			inFlight <- r
		}()
	}
	for range calls {
		<-arrived
	}

	stopped := make(chan error, 1)
	stopping := leader.Node // the harness sets it aside
	go func() { stopped <- stopping.Close(context.Background()) }()
	// The node says that it stops, while it does.
	nodetest.Eventually(t, "the node is not ready", func() bool { return !stopping.Ready() })
	if r := call(t, web, "GET", admin, "/readyz", ""); r.status != 503 || !strings.Contains(r.body, "serving: stopping\n") || r.header.Get("Retry-After") == "" {
		t.Errorf("/readyz: %v", r)
	}
	if r := call(t, web, "GET", admin, "/healthz", ""); r.status != 200 {
		t.Errorf("/healthz: %v", r)
	}
	nodetest.Eventually(t, "a call on an open connection is answered 50301", func() bool {
		r, err := tryCall(kept, "GET", proxy, "/slow/x", "")
		return err != nil || r.status == 503 && r.code == 50301
	})
	select {
	case err := <-stopped:
		t.Fatalf("the node stopped with calls in flight: %v", err)
	default:
	}
	close(answer)
	for range calls {
		if r := <-inFlight; r.status != 200 || r.body != "at last" {
			t.Errorf("a call in flight: %v", r)
		}
	}
	if err := <-stopped; err != nil {
		t.Fatal(err)
	}
	gone := time.Now()
	leader.Node = nil
	next := c.Leader()
	// Without the handover, the others would first miss it for an election
	// timeout of 300 ms and more.
	if took := time.Since(gone); took > 250*time.Millisecond {
		t.Errorf("the others were without a leader for %v", took)
	}
	if r := call(t, web, "GET", next.ProxyAddr(), "/slow/x", ""); r.status != 200 {
		t.Errorf("at the next leader: %v", r)
	}
	if _, err := net.Dial("tcp", proxy); err == nil {
		t.Error("the stopped node's client port answers")
	}
	leader.Start()
	leader.WaitReady()
	c.Digest()
}

// TestDrainTimeout: calls that do not end do not keep a node from stopping.
func TestDrainTimeout(t *testing.T) {
	t.Parallel()
	c := nodetest.Start(t, 1, func(cfg *nodetest.Config) { cfg.DrainTimeout = 200 * time.Millisecond })
	slow, arrived, answer := slowDomain(t)
	defer close(answer)
	c.Deploy(slow)
	n := c.Nodes[0]
	ended := make(chan struct{})
	proxy := n.ProxyAddr()
	go func() {
		defer close(ended)
		_, _ = tryCall(web, "GET", proxy, "/slow/x", "")
	}()
	<-arrived
	begin := time.Now()
	n.Stop() // fails the test if it cannot
	if took := time.Since(begin); took > nodetest.Patience/3 {
		t.Errorf("the stop took %v, the drain timeout is 200ms", took)
	}
	<-ended
}

// TestNotReady: a node that belongs to no cluster answers 50301 to clients,
// says why it is not ready, and is alive.
func TestNotReady(t *testing.T) {
	t.Parallel()
	n := nodetest.Start(t, 0).Add()
	n.Start()
	r := call(t, web, "GET", n.ProxyAddr(), "/d/x/1", "")
	if want := `{"header":{"resultCode":50301,"resultMessage":"50301 Node not ready or stopping","isSuccessful":false}}`; r.status != 503 || r.body != want {
		t.Errorf("a client gets %v, want 503 %s", r, want)
	}
	r = api(t, n, "GET", "/readyz", "")
	for _, line := range []string{"member: this node belongs to no cluster yet: join it at a member with POST /v1/cluster/join\n", "leader: no leader is known now\n", "serving: catching up with the cluster\n"} {
		if r.status != 503 || !strings.Contains(r.body, line) {
			t.Errorf("/readyz: %v, want 503 and %q", r, line)
		}
	}
	if r := api(t, n, "GET", "/healthz", ""); r.status != 200 || r.body != "ok\n" {
		t.Errorf("/healthz: %v", r)
	}
	if r := api(t, n, "GET", "/v1/cluster", ""); r.status != 200 || !strings.Contains(r.body, `"members":[]`) {
		t.Errorf("/v1/cluster: %v", r)
	}
	if r := api(t, n, "GET", "/v1/domains", ""); r.status != 503 || r.code != 50300 || r.header.Get("Retry-After") == "" {
		t.Errorf("/v1/domains: %v", r)
	}
}

// TestOpenGivesUp: a start whose time is over leaves nothing running.
func TestOpenGivesUp(t *testing.T) {
	cfg := alone(t)
	for _, addr := range []*string{&cfg.Listen, &cfg.Admin, &cfg.Cluster} {
		ln := listening(t)
		*addr = ln.Addr().String()
		ln.Close()
	}
	before := runtime.NumGoroutine()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if n, err := node.Open(ctx, cfg); err == nil {
		n.Close(t.Context())
		t.Fatal("it starts")
	}
	nodetest.Eventually(t, "no goroutine of the node is left", func() bool { return runtime.NumGoroutine() <= before })
	nothingLeft(t, cfg)
}
