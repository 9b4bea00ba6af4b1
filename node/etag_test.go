package node_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/tollgate/tollgate/node/nodetest"
)

// conditionally makes a call with If-Match, or with another field "NAME: VALUE".
func conditionally(t *testing.T, n *nodetest.Node, method, path, body, condition string) reply {
	t.Helper()
	req, err := http.NewRequest(method, n.AdminURL()+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	name, value, named := strings.Cut(condition, ": ")
	if !named {
		name, value = "If-Match", condition
	}
	req.Header.Set(name, value)
	r, err := send(web, req)
	if err != nil {
		t.Error(err)
	}
	return r
}

// TestETag follows a draft's ETag through its life, at whichever node: it
// changes with each draft, is told alike everywhere, and never comes again.
func TestETag(t *testing.T) {
	t.Parallel()
	c := nodetest.Start(t, 3)
	at := func(i int) *nodetest.Node { return c.Nodes[i%3] }
	seen := map[string]bool{}
	fresh := func(r reply) string {
		t.Helper()
		tag := r.header.Get("ETag")
		if r.status != 200 || tag == "" || seen[tag] {
			t.Fatalf("%v has the ETag %s, seen %v", r, tag, seen)
		}
		seen[tag] = true
		return tag
	}
	document := swagger("shop", "Shop", "ok", "")
	first := fresh(conditionally(t, at(0), "POST", "/v1/domains", document, "If-None-Match: *"))
	for i := range 3 {
		for _, path := range []string{"/v1/domains/shop", "/v1/domains/shop?secrets=true"} {
			if r := api(t, at(i), "GET", path, ""); r.header.Get("ETag") != first {
				t.Errorf("%s at %s: %s, want %s", path, at(i).ID, r.header.Get("ETag"), first)
			}
		}
	}
	if r := api(t, at(1), "POST", "/v1/domains/shop/deploy", ""); r.header.Get("ETag") != first {
		t.Errorf("deploy: %s, want %s", r.header.Get("ETag"), first)
	}
	if r := conditionally(t, at(2), "PUT", "/v1/domains/shop?deploy=true", document, first); r.status != 200 || r.header.Get("ETag") != first {
		t.Errorf("the same document again: %v with %s, want %s", r, r.header.Get("ETag"), first)
	}
	second := fresh(conditionally(t, at(1), "PUT", "/v1/domains/shop", swagger("shop", "Shop", "second", ""), first))
	third := fresh(api(t, at(2), "POST", "/v1/domains?deploy=true", swagger("shop", "Shop", "third", "")))
	for i, r := range []reply{
		conditionally(t, at(0), "PUT", "/v1/domains/shop", document, first),
		conditionally(t, at(1), "POST", "/v1/domains", document, second),
		conditionally(t, at(2), "POST", "/v1/domains", document, "If-None-Match: *"),
		conditionally(t, at(0), "POST", "/v1/domains/shop/deploy", "", second),
		conditionally(t, at(1), "DELETE", "/v1/domains/shop?confirm=shop", "", second),
	} {
		if r.status != 412 || r.code != 41200 || r.header.Get("ETag") != "" {
			t.Errorf("stale condition %d: %v", i, r)
		}
	}
	if r := conditionally(t, at(2), "DELETE", "/v1/domains/shop?confirm=shop", "", third); r.status != 200 {
		t.Fatal(r)
	}
	fresh(api(t, at(0), "POST", "/v1/domains", document))
	for tag := range seen {
		if r := api(t, at(1), "GET", "/v1/domains/shop", ""); r.header.Get("ETag") == tag {
			continue
		}
		if r := conditionally(t, at(1), "PUT", "/v1/domains/shop", document, tag); r.status != 412 {
			t.Errorf("an ETag of before the delete: %v", r)
		}
	}
}

// TestRacingAdministrators: of many who read the same draft and change it
// through different nodes at the same time, exactly one wins, every time.
func TestRacingAdministrators(t *testing.T) {
	t.Parallel()
	c := nodetest.Start(t, 3)
	tag := api(t, c.Nodes[0], "POST", "/v1/domains", swagger("shop", "Shop", "0", "")).header.Get("ETag")
	for round := range 10 {
		const racers = 6
		replies := make([]reply, racers)
		var wg sync.WaitGroup
		for i := range racers {
			wg.Go(func() {
				body := swagger("shop", "Shop", fmt.Sprintf("%d by %d", round, i), "")
				replies[i] = conditionally(t, c.Nodes[i%3], "PUT", "/v1/domains/shop", body, tag)
			})
		}
		wg.Wait()
		winner := -1
		for i, r := range replies {
			switch {
			case r.status == 200 && winner < 0:
				winner = i
			case r.status == 200:
				t.Fatalf("round %d: both %d and %d won", round, winner, i)
			case r.status != 412:
				t.Fatalf("round %d, %d: %v", round, i, r)
			}
		}
		if winner < 0 {
			t.Fatalf("round %d: nobody won", round)
		}
		tag = replies[winner].header.Get("ETag")
		if r := api(t, c.Nodes[(winner+1)%3], "GET", "/v1/domains/shop", ""); r.header.Get("ETag") != tag || !strings.Contains(r.body, fmt.Sprintf("%d by %d", round, winner)) {
			t.Fatalf("round %d: the draft is not the winner's: %v", round, r)
		}
	}
	c.Digest()
}
