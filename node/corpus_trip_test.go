package node_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/tollgate/tollgate/node/nodetest"
	"github.com/tollgate/tollgate/store/catalog"
)

// TestCorpusRoundTrip takes every document of the corpus that imports through a
// node: import, deploy, call, export, import. What is exported, in either format,
// is the same domain, and again exports the same.
func TestCorpusRoundTrip(t *testing.T) {
	t.Parallel()
	n := nodetest.Start(t, 1).Nodes[0]
	var mu sync.Mutex
	heard := ""
	origin := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		heard = r.Method + " " + r.URL.EscapedPath()
	}))
	defer origin.Close()
	trips := 0
	for _, s := range readCorpus(t) {
		doc, err := catalog.Parse(s.input, s.options())
		if err != nil {
			continue
		}
		trips++
		own := doc.Domain.Plugins.HTTPProxy.URL
		base := "" // the document's own path, or that of its own HTTP_PROXY
		if server := s.head["endpoint server"]; server != "" {
			base = strings.TrimPrefix(own, server)
		}
		query := url.Values{"deploy": {"true"}, "replace": {"true"}, "endpointServer": {origin.URL}}
		for _, name := range []string{"key", "name", "scheme"} {
			if s.head[name] != "" {
				query.Set(name, s.head[name])
			}
		}
		key := doc.Domain.Key
		put(t, n, s.file, "/v1/domains?"+query.Encode(), string(s.input))
		if e := callable(doc); e != nil {
			path := samplePath(e.Pattern)
			r := call(t, web, e.Method, n.ProxyAddr(), "/"+key+path, "")
			mu.Lock()
			if want := e.Method + " " + base + path; r.status != 200 || heard != want {
				t.Errorf("%s: %s %s: %v, the endpoint server heard %q, want %q", s.file, e.Method, path, r, heard, want)
			}
			heard = ""
			mu.Unlock()
		}
		asJSON, asYAML := exported(t, n, key, "application/json"), exported(t, n, key, "application/yaml")
		came := exported(t, n, key, "application/json, application/yaml")
		if want := map[bool]string{true: asYAML, false: asJSON}[catalog.CameAsYAML(doc.JSON)]; came != want {
			t.Errorf("%s: the export is not in the format that came", s.file)
		}
		stored, _ := catalog.Parse([]byte(asJSON), catalog.ParseOptions{})
		for _, export := range []string{asYAML, asJSON} {
			put(t, n, s.file+", exported", "/v1/domains?deploy=true", export)
			if again := exported(t, n, key, "application/json"); again != asJSON {
				t.Errorf("%s: exported again it is\n%.2000s\nand was\n%.2000s", s.file, again, asJSON)
			}
		}
		if stored == nil || stored.Domain.Key != key || stored.Domain.Name != doc.Domain.Name || len(stored.Domain.Endpoints) != len(doc.Domain.Endpoints) {
			t.Errorf("%s: the export is another domain", s.file)
		}
	}
	if trips < 40 {
		t.Errorf("%d documents made the trip", trips)
	}
}

// put imports a document. What a busy machine does not do in time is asked again.
func put(t *testing.T, n *nodetest.Node, what, path, document string) {
	t.Helper()
	nodetest.Eventually(t, what+" is imported", func() bool {
		r := api(t, n, "POST", path, document)
		if r.status != 200 && r.status != 503 {
			t.Fatalf("%s: %v\n%.2000s", what, r, document)
		}
		return r.status == 200
	})
}

// callable is an endpoint that answers whoever calls it, if there is one.
func callable(doc *catalog.Document) *catalog.Endpoint {
	d := doc.Domain
	if d.Plugins.HMAC != nil || d.Plugins.JWT != nil || len(doc.Warnings) > 0 {
		return nil
	}
	for i := range d.Endpoints {
		if e := &d.Endpoints[i]; e.Plugins.Mock == nil && e.Plugins.URIRewrite == nil {
			return e
		}
	}
	return nil
}

// samplePath is a path that a pattern matches.
func samplePath(pattern string) string {
	var b strings.Builder
	inside := false
	for _, r := range pattern {
		switch {
		case r == '{':
			inside = true
			b.WriteByte('7')
		case r == '}':
			inside = false
		case !inside:
			b.WriteRune(r)
		}
	}
	u := url.URL{Path: strings.NewReplacer("**", "a/b", "*", "a", "?", "q").Replace(b.String())}
	return u.EscapedPath()
}

// exported is a domain's document, with its secrets.
func exported(t *testing.T, n *nodetest.Node, key, accept string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+n.AdminAddr()+"/v1/domains/"+key+"?secrets=true", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", accept)
	resp, err := web.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("export of %s: %d %v %.300s", key, resp.StatusCode, err, body)
	}
	return string(body)
}
