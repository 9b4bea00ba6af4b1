package node_test

import (
	"encoding/json"
	"slices"
	"strconv"
	"testing"

	"github.com/tollgate/tollgate/node/nodetest"
)

// TestServedByAll: when a deploy has answered, every node serves it, except those
// that it names.
func TestServedByAll(t *testing.T) {
	t.Parallel()
	c := nodetest.Start(t, 3)
	// deploy has a node deploy what answers body; a leader may move on a busy machine.
	deploy := func(through func() *nodetest.Node, body string) (pending []string) {
		t.Helper()
		nodetest.Eventually(t, "a deploy", func() bool {
			r := api(t, through(), "PUT", "/v1/domains/d?deploy=true", swagger("d", "D", body, ""))
			var saved struct{ Pending []string }
			if err := json.Unmarshal([]byte(r.body), &saved); r.status == 200 && (err != nil || saved.Pending == nil) {
				t.Fatal(r)
			}
			pending = saved.Pending
			return r.status == 200
		})
		return pending
	}
	for i := range 9 {
		body := strconv.Itoa(i)
		named := deploy(func() *nodetest.Node { return c.Nodes[i%3] }, body)
		for _, n := range c.Nodes {
			if r := call(t, web, "GET", n.ProxyAddr(), "/d/x", ""); r.body != body && !slices.Contains(named, n.ID) {
				t.Errorf("deploy %d: %s serves %v", i, n.ID, r)
			}
		}
	}
	down := c.Nodes[0]
	if down == c.Leader() {
		down = c.Nodes[1]
	}
	down.Kill()
	named := deploy(c.Leader, "last")
	if !slices.Contains(named, down.ID) {
		t.Errorf("pending are %v, want %s among them", named, down.ID)
	}
}
