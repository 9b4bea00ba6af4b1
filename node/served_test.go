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
	pending := func(r reply) (ids []string) {
		t.Helper()
		var saved struct{ Pending []string }
		if err := json.Unmarshal([]byte(r.body), &saved); r.status != 200 || err != nil || saved.Pending == nil {
			t.Fatal(r)
		}
		return saved.Pending
	}
	for i := range 9 {
		body := strconv.Itoa(i)
		named := pending(api(t, c.Nodes[i%3], "PUT", "/v1/domains/d?deploy=true", swagger("d", "D", body, "")))
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
	var named []string
	nodetest.Eventually(t, "a deploy without one node", func() bool {
		r := api(t, c.Leader(), "PUT", "/v1/domains/d?deploy=true", swagger("d", "D", "last", ""))
		if r.status == 200 {
			named = pending(r)
		}
		return r.status == 200
	})
	if !slices.Contains(named, down.ID) {
		t.Errorf("pending are %v, want %s among them", named, down.ID)
	}
}
