//go:build linux

package chaos

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tollgate/tollgate/node/admin/api"
	"github.com/tollgate/tollgate/store"
)

// root is the module's directory, seen from here.
const root = "../../.."

// operating is the page whose table of failures TestFailures holds to its word.
const operating = root + "/docs/operate.md"

// rows are the tests of the rows of that table, by what the first cell says.
var rows = map[string]func(*failures){
	"a node dies or is cut off":          (*failures).nodeLost,
	"the leader dies":                    (*failures).leaderDies,
	"the majority is gone":               (*failures).majorityGone,
	"a follower's disk is full or fails": (*failures).followerFull,
	"the leader's disk is full or fails": (*failures).leaderFull,
	"a follower's disk hangs":            (*failures).followerHangs,
	"the leader's disk hangs":            (*failures).leaderHangs,
	"a link is slow":                     (*failures).linkSlow,
	"a certificate has ended":            (*failures).certificateEnded,
	"another cluster key on one node":    (*failures).anotherKey,
	"a node of an older release":         (*failures).olderNode,
	"a clock is far off":                 elsewhere("node/clock_test.go", "TestLeaderAhead", "TestLeaderBehind"),
	"a clock was far ahead, alone or in a majority, and is right again": elsewhere("node/clock_test.go", "TestTimeStandsStill"),
	"replicas differ": elsewhere("node/diverged_test.go", "TestDiverged"),
}

// TestFailures makes each failure of the table happen to three nodes under calls, and
// asserts what the row says: what clients see, what the operator sees, and that what it
// says to do mends it.
func TestFailures(t *testing.T) {
	text, err := os.ReadFile(operating)
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(text), "\n## When something fails\n")
	table, _, _ = strings.Cut(table, "\n## ")
	f := newFailures(t)
	found := 0
	for line := range strings.Lines(table) {
		cells := strings.Split(line, " | ")
		name := strings.TrimPrefix(cells[0], "| ")
		if len(cells) != 4 || name == "what" {
			continue
		}
		found++
		test := rows[name]
		if test == nil {
			t.Errorf("%s: no test is of the row %q", operating, name)
			continue
		}
		if !t.Run(name, func(t *testing.T) {
			f.T = t
			test(f)
		}) {
			t.FailNow() // what follows would say nothing
		}
	}
	if found != len(rows) {
		t.Errorf("%s: the table has %d rows, and there are tests of %d", operating, found, len(rows))
	}
}

// elsewhere is of a row that a real process cannot be brought to: the machine has one
// clock. Tests of other packages have nodes of their own for it.
func elsewhere(file string, tests ...string) func(*failures) {
	return func(f *failures) {
		text, err := os.ReadFile(filepath.Join(root, file))
		if err != nil {
			f.Fatal(err)
		}
		for _, test := range tests {
			if !strings.Contains(string(text), "func "+test+"(") {
				f.Errorf("%s has no %s", file, test)
			}
		}
	}
}

// failures is a cluster of three that fails in many ways, and a row's test.
type failures struct {
	*testing.T
	c *cluster
	// disks are those that n1 and n2 have to themselves; nil where why says that there
	// can be none.
	disks []*loopDisk
	why   string

	free, leased *target
	callers      int // that have called, for whom nothing is leased
}

// strict is the domain in which everybody has a counter, so that each call of somebody
// new is decided by the log.
const strict = "strict"

func newFailures(t *testing.T) *failures {
	f := &failures{T: t}
	f.disks, f.why = newDisks(t, 2)
	net, err := newWires(3)
	if err != nil {
		t.Fatal(err)
	}
	f.c = layOutCluster(t, tollgate(t), net, 3)
	for i, d := range f.disks {
		f.c.nodes[i].moveTo(filepath.Join(d.dir, "data"))
	}
	f.c.startAll()
	const plenty = 1_000_000_000
	f.free = &target{domain: "free", path: "/x"}
	f.leased = &target{domain: "leased", path: "/x", limit: plenty, window: longWindow}
	f.deploy(`{"swagger":"2.0","info":{"title":"free"},"basePath":"/free","schemes":["http"],"paths":{"/x":{"post":{"x-toastcloud-apigw":
		{"plugins":{"MOCK":{"statusCode":200,"body":"ok"}}}}}}, "x-toastcloud-apigw":{"plugins":{"HTTP_PROXY":{"url":"http://127.0.0.1:1"}}}}`)
	f.deploy(string(document("leased", []*target{f.leased})))
	f.deploy(string(document(strict, []*target{f.somebody()})))
	for _, domain := range []string{"free", "leased", strict} {
		for _, n := range f.c.nodes {
			f.await(n.id+" serves "+domain, func() error { return serves(n, domain) })
		}
	}
	return f
}

func (f *failures) deploy(document string) {
	f.Helper()
	if err := f.c.put(f.c.nodes[0], []byte(document)); err != nil {
		f.Fatal(err)
	}
}

// somebody is a call of a caller who has not called before.
func (f *failures) somebody() *target {
	f.callers++
	return &target{domain: strict, path: "/x", caller: strconv.Itoa(f.callers), limit: 10, window: longWindow}
}

// await waits for a state.
func (f *failures) await(what string, try func() error) {
	f.Helper()
	if err := f.c.await(what, healPatience, try); err != nil {
		f.Fatal(err)
	}
}

// healed waits until all nodes are ready members again, and decide calls.
func (f *failures) healed() {
	f.Helper()
	if err := f.c.healed(healPatience); err != nil {
		f.Fatal(err)
	}
	f.serving(f.c.nodes...)
}

// call makes one call at a node.
func (f *failures) call(n *node, t *target) verdict {
	cl := newClient(0, patient)
	defer cl.close()
	v := cl.call(n, t)
	if v == wrong {
		f.Errorf("%s: %s", n.id, cl.history[0].detail)
	}
	return v
}

// serving asserts that nodes serve calls with and without quotas, as soon as somebody
// leads.
func (f *failures) serving(nodes ...*node) {
	f.Helper()
	for _, n := range nodes {
		f.await(n.id+" serves, and decides by leases and by the log", func() error {
			for _, t := range []*target{f.free, f.leased, f.somebody()} {
				if v := f.call(n, t); v != admitted {
					return fmt.Errorf("a call of %s is %v", t.domain, v)
				}
			}
			return nil
		})
	}
}

// undecided asserts that a node serves calls without a quota and decides no others.
func (f *failures) undecided(n *node) {
	f.Helper()
	if v := f.call(n, f.free); v != admitted {
		f.Errorf("%s: a call without a quota is %v", n.id, v)
	}
	for _, t := range []*target{f.somebody(), f.leased} { // what it has on lease comes to an end
		f.await(n.id+" decides no call of "+t.domain, func() error {
			if v := f.call(n, t); v != undecided {
				return fmt.Errorf("a call is %v", v)
			}
			return nil
		})
	}
}

// notReady waits until /readyz of a node says 503, and why.
func (f *failures) notReady(n *node, why string) {
	f.Helper()
	f.notReadyBy(n.c.admin, n, why)
}

func (f *failures) notReadyBy(admin adminClient, n *node, why string) {
	f.Helper()
	f.await(n.id+" is not ready: "+why, func() error {
		checks, ready, err := admin.of(n).Ready(f.Context())
		if err == nil && (ready || !strings.Contains(checks, why)) {
			err = fmt.Errorf("/readyz: ready is %t, %s", ready, checks)
		}
		return err
	})
}

// metric waits until one of the nodes' samples of a metric is as it should be.
func (f *failures) metric(nodes []*node, name string, is func(float64) bool) {
	f.Helper()
	f.await("a node shows "+name, func() error {
		var seen []string
		for _, n := range nodes {
			text, err := f.c.admin.of(n).Metrics(f.Context())
			if err != nil {
				return err
			}
			for line := range strings.Lines(string(text)) {
				if !strings.HasPrefix(line, name) {
					continue
				}
				seen = append(seen, n.id+": "+line)
				words := strings.Fields(line)
				if v, err := strconv.ParseFloat(words[len(words)-1], 64); err == nil && is(v) {
					return nil
				}
			}
		}
		return fmt.Errorf("seen: %q", seen)
	})
}

func above(least float64) func(float64) bool { return func(v float64) bool { return v > least } }
func equals(v float64) func(float64) bool    { return func(is float64) bool { return is == v } }

// member waits until a node sees another as members shows it.
func (f *failures) member(by *node, id, what string, is func(api.MemberStatus) bool) {
	f.Helper()
	f.await(by.id+" shows "+id+" as "+what, func() error {
		s, err := f.c.admin.of(by).Cluster(f.Context())
		if err != nil {
			return err
		}
		i := slices.IndexFunc(s.Members, func(m api.MemberStatus) bool { return m.ID == id })
		if i < 0 || !is(s.Members[i]) {
			return fmt.Errorf("members: %+v", s.Members)
		}
		return nil
	})
}

func unreachable(m api.MemberStatus) bool { return !m.Reachable }

// logged waits for a line of a node's log behind an offset.
func (f *failures) logged(n *node, from int64, pattern string) {
	f.Helper()
	line := regexp.MustCompile(pattern)
	f.await(n.id+" logs "+pattern, func() error {
		text, err := os.ReadFile(n.log)
		if err == nil && !line.Match(text[from:]) {
			err = errors.New("it does not")
		}
		return err
	})
}

// logEnd is where a node's log ends.
func (f *failures) logEnd(n *node) int64 {
	info, err := os.Stat(n.log)
	if err != nil {
		f.Fatal(err)
	}
	return info.Size()
}

// lead has a node lead.
func (f *failures) lead(n *node) {
	f.Helper()
	f.await(n.id+" leads", func() error {
		switch leader := f.c.leader(); {
		case leader == n:
			return nil
		case leader == nil:
			return errors.New("nobody leads")
		default:
			return errors.Join(f.c.admin.of(leader).Transfer(f.Context(), n.id), fmt.Errorf("%s leads", leader.id))
		}
	})
}

// follow has another than a node lead.
func (f *failures) follow(n *node) (leader *node) {
	f.Helper()
	leader = f.others(n)[0]
	f.lead(leader)
	return leader
}

// others are all nodes but those.
func (f *failures) others(those ...*node) []*node {
	return slices.DeleteFunc(slices.Clone(f.c.nodes), func(n *node) bool { return slices.Contains(those, n) })
}

// anotherLeads waits until a node leads that is not that one.
func (f *failures) anotherLeads(than *node) {
	f.Helper()
	f.await("another than "+than.id+" leads", func() error {
		if leader := f.c.leader(); leader == nil || leader == than {
			return errors.New("none does")
		}
		return nil
	})
	f.metric(f.others(than), "tollgate_raft_leader ", equals(1))
}

func (f *failures) start(nodes ...*node) {
	f.Helper()
	for _, n := range nodes {
		if err := n.start(); err != nil {
			f.Fatal(err)
		}
	}
}

func (f *failures) nodeLost() {
	lost := f.c.nodes[2]
	f.follow(lost)
	others := f.others(lost)
	small := &target{domain: "small", path: "/x", limit: 300, window: longWindow}
	f.deploy(string(document(small.domain, []*target{small})))
	for _, n := range f.c.nodes {
		f.await(n.id+" serves "+small.domain, func() error { return serves(n, small.domain) })
	}
	count := 0
	for range 5 { // it gets units on lease
		if f.call(lost, small) == admitted {
			count++
		}
	}
	lost.process().Kill()
	f.serving(others...)
	f.member(others[0], lost.id, "unreachable", unreachable)
	f.await("the quota is used up", func() error {
		for v := admitted; v == admitted; {
			switch v = f.call(others[0], small); v {
			case admitted:
				count++
			case refused:
				return nil
			}
		}
		return errors.New("a call is undecided")
	})
	switch conditions, err := f.c.readings(others[0], small.domain); {
	case err != nil:
		f.Fatal(err)
	case len(conditions) != 1 || conditions[0].Lost == 0 || count > small.limit || count+int(conditions[0].Lost) < small.limit:
		f.Errorf("%d calls were admitted of %d, and the quota reads %+v", count, small.limit, conditions)
	}
	f.start(lost)
	f.healed()

	for i := range 2 {
		f.c.net.set(2, i, weather{lost: true})
		f.c.net.set(i, 2, weather{lost: true})
	}
	f.member(others[0], lost.id, "unreachable", unreachable)
	f.serving(others...)
	f.notReady(lost, "leader: no leader is known now")
	f.undecided(lost)
	for i := range 2 {
		f.c.net.set(2, i, weather{})
		f.c.net.set(i, 2, weather{})
	}
	f.healed()

	// For good.
	lost.process().Kill()
	if err := f.c.leave(func() *node { return others[0] }, lost.id, healPatience); err != nil {
		f.Fatal(err)
	}
	f.empty(lost)
	f.start(lost)
	f.healed()
}

// empty removes a node's data.
func (f *failures) empty(n *node) {
	f.Helper()
	if err := os.RemoveAll(n.data); err != nil {
		f.Fatal(err)
	}
}

func (f *failures) leaderDies() {
	f.await("somebody leads", func() error {
		if f.c.leader() == nil {
			return errors.New("nobody does")
		}
		return nil
	})
	leader := f.c.leader()
	others := f.others(leader)
	var ends []int64
	for _, n := range others {
		ends = append(ends, f.logEnd(n))
	}
	leader.process().Kill()
	f.serving(others...)
	f.anotherLeads(leader)
	for i, n := range others {
		f.logged(n, ends[i], `level=INFO msg=leader id=n\d`)
	}
	f.start(leader)
	f.healed()
}

func (f *failures) majorityGone() {
	left, gone := f.c.nodes[2], f.c.nodes[:2]
	f.deploy(`{"swagger":"2.0","info":{"title":"lenient"},"basePath":"/lenient","schemes":["http"],"paths":{"/x":{"post":{"x-toastcloud-apigw":
		{"plugins":{"MOCK":{"statusCode":200,"body":"ok"}}}}}}, "x-toastcloud-apigw":{"plugins":{"HTTP_PROXY":{"url":"http://127.0.0.1:1"},
		"USAGE_QUOTA":{"usageQuotaBeans":[{"maxUsageQuota":5,"resetTimeSeconds":3600}],"onUnavailable":"admit"}}}}`)
	f.await(left.id+" serves lenient", func() error { return serves(left, "lenient") })
	for _, n := range gone {
		n.process().Kill()
	}
	f.notReady(left, "leader: no leader is known now")
	f.metric([]*node{left}, "tollgate_raft_leader_known ", equals(0))
	f.undecided(left)
	for range 6 { // more than the quota has
		if v := f.call(left, &target{domain: "lenient", path: "/x"}); v != admitted {
			f.Errorf("with onUnavailable admit, a call is %v", v)
		}
	}
	if _, err := f.c.admin.of(left).Deploy(f.Context(), document("late", []*target{f.leased})); api.StatusOf(err) != http.StatusServiceUnavailable {
		f.Errorf("a write: %v", err)
	}
	f.start(gone[0])
	f.await(left.id+" is ready", left.ready)
	f.serving(left, gone[0])

	// For good: docs/operate.md, "When the majority is gone for good".
	gone[0].process().Kill()
	if err := terminate(left.process()); err != nil {
		f.Fatal(err)
	}
	recoverIt := func(args ...string) (string, int) {
		cmd := exec.Command(left.binary, append([]string{"recover", "--data-dir", left.data}, args...)...)
		out, err := cmd.CombinedOutput()
		if cmd.ProcessState == nil {
			f.Fatal(err)
		}
		return string(out), cmd.ProcessState.ExitCode()
	}
	if out, status := recoverIt(); status != 2 || !strings.Contains(out, "nothing was changed; --yes does it") {
		f.Errorf("without --yes it ends with %d: %s", status, out)
	}
	if out, status := recoverIt("--yes"); status != 0 || !strings.Contains(out, "generation 2") {
		f.Fatalf("with --yes it ends with %d: %s", status, out)
	}
	f.start(left)
	f.await(left.id+" is ready", left.ready)
	f.serving(left)
	f.start(gone[0])
	f.notReady(gone[0], "recovered without this node")
	if v := f.call(gone[0], f.somebody()); v != notReady {
		f.Errorf("a node of before decides: %v", v)
	}
	gone[0].process().Kill()
	for _, n := range gone {
		f.empty(n)
		f.start(n)
	}
	f.healed()
}

func (f *failures) linkSlow() {
	leader := f.follow(f.c.nodes[2])
	others := f.others(leader)
	for _, n := range others {
		f.c.net.set(leader.i, n.i, weather{delay: 50 * time.Millisecond})
		f.c.net.set(n.i, leader.i, weather{delay: 50 * time.Millisecond})
	}
	ctx, stop := context.WithCancel(f.Context())
	done := make(chan struct{})
	go func() { // the log grows, so that somebody is behind
		defer close(done)
		cl := newClient(1, patient)
		defer cl.close()
		for i := 0; ctx.Err() == nil; i++ {
			cl.call(leader, &target{domain: strict, path: "/x", caller: fmt.Sprint("slow ", i), limit: 10, window: longWindow})
		}
	}()
	f.metric(f.c.nodes, "tollgate_raft_follower_lag_entries", above(0))
	stop()
	<-done
	f.serving(f.c.nodes...)
	for _, n := range others {
		f.c.net.set(leader.i, n.i, weather{})
		f.c.net.set(n.i, leader.i, weather{})
	}
	f.healed()
}

func (f *failures) olderNode() {
	binary := older(f.T)
	net, err := newWires(3)
	if err != nil {
		f.Fatal(err)
	}
	c := layOutCluster(f.T, tollgate(f), net, 3)
	old, newer := c.nodes[0], c.nodes[1] // the first one founds the cluster
	old.binary = binary
	c.startAll()
	of := &failures{T: f.T, c: c}
	for _, n := range c.nodes {
		of.member(newer, n.id, "one with its rules", func(m api.MemberStatus) bool {
			return m.Rules > 0 && (m.Rules < uint32(store.KnownRules().Newest)) == (n == old)
		})
	}
	of.lead(newer)
	document := document(strict, []*target{of.somebody()})
	if _, err := c.admin.of(newer).Deploy(f.Context(), document); api.StatusOf(err) != http.StatusConflict {
		f.Errorf("a quota by caller: %v", err)
	}
	if err := terminate(old.process()); err != nil {
		f.Fatal(err)
	}
	old.binary = c.binary
	of.start(old)
	of.await("a quota by caller is taken", func() error {
		_, err := c.admin.of(newer).Deploy(f.Context(), document)
		return err
	})
	of.await(old.id+" serves it", func() error { return serves(old, strict) })
	if v := of.call(old, of.somebody()); v != admitted {
		f.Errorf("a call is %v", v)
	}
}
