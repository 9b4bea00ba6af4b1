package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	runner "github.com/tollgate/tollgate/bench/process"
	"github.com/tollgate/tollgate/cmd/internal/cli"
	"github.com/tollgate/tollgate/node/admin/api"
	"github.com/tollgate/tollgate/node/nodetest"
)

// patience is how long a test waits for a state before it fails.
const patience = 30 * time.Second

// process is one node as an operator runs it: a command line, which is the same
// for every start, and a directory.
type process struct {
	t                        *testing.T
	id, listen, admin, peers string
	args                     []string
	binary                   string
	log                      string // file

	run *runner.Process // the newest
}

// start runs the process.
func (p *process) start() {
	p.t.Helper()
	var err error
	if p.run, err = runner.Start(runner.Command{Name: p.id, Path: p.binary, Args: p.args, Log: p.log}); err != nil {
		p.t.Fatal(err)
	}
}

// signal sends a signal to the process.
func (p *process) signal(sig syscall.Signal) { p.run.Signal(sig) }

// wait waits for the end of the process, and returns its exit status.
func (p *process) wait() int {
	p.t.Helper()
	select {
	case <-p.run.Done():
	case <-time.After(patience):
		p.t.Fatalf("%s still runs after %v", p.id, patience)
	}
	return p.run.State().ExitCode()
}

// api calls its admin API.
func (p *process) api(client *http.Client) *api.Client {
	return &api.Client{URL: "http://" + p.admin, HTTP: client}
}

// kill ends the process as kill -9 does.
func (p *process) kill() {
	p.t.Helper()
	p.run.Kill()
}

// ready reports whether /readyz says so.
func (p *process) ready() bool {
	return p.api(quick).CheckReady(p.t.Context()) == nil
}

// fetched is an answer.
type fetched struct {
	status int
	header http.Header
	body   string
}

var (
	// quick is for looks at a node that may be down.
	quick = &http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	// patient is for calls that a node answers in its own time.
	patient = &http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}
)

func fetch(client *http.Client, method, addr, path, body string) (fetched, error) {
	req, err := http.NewRequest(method, "http://"+addr+path, strings.NewReader(body))
	if err != nil {
		return fetched{}, err
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := client.Do(req)
	if err != nil {
		return fetched{}, err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	return fetched{resp.StatusCode, resp.Header, string(raw)}, err
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ok(); {
		if time.Now().After(deadline) {
			t.Fatalf("waited %v, and still not: %s", patience, what)
		}
		time.Sleep(5 * time.Millisecond) // between two looks, not for a state
	}
}

// processes are the three nodes of a cluster.
type processes struct {
	t   *testing.T
	all []*process
}

// run3 builds the binary and runs three nodes of it.
func run3(t *testing.T) *processes {
	t.Helper()
	dir := t.TempDir()
	binary := filepath.Join(dir, "tollgate")
	if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	c := &processes{t: t}
	for i := range 3 {
		p := &process{t: t, id: fmt.Sprintf("n%d", i+1), listen: nodetest.FreeAddr(t), admin: nodetest.FreeAddr(t), peers: nodetest.FreeAddr(t), binary: binary}
		p.log = filepath.Join(dir, p.id+".log")
		p.args = []string{"node", "--id", p.id, "--data-dir", filepath.Join(dir, p.id),
			"--listen", p.listen, "--admin", p.admin, "--cluster", p.peers, "--disk-timeout", "1m"}
		if i == 0 {
			p.args = append(p.args, "--bootstrap", "--founding-wait", "10ms")
		} else {
			p.args = append(p.args, "--join", "http://"+c.all[0].admin)
		}
		c.all = append(c.all, p)
		p.start()
	}
	t.Cleanup(func() {
		for _, p := range c.all {
			p.run.Kill() // one that is paused, too
			if log, err := os.ReadFile(p.log); t.Failed() && err == nil {
				t.Logf("the end of the log of %s:\n%s", p.id, log[max(0, len(log)-4000):])
			}
		}
	})
	c.settle(c.all...)
	return c
}

// settle waits until the given nodes are ready and all three are voters.
func (c *processes) settle(nodes ...*process) {
	c.t.Helper()
	for _, p := range nodes {
		eventually(c.t, p.id+" is ready", p.ready)
		eventually(c.t, p.id+" shows three voters", func() bool {
			voters := 0
			for _, m := range c.status(p).Members {
				if m.Voter {
					voters++
				}
			}
			return voters == 3
		})
	}
}

// status is what a node knows of the cluster, nothing where it does not answer.
func (c *processes) status(p *process) api.ClusterStatus {
	st, _ := p.api(quick).Cluster(c.t.Context())
	return st
}

// leader is the node that leads, as all running nodes see it.
func (c *processes) leader(running ...*process) (leader *process, others []*process) {
	c.t.Helper()
	eventually(c.t, "one leader that all know", func() bool {
		leader, others = nil, nil
		first := c.status(running[0]).Leader
		for _, p := range running {
			if c.status(p).Leader != first {
				return false
			}
			if p.id == first {
				leader = p
			} else {
				others = append(others, p)
			}
		}
		return leader != nil
	})
	return leader, others
}

// deploy makes a domain of one mocked endpoint live, everywhere.
func (c *processes) deploy(key string, limit int) {
	c.t.Helper()
	doc := fmt.Sprintf(`{"swagger":"2.0","info":{"title":%q,"version":"1"},"basePath":"/%s","schemes":["http"],
		"paths":{"/x":{"get":{"x-toastcloud-apigw":{"plugins":{"MOCK":{"statusCode":200,"headers":{},"body":"ok"}}}}}},
		"x-toastcloud-apigw":{"plugins":{"HTTP_PROXY":{"url":"http://127.0.0.1:1"},
			"USAGE_QUOTA":{"usageQuotaBeans":[{"maxUsageQuota":%d,"resetTimeSeconds":3600}]}}}}`, key, key, limit)
	if _, err := c.all[0].api(patient).Deploy(c.t.Context(), []byte(doc)); err != nil {
		c.t.Fatalf("deploying %s: %v", key, err)
	}
	for _, p := range c.all {
		eventually(c.t, p.id+" serves "+key, func() bool {
			r, err := fetch(quick, "GET", p.listen, "/"+key+"/none", "") // counts on nothing
			return err == nil && strings.Contains(r.body, "40401")
		})
	}
}

// used is the read-out of a domain's only condition, at p.
func (c *processes) used(p *process, key string) int {
	c.t.Helper()
	var conditions []api.Condition
	eventually(c.t, p.id+" reads the quota out", func() (ok bool) {
		var err error
		conditions, err = p.api(patient).Quota(c.t.Context(), key)
		return err == nil && len(conditions) == 1
	})
	return int(conditions[0].Used)
}

// ruling is what became of a call.
type ruling int

const (
	admitted ruling = iota
	refused
	undecided // 50300 or 50301
	lost      // no answer: nothing is known of it
)

// take makes one call.
func (p *process) take(client *http.Client, key string) ruling {
	r, err := fetch(client, "GET", p.listen, "/"+key+"/x", "")
	switch {
	case err != nil:
		return lost
	case r.status == 200:
		return admitted
	case r.status == 403 && strings.Contains(r.body, `"resultCode":20004`) && r.header.Get("Retry-After") != "":
		return refused
	case r.status == 503 && (strings.Contains(r.body, "50300") || strings.Contains(r.body, "50301")):
		return undecided
	}
	p.t.Errorf("%s answers %d %s", p.id, r.status, r.body)
	return lost
}

// spend makes n calls, one after the other and over all nodes, all of which
// must be admitted.
func (c *processes) spend(key string, n int) {
	c.t.Helper()
	for i := range n {
		if p := c.all[i%3]; p.take(patient, key) != admitted {
			c.t.Fatalf("call %d of %d, at %s, is not admitted", i+1, n, p.id)
		}
	}
}

// drain makes calls over all nodes until each has answered 20004, and returns
// how many were admitted. After the first 20004, none may be.
func (c *processes) drain(key string) int {
	c.t.Helper()
	n, over := 0, false
	for {
		refusals := 0
		for _, p := range c.all {
			switch p.take(patient, key) {
			case admitted:
				n++
				if over {
					c.t.Errorf("%s admits a call after another node answered 20004", p.id)
				}
			case refused:
				over = true
				refusals++
			default:
				c.t.Fatalf("%s does not decide a call", p.id)
			}
		}
		if refusals == len(c.all) {
			return n
		}
	}
}

// tally is what a load saw.
type tally struct {
	admitted, refused, undecided, lost, late atomic.Int64
	exhausted                                atomic.Bool
}

// load has clients call, each at its node, until they are told 20004 or quit
// is closed; a client whose node does not answer calls no more.
func (c *processes) load(key string, perNode int, nodes []*process, quit <-chan struct{}) (*tally, *sync.WaitGroup) {
	got, wg := &tally{}, &sync.WaitGroup{}
	for _, p := range nodes {
		for range perNode {
			wg.Go(func() {
				client := &http.Client{Timeout: patience, Transport: &http.Transport{}}
				defer client.CloseIdleConnections()
				for {
					select {
					case <-quit:
						return
					default:
					}
					after := got.exhausted.Load()
					switch p.take(client, key) {
					case admitted:
						got.admitted.Add(1)
						if after {
							got.late.Add(1)
						}
					case refused:
						got.refused.Add(1)
						got.exhausted.Store(true)
						return
					case undecided:
						got.undecided.Add(1)
					case lost:
						got.lost.Add(1)
						return
					}
				}
			})
		}
	}
	return got, wg
}

// TestProcesses runs three nodes of the real binary and does to them what
// operators and power cuts do. The parts follow one another on one cluster.
func TestProcesses(t *testing.T) {
	c := run3(t)
	part := func(name string, f func(t *testing.T)) {
		ok := t.Run(name, func(t *testing.T) {
			c.t = t
			for _, p := range c.all {
				p.t = t
			}
			f(t)
		})
		c.t = t
		if !ok {
			t.FailNow() // what follows would say nothing
		}
	}
	part("data directory in use", func(t *testing.T) { testDirectoryInUse(t, c) })
	part("all killed", func(t *testing.T) { testAllKilled(t, c) })
	part("all stopped", func(t *testing.T) { testAllStopped(t, c) })
	part("leader killed", func(t *testing.T) { testLeaderKilled(t, c) })
	part("leader stopped", func(t *testing.T) { testLeaderStopped(t, c) })
	part("follower suspended", func(t *testing.T) { testFollowerSuspended(t, c) })
}

// testDirectoryInUse: a second process on the directory of one that runs ends
// with 1 and says why; the first goes on.
func testDirectoryInUse(t *testing.T, c *processes) {
	p := c.all[1]
	args := append([]string{}, p.args...)
	for i, a := range args {
		if a == p.listen || a == p.admin || a == p.peers {
			args[i] = "127.0.0.1:0"
		}
	}
	var stderr bytes.Buffer
	second := exec.Command(p.binary, args...)
	second.Stderr = &stderr
	err := second.Run()
	var exit *exec.ExitError
	dir := filepath.Join(filepath.Dir(p.log), p.id)
	if !errors.As(err, &exit) || exit.ExitCode() != cli.Failed || !strings.Contains(stderr.String(), "--data-dir "+dir+": ") || !strings.Contains(stderr.String(), "is in use by another process") {
		t.Errorf("the second process: %v\n%s", err, stderr.String())
	}
	if !p.ready() {
		t.Error("the first is not ready any more")
	}
}

// testAllKilled: kill -9 of all nodes at once, and the same command lines
// again: the same cluster, the same domains, and counts that go on exactly.
func testAllKilled(t *testing.T, c *processes) {
	const limit, before = 60, 25
	c.deploy("killed", limit)
	c.spend("killed", before)
	id := c.status(c.all[0]).ClusterID
	domains, err := fetch(patient, "GET", c.all[2].admin, "/v1/domains", "")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range c.all {
		p.signal(syscall.SIGKILL)
	}
	for _, p := range c.all {
		p.wait()
	}
	for _, p := range c.all {
		p.start()
	}
	c.settle(c.all...)
	for _, p := range c.all {
		if got := c.status(p).ClusterID; got != id || id == "" {
			t.Errorf("%s belongs to the cluster %q, was %q", p.id, got, id)
		}
		if got := c.used(p, "killed"); got != before {
			t.Errorf("%s reads %d used, want %d", p.id, got, before)
		}
		if got, err := fetch(patient, "GET", p.admin, "/v1/domains", ""); err != nil || got.body != domains.body {
			t.Errorf("%s lists %s, want %s", p.id, got.body, domains.body)
		}
	}
	if got := c.drain("killed"); got != limit-before {
		t.Errorf("%d of %d were admitted before, %d after: want %d", before, limit, got, limit-before)
	}
	if got := c.used(c.all[0], "killed"); got != limit {
		t.Errorf("%d of %d are used", got, limit)
	}
}

// testAllStopped: SIGTERM ends every node with 0, and counts go on exactly.
func testAllStopped(t *testing.T, c *processes) {
	const limit, before = 60, 31
	c.deploy("stopped", limit)
	c.spend("stopped", before)
	for _, p := range c.all {
		p.signal(syscall.SIGTERM)
	}
	for _, p := range c.all {
		if got := p.wait(); got != cli.Done {
			t.Errorf("%s ends with %d after SIGTERM", p.id, got)
		}
	}
	for _, p := range c.all {
		p.start()
	}
	c.settle(c.all...)
	if got := c.drain("stopped"); got != limit-before {
		t.Errorf("%d of %d were admitted before, %d after: want %d", before, limit, got, limit-before)
	}
}

// testLeaderKilled: kill -9 of the leader in the middle of a load: never more
// than the quota, nothing after a 20004, and of the quota no more lost than the
// dead node may have held.
func testLeaderKilled(t *testing.T, c *processes) {
	const limit, perNode = 3000, 8
	c.deploy("leader", limit)
	leader, others := c.leader(c.all...)
	got, wg := c.load("leader", perNode, c.all, nil)
	eventually(t, "a third of the quota is used", func() bool { return got.admitted.Load() > limit/3 })
	if got.exhausted.Load() {
		t.Fatal("the quota was used up before the leader died")
	}
	leader.kill()
	wg.Wait()
	next, _ := c.leader(others...)
	if next == leader {
		t.Errorf("%s leads, and is dead", next.id)
	}
	n := got.admitted.Load()
	if n > limit || got.late.Load() > 0 {
		t.Errorf("%d of %d admitted, %d of them begun after a 20004", n, limit, got.late.Load())
	}
	// What the dead node had in flight and on lease counts as used. A sixth of
	// the pool is leased to one of three at a time.
	if n < limit*2/3 {
		t.Errorf("%d of %d admitted: more is lost than one node of three can hold", n, limit)
	}
	if got.lost.Load() > perNode {
		t.Errorf("%d calls got no answer; the dead node had %d clients", got.lost.Load(), perNode)
	}
	leader.start()
	c.settle(c.all...)
	for _, p := range c.all {
		eventually(t, "back to three, "+p.id+" answers 20004", func() bool { // leadership may move once more
			v := p.take(patient, "leader")
			if v == admitted {
				t.Errorf("back to three, %s admits a call", p.id)
			}
			return v == refused
		})
		if used := c.used(p, "leader"); used != limit {
			t.Errorf("%s reads %d of %d used", p.id, used, limit)
		}
	}
}

// testLeaderStopped: SIGTERM of the leader is not felt at the other nodes, and
// it ends with 0.
func testLeaderStopped(t *testing.T, c *processes) {
	c.deploy("rolling", 1_000_000)
	leader, others := c.leader(c.all...)
	quit := make(chan struct{})
	got, wg := c.load("rolling", 4, others, quit)
	eventually(t, "the load runs", func() bool { return got.admitted.Load() > 100 })
	leader.signal(syscall.SIGTERM)
	if status := leader.wait(); status != cli.Done {
		t.Errorf("%s ends with %d after SIGTERM", leader.id, status)
	}
	c.leader(others...)
	then := got.admitted.Load()
	eventually(t, "the load goes on", func() bool { return got.admitted.Load() > then+100 })
	leader.start()
	c.settle(c.all...)
	close(quit)
	wg.Wait()
	if got.undecided.Load() > 0 || got.lost.Load() > 0 || got.refused.Load() > 0 {
		t.Errorf("%d calls admitted, %d undecided, %d refused, %d without an answer; the stop must not be felt",
			got.admitted.Load(), got.undecided.Load(), got.refused.Load(), got.lost.Load())
	}
}

// testFollowerSuspended: a follower that is suspended for longer than an
// election does not disturb the others, and when it goes on it admits nothing
// that they have used up.
func testFollowerSuspended(t *testing.T, c *processes) {
	const limit = 60
	c.deploy("suspended", limit)
	leader, others := c.leader(c.all...)
	suspended, awake := others[0], []*process{leader, others[1]}
	c.spend("suspended", 9) // it has had its share
	term := c.status(leader).Term
	suspended.signal(syscall.SIGSTOP)
	begin := time.Now()
	eventually(t, "the leader misses it", func() bool {
		for _, m := range c.status(leader).Members {
			if m.ID == suspended.id {
				return !m.Reachable
			}
		}
		return false
	})
	n := 9
	for _, p := range awake {
		for more := true; more; {
			switch p.take(patient, "suspended") {
			case admitted:
				n++
			case refused:
				more = false
			default:
				t.Fatalf("with one of three suspended, %s does not decide", p.id)
			}
		}
	}
	if n != limit {
		t.Errorf("%d of %d admitted", n, limit)
	}
	eventually(t, "it was suspended for three elections", func() bool {
		for _, p := range awake {
			if p.take(patient, "suspended") != refused {
				t.Fatalf("%s does not refuse", p.id)
			}
		}
		return time.Since(begin) > 1500*time.Millisecond
	})
	suspended.signal(syscall.SIGCONT)
	// From its first answer on.
	for range 50 {
		if v := suspended.take(patient, "suspended"); v == admitted {
			t.Fatal("awake again, it admits a call of a window that is used up")
		} else if v == lost {
			t.Error("awake again, it does not answer")
		}
	}
	c.settle(c.all...)
	eventually(t, "it refuses like the others", func() bool { return suspended.take(patient, "suspended") == refused })
	if got := c.used(suspended, "suspended"); got != limit {
		t.Errorf("it reads %d of %d used", got, limit)
	}
	if now := c.status(leader); now.Leader != leader.id || now.Term != term {
		t.Errorf("%s leads in term %d; before, %s in term %d", now.Leader, now.Term, leader.id, term)
	}
}
