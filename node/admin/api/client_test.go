package api_test

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/tollgate/tollgate/node/admin/api"
	"github.com/tollgate/tollgate/store/catalog"
)

// node answers every call with the same, and keeps the last one.
type node struct {
	status      int
	contentType string
	answer      string
	asked       string
}

func (n *node) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	n.asked = strings.TrimSpace(strings.Join([]string{r.Method, r.URL.RequestURI(), r.Header.Get("Authorization"), r.Header.Get("If-Match"), r.Header.Get("Content-Type"), string(body)}, "|"))
	w.Header().Set("Content-Type", n.contentType)
	w.Header().Set("ETag", `"7"`)
	w.WriteHeader(n.status)
	_, _ = io.WriteString(w, n.answer)
}

func serve(t *testing.T, h http.Handler) *api.Client {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return &api.Client{URL: server.URL + "/", Token: "s", HTTP: &http.Client{CheckRedirect: api.NoRedirect}}
}

// TestCalls: what each call asks, and that its answer comes back as a value.
func TestCalls(t *testing.T) {
	n := &node{status: 200, contentType: "application/json"}
	c := serve(t, n)
	for _, call := range []struct {
		answer, asked string
		make          func() (any, error)
		want          any
	}{
		{`{"leader":"n2","term":4}`, "GET|/v1/cluster|Bearer s|||", func() (any, error) { s, err := c.Cluster(t.Context()); return s.Leader, err }, "n2"},
		{`{"id":"n1","fresh":true}`, "GET|/v1/cluster/self|Bearer s|||", func() (any, error) { s, err := c.Self(t.Context()); return s, err }, api.Self{ID: "n1", Fresh: true}},
		{`{}`, `POST|/v1/cluster/join|Bearer s||application/json|{"id":"n4","clusterAddress":"a:1","adminAddress":"a:2","proxyAddress":"a:3","voter":true}`, func() (any, error) {
			return nil, c.Join(t.Context(), api.NewMember{ID: "n4", ClusterAddress: "a:1", AdminAddress: "a:2", ProxyAddress: "a:3", Voter: true})
		}, nil},
		{`{}`, `POST|/v1/cluster/leave|Bearer s||application/json|{"id":"n4"}`, func() (any, error) { return nil, c.Leave(t.Context(), "n4") }, nil},
		{`{}`, `POST|/v1/cluster/transfer|Bearer s||application/json|{}`, func() (any, error) { return nil, c.Transfer(t.Context(), "") }, nil},
		{`{"key":"shop","revision":3}`, `POST|/v1/domains?deploy=true|Bearer s||application/json|{"a":1}`, func() (any, error) {
			s, err := c.Deploy(t.Context(), []byte(`{"a":1}`))
			return s.Revision, err
		}, uint64(3)},
		{`{"conditions":[{"endpoint":null,"used":5}]}`, "GET|/v1/domains/a%2Fb/quota|Bearer s|||", func() (any, error) {
			q, err := c.Quota(t.Context(), "a/b")
			return len(q) == 1 && q[0].Used == 5, err
		}, true},
	} {
		n.answer = call.answer
		got, err := call.make()
		if err != nil || got != call.want || n.asked != strings.TrimSpace(call.asked) {
			t.Errorf("asked %s, got %v, %v\nwant %s, %v", n.asked, got, err, call.asked, call.want)
		}
	}
	n.answer = "{}"
	answer, err := c.Do(t.Context(), api.Request{Method: "PUT", Path: api.DomainPath("shop"), Body: []byte("{}"), IfMatch: `"6"`})
	if err != nil || answer.ETag != `"7"` || n.asked != `PUT|/v1/domains/shop|Bearer s|"6"|application/json|{}` {
		t.Errorf("%+v, %v, asked %s", answer, err, n.asked)
	}
}

// TestErrors: a refusal keeps everything that it said; what is no admin API's
// answer has no code.
func TestErrors(t *testing.T) {
	const envelope = `{"header":{"resultCode":42200,"resultMessage":"42200 Refused","isSuccessful":false},"errors":[{"path":"$.id","message":"is missing"}]}`
	for name, c := range map[string]struct {
		node node
		want api.Error
		text string
	}{
		"refused":  {node{422, "application/json", envelope, ""}, api.Error{Status: 422, Code: 42200, Message: "42200 Refused", Problems: []catalog.Problem{{Path: "$.id", Message: "is missing"}}}, "422 Unprocessable Entity: 42200 Refused; $.id: is missing"},
		"a page":   {node{200, "text/html", "<html>", ""}, api.Error{Status: 200, Message: "<html>"}, "200 OK: <html>"},
		"other":    {node{404, "text/plain", "no such page\n", ""}, api.Error{Status: 404, Message: "no such page"}, "404 Not Found: no such page"},
		"redirect": {node{302, "text/plain", "away", ""}, api.Error{Status: 302, Message: "away"}, "302 Found: away"},
	} {
		err := serve(t, &c.node).Leave(t.Context(), "n1")
		var got *api.Error
		if !errors.As(err, &got) || got.Status != c.want.Status || got.Code != c.want.Code || got.Message != c.want.Message ||
			!slices.Equal(got.Problems, c.want.Problems) || got.ContentType != c.node.contentType || string(got.Body) != c.node.answer {
			t.Errorf("%s: %+v", name, got)
		}
		if err.Error() != c.text || api.StatusOf(err) != c.want.Status {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestLost: whether a call may have arrived is told.
func TestLost(t *testing.T) {
	hangUp := serve(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := &api.Client{URL: "http://" + ln.Addr().String(), HTTP: http.DefaultClient}
	ln.Close()
	for c, sent := range map[*api.Client]bool{hangUp: true, nobody: false} {
		err := c.Leave(t.Context(), "n1")
		var lost *api.LostError
		if !errors.As(err, &lost) || lost.Sent != sent || api.StatusOf(err) != 0 {
			t.Errorf("%v, want sent %v", err, sent)
		}
	}
}

// TestReady: not to be ready is an answer, with what is the matter.
func TestReady(t *testing.T) {
	n := &node{status: 503, contentType: "text/plain; charset=utf-8", answer: "member: ok\nleader: none\n"}
	c := serve(t, n)
	if checks, ready, err := c.Ready(t.Context()); checks != n.answer || ready || err != nil {
		t.Errorf("%q, %v, %v", checks, ready, err)
	}
	if err := c.CheckReady(t.Context()); err == nil || err.Error() != "/readyz: member: ok; leader: none" {
		t.Errorf("%v", err)
	}
	n.status, n.answer = 200, "member: ok\n"
	if err := c.CheckReady(t.Context()); err != nil {
		t.Error(err)
	}
	n.contentType = "text/html"
	if err := c.CheckReady(t.Context()); api.StatusOf(err) != 200 {
		t.Errorf("a web page: %v", err)
	}
}
