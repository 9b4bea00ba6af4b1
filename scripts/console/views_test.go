package console

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/tollgate/tollgate/node/admin/console"
)

// large is a node of a cluster of 50, of which one does not answer and none leads, with a
// domain of 10,000 endpoints.
func large() http.Handler {
	mux := http.NewServeMux()
	mux.Handle(console.Path, console.Handler(http.NotFound))
	say := func(path string, status int, body string) {
		mux.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(status)
			fmt.Fprint(w, body)
		})
	}
	var members, paths []string
	for i := range 50 {
		members = append(members, fmt.Sprintf(`{"id":"n%d","voter":%v,"role":"follower","reachable":%v,"appliedIndex":%d,"proxyAddress":"10.0.0.%d:8001","version":"1","rules":3,"clockAheadSeconds":%d}`, i+1, i < 5, i != 7, 1000-i, i+1, i/40))
	}
	for i := range 10_000 {
		paths = append(paths, fmt.Sprintf(`"/things/%d/{id}":{"get":{}}`, i))
	}
	say("/v1/whoami", 200, `{"name":"kim","role":"admin"}`)
	say("/v1/cluster", 200, `{"clusterId":"c","leader":"","term":9,"members":[`+strings.Join(members, ",")+`]}`)
	say("/readyz", 503, "member: ok\nleader: no leader is known now\n")
	say("/v1/domains", 200, `[{"key":"big","name":"Big","draftRevision":1,"deployedRevision":1,"endpoints":10000}]`)
	say("/v1/domains/big", 200, `{"swagger":"2.0","paths":{`+strings.Join(paths, ",")+`}}`)
	say("/v1/domains/big/diff", 200, `{"key":"big","draftRevision":1,"deployedRevision":1,"equal":true,"changes":[],"truncated":false}`)
	say("/v1/domains/big/stats", 422, `{"header":{"resultCode":42200,"resultMessage":"42200 that is more than 100000 points","isSuccessful":false}}`)
	say("/v1/audit", 503, `{"header":{"resultCode":50300,"resultMessage":"50300 the cluster has no leader now","isSuccessful":false}}`)
	mux.HandleFunc("/v1/events", func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	return mux
}

// TestViews: a cluster of 50 nodes, one of which is gone, without a leader; a domain with
// 10,000 endpoints; and what cannot be told without a quorum.
func TestViews(t *testing.T) {
	server := httptest.NewServer(large())
	t.Cleanup(server.Close) // after the browser, which would come back for events
	b := open(t)
	b.expected = []string{"503 (Service Unavailable)", "422 (Unprocessable Entity)"}
	b.goes(server.URL + "/console/")
	b.sees("No leader is known")
	b.sees("n8 does not answer.")
	b.sees("leader: no leader is known now")
	b.each("no-quorum")
	b.enter("Find a member", "10.0.0.42")
	b.sees("1 of 50")
	b.goes(server.URL + "/console/#/domains/big/endpoints")
	b.sees("page 1 of 100, 10,000 of 10,000")
	b.each("many-endpoints")
	b.press("Next")
	b.sees("page 2 of 100")
	b.enter("Find an endpoint", "/things/9999/")
	b.sees("1 of 10,000")
	b.goes(server.URL + "/console/#/statistics/big")
	b.sees("that is more than 100000 points. Choose an endpoint, or longer steps.")
	b.goes(server.URL + "/console/#/audit")
	b.sees("The cluster cannot answer now")
	b.sees("the cluster has no leader now")
	b.each("trouble")
	b.sound(host(server.URL))
}
