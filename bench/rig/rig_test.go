package rig

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// build makes the program under test.
func build(t *testing.T) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "tollgate")
	if out, err := exec.Command("go", "build", "-o", binary, "github.com/tollgate/tollgate/cmd/tollgate").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return binary
}

// limited is a domain of one endpoint, with a quota of its own.
func limited(key, origin string, limit int) Domain {
	return Domain{key, fmt.Appendf(nil, `{"swagger":"2.0","info":{"title":%q},"basePath":"/%s","schemes":["http"],"paths":{"/x":{"get":{}}},
		"x-toastcloud-apigw":{"plugins":{"HTTP_PROXY":{"url":%q},"USAGE_QUOTA":{"usageQuotaBeans":[{"maxUsageQuota":%d,"resetTimeSeconds":3600}]}}}}`,
		key, key, origin, limit)}
}

// call makes a call of a node and returns its status and body.
func call(t *testing.T, method, url, body string) (int, string) {
	t.Helper()
	req, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

func openOrigin(t *testing.T) *Origin {
	t.Helper()
	o, err := OpenOrigin()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		if err := o.Close(); err != nil {
			t.Error(err)
		}
	})
	return o
}

// TestCluster is the life of a cluster, one node of which has no vote: domains
// are served by all nodes, calls are counted, and the count of a leader that
// dies goes on with the next.
func TestCluster(t *testing.T) {
	ctx, origin := t.Context(), openOrigin(t)
	binary := build(t)
	if commit, err := Commit(ctx, binary); err != nil || commit == "" {
		t.Errorf("commit %q, %v", commit, err)
	}
	c, err := Open(ctx, Config{Binary: binary, Dir: t.TempDir(), Nodes: 4, Nonvoters: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	before, err := c.Figures(ctx)
	if err != nil {
		t.Fatal(err)
	}
	var domains []Domain
	for i := range 12 {
		domains = append(domains, limited(fmt.Sprintf("d%d", i), origin.URL(), 1000))
	}
	if err := c.Deploy(ctx, domains...); err != nil {
		t.Fatal(err)
	}
	calls := 0
	for _, addr := range c.Addresses() {
		for _, d := range domains {
			calls++
			if status, body := call(t, "GET", "http://"+addr+"/"+d.Key+"/x", ""); status != 200 || body != string(originAnswer) {
				t.Fatalf("%s at %s: %d %s", d.Key, addr, status, body)
			}
		}
	}
	after, err := c.Figures(ctx)
	if err != nil {
		t.Fatal(err)
	}
	did, sum := after.Since(before), 0.0
	for _, n := range did.Decisions {
		sum += n
	}
	if sum != float64(calls) || did.LogEntries < 1 || did.DiskBytes < 1 || did.PeakMemory < 1<<20 {
		t.Errorf("%d calls: %+v", calls, did)
	}
	if used, err := c.CPU(); err != nil || used <= 0 {
		t.Errorf("CPU %v, %v", used, err)
	}
	leader, err := c.Leader(ctx)
	if err != nil || !leader.Voter {
		t.Fatalf("leader %+v, %v", leader, err)
	}
	testLostLeader(t, c, leader, calls)
	c.Close()
	for _, addr := range c.Addresses() {
		if conn, err := net.Dial("tcp", addr); err == nil {
			conn.Close()
			t.Errorf("%s still listens", addr)
		}
	}
}

// testLostLeader kills the leader and starts it again.
func testLostLeader(t *testing.T, c *Cluster, leader *Node, calls int) {
	t.Helper()
	ctx := t.Context()
	cpu, err := c.CPU()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Kill(ctx, leader); err != nil {
		t.Fatal(err)
	}
	if err := c.Err(); err != nil {
		t.Errorf("that a node was killed is told as its fault: %v", err)
	}
	if n, err := c.running(); err != nil || n == leader {
		t.Errorf("%v runs, %v", n, err)
	}
	if err := c.Start(leader); err != nil {
		t.Fatal(err)
	}
	if err := c.AwaitReady(ctx, leader); err != nil {
		t.Fatal(err)
	}
	f, err := c.Figures(ctx)
	if err != nil {
		t.Fatal(err)
	}
	sum := 0.0
	for _, n := range f.Decisions {
		sum += n
	}
	if used, err := c.CPU(); sum != float64(calls) || err != nil || used < cpu {
		t.Errorf("a node has died since: %v of %d calls are counted, %v of %v s of CPU time, %v", sum, calls, used, cpu, err)
	}
	readings, err := c.Quota(ctx, "d0")
	if err != nil || len(readings) != 1 || readings[0].Endpoint != nil || readings[0].MaxUsageQuota != 1000 || readings[0].ResetTimeSeconds != 3600 || readings[0].Used < 1 {
		t.Errorf("%+v, %v", readings, err)
	}
	leader.process().Kill() // not by the cluster: it must tell
	if err := c.Err(); err == nil || !strings.HasPrefix(err.Error(), leader.ID+" has ended: signal: killed") {
		t.Errorf("a node has ended by itself: %v", err)
	}
}

// TestNodeDoesNotStart: what the program says is in the error.
func TestNodeDoesNotStart(t *testing.T) {
	script := filepath.Join(t.TempDir(), "broken")
	if err := os.WriteFile(script, []byte("#!/bin/sh\necho no such luck\nexit 3\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	_, err := Open(t.Context(), Config{Binary: script, Dir: t.TempDir(), Nodes: 3})
	if err == nil || !strings.Contains(err.Error(), "n1 has ended: exit status 3") || !strings.Contains(err.Error(), "no such luck") {
		t.Errorf("got %v", err)
	}
	if _, err := Open(t.Context(), Config{Binary: script, Dir: t.TempDir(), Nodes: 2, Nonvoters: 2}); err == nil || !strings.Contains(err.Error(), "a cluster of 2 nodes, 2 of them without a vote") {
		t.Errorf("got %v", err)
	}
	if _, err := Commit(t.Context(), script); err == nil || !strings.Contains(err.Error(), "exit status 3") {
		t.Errorf("its commit: %v", err)
	}
}

func TestOrigin(t *testing.T) {
	o := openOrigin(t)
	large := strings.Repeat("0123456789abcdef", 1<<16)
	for _, c := range []struct{ method, body, want string }{
		{"GET", "", string(originAnswer)},
		{"POST", "", ""},
		{"POST", large, large},
		{"PUT", "x", "x"},
	} {
		if status, got := call(t, c.method, o.URL()+"/any/path", c.body); status != 200 || got != c.want {
			t.Errorf("%s of %d bytes: %d, %d bytes %.80s", c.method, len(c.body), status, len(got), got)
		}
	}
}

func TestMetrics(t *testing.T) {
	var text bytes.Buffer
	text.WriteString("# TYPE " + metricEntries + " counter\n" + metricEntries + " 7\n# TYPE " + metricDecisions + " counter\n")
	if _, err := readMetrics(text.Bytes()); err == nil {
		t.Error("no decisions, and no error")
	}
	text.WriteString(metricDecisions + `{way="local"} 3` + "\n" + metricDecisions + `{way="strict"} 2` + "\n")
	f, err := readMetrics(text.Bytes())
	if err != nil || f.LogEntries != 7 || len(f.Decisions) != 2 || f.Decisions["local"] != 3 || f.Decisions["strict"] != 2 {
		t.Errorf("%+v, %v", f, err)
	}
}

func TestRevision(t *testing.T) {
	for _, c := range [][3]string{
		{"v1.2.3", "abc+dirty", "abc+dirty"},
		{"6257e63-dirty", "", "6257e63+dirty"},
		{"6257e63", "", "6257e63"},
		{"(devel)", "", "unknown"},
		{"", "", "unknown"},
	} {
		if got := Revision(c[0], c[1]); got != c[2] {
			t.Errorf("version %q, commit %q: %q, want %q", c[0], c[1], got, c[2])
		}
	}
}
