package tracing

import (
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/tollgate/tollgate/proxy"
	"github.com/tollgate/tollgate/store/catalog"
	"github.com/tollgate/tollgate/store/quota"
)

const patience = time.Minute

// fakeCollector takes traces as a collector does.
type fakeCollector struct {
	*httptest.Server
	mu    sync.Mutex
	spans []*span
	sick  bool
	asked int
}

// span is one that came, with its resource's attributes among its own.
type span struct {
	*v1.Span
	attributes map[string]string
}

func startCollector(t *testing.T) *fakeCollector {
	c := &fakeCollector{}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		raw, err := io.ReadAll(r.Body)
		var req collector.ExportTraceServiceRequest
		if err == nil {
			err = proto.Unmarshal(raw, &req)
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.asked++
		if r.Method != "POST" || r.URL.Path != "/v1/traces" || r.Header.Get("Content-Type") != "application/x-protobuf" || err != nil {
			t.Errorf("%s %s %v: %v", r.Method, r.URL, r.Header, err)
		}
		if c.sick {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		for _, of := range req.ResourceSpans {
			for _, scope := range of.ScopeSpans {
				for _, s := range scope.Spans {
					known := map[string]string{}
					for _, a := range append(of.Resource.Attributes, s.Attributes...) {
						known[a.Key] = a.Value.GetStringValue()
						if n := a.Value.GetIntValue(); n != 0 {
							known[a.Key] = fmt.Sprint(n)
						}
					}
					c.spans = append(c.spans, &span{s, known})
				}
			}
		}
	}))
	t.Cleanup(c.Close)
	return c
}

// rig is a gateway whose calls are traced.
type rig struct {
	*Tracer
	addr  string
	proxy *proxy.Proxy
}

type admitAll struct{ onlyTakes }

// onlyTakes is the rest of a Quota that decides calls and nothing else.
type onlyTakes struct{}

func (onlyTakes) Standings(_ *quota.Call, into []quota.Standing) []quota.Standing { return into }

func (onlyTakes) Claim(string, []byte, time.Time) (bool, error) { return true, nil }

func (admitAll) Take(*quota.Call) (quota.Verdict, error) {
	return quota.Verdict{Admitted: true}, nil
}

func startRig(t *testing.T, cfg Config, domains ...*catalog.Domain) *rig {
	t.Helper()
	cfg.Logger = slog.New(slog.DiscardHandler)
	tracer, err := Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	p, err := proxy.New(proxy.Config{Quota: admitAll{}, Logger: cfg.Logger, Tracer: tracer})
	if err != nil {
		t.Fatal(err)
	}
	var list []proxy.Deployment
	for _, d := range domains {
		list = append(list, proxy.Deployment{Domain: d, Serial: 1})
	}
	if err := p.Publish(list); err != nil {
		t.Fatal(err)
	}
	p.SetOpen(true)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- p.Serve(ln) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := p.Shutdown(ctx); err != nil {
			t.Error(err)
		}
		<-served
	})
	return &rig{tracer, ln.Addr().String(), p}
}

// domain has one endpoint, GET /a/{id}, with these plugins.
func domain(key, url string, plugins catalog.EndpointPlugins) *catalog.Domain {
	d := &catalog.Domain{Key: key, Name: key, Schemes: []string{"http"}}
	d.Plugins.HTTPProxy = &catalog.HTTPProxy{URL: url}
	d.Endpoints = []catalog.Endpoint{{Method: "GET", Pattern: "/a/{id}", Plugins: plugins}}
	return d
}

// get asks the gateway with header fields and returns the status.
func (r *rig) get(t *testing.T, target string, fields ...string) int {
	t.Helper()
	req, err := http.NewRequest("GET", "http://"+r.addr+target, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(fields); i += 2 {
		req.Header.Add(fields[i], fields[i+1])
	}
	req.Close = true
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode
}

// await flushes until the collector has n spans, and returns them by kind and plugin.
func (c *fakeCollector) await(t *testing.T, r *rig, n int) map[string]*span {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if err := r.provider.ForceFlush(context.Background()); err != nil {
			t.Fatal(err)
		}
		c.mu.Lock()
		got := c.spans
		c.mu.Unlock()
		if len(got) < n {
			continue
		}
		by := map[string]*span{}
		for _, s := range got {
			name := s.attributes["tollgate.plugin"]
			if s.Kind == v1.Span_SPAN_KIND_SERVER {
				name = "server"
			}
			by[name] = s
		}
		if len(got) > n {
			t.Fatalf("%d spans, want %d: %v", len(got), n, by)
		}
		return by
	}
	t.Fatal("the spans do not come")
	return nil
}

func (c *fakeCollector) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.spans = nil
}

// endpoint is a server that remembers the header of its last request.
type endpoint struct {
	*httptest.Server
	mu     sync.Mutex
	header http.Header
}

func startEndpoint(t *testing.T, status int) *endpoint {
	u := &endpoint{}
	u.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		u.mu.Lock()
		u.header = r.Header.Clone()
		u.mu.Unlock()
		w.WriteHeader(status)
		_, _ = io.WriteString(w, "hello")
	}))
	t.Cleanup(u.Close)
	return u
}

func (u *endpoint) heard() http.Header {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.header
}

const (
	theirTrace  = "0af7651916cd43dd8448eb211c80319c"
	theirSpan   = "b7ad6b7169203331"
	theirParent = "00-" + theirTrace + "-" + theirSpan + "-01"
)

// TestSpans: a call is a server span with one for the Pre API and one for the
// endpoint server below it, in the client's trace, with the attributes of the
// semantic conventions; and those two servers hear which span is theirs.
func TestSpans(t *testing.T) {
	c := startCollector(t)
	pre, up := startEndpoint(t, 200), startEndpoint(t, 201)
	r := startRig(t, Config{Endpoint: c.URL, NodeID: "n1", Version: "v9"},
		domain("test", up.URL+"/base", catalog.EndpointPlugins{PreAPI: &catalog.PreAPI{Method: "POST", URL: pre.URL + "/check?key=secret"}}))
	began := time.Now()
	if got := r.get(t, "/test/a/1?key=secret", "Traceparent", theirParent, "Tracestate", "a=1", "Tracestate", "b=2", "X-Request-Id", "mine"); got != 201 {
		t.Fatal(got)
	}
	spans := c.await(t, r, 3)
	server, asked, called := spans["server"], spans["PRE_API"], spans["HTTP_PROXY"]
	if server == nil || asked == nil || called == nil {
		t.Fatalf("%v", spans)
	}
	for name, s := range spans {
		if hex.EncodeToString(s.TraceId) != theirTrace || s.TraceState != "a=1,b=2" {
			t.Errorf("%s: trace %x, state %q", name, s.TraceId, s.TraceState)
		}
		begin, end := time.Unix(0, int64(s.StartTimeUnixNano)), time.Unix(0, int64(s.EndTimeUnixNano))
		if begin.Before(began.Add(-time.Millisecond)) || end.Before(begin) || s.StartTimeUnixNano < server.StartTimeUnixNano || s.EndTimeUnixNano > server.EndTimeUnixNano {
			t.Errorf("%s: from %v to %v", name, begin, end)
		}
		for key, value := range s.attributes {
			if strings.Contains(value, "secret") {
				t.Errorf("%s: %s is %s", name, key, value)
			}
		}
	}
	host, port, _ := strings.Cut(strings.TrimPrefix(up.URL, "http://"), ":")
	_, gatewayPort, _ := strings.Cut(r.addr, ":")
	for _, tc := range []struct {
		name   string
		span   *span
		title  string
		parent string
		kind   v1.Span_SpanKind
		want   map[string]string
	}{
		{"server", server, "GET /test/a/{id}", theirSpan, v1.Span_SPAN_KIND_SERVER, map[string]string{
			"http.request.method": "GET", "url.scheme": "http", "url.path": "/test/a/1", "http.route": "/test/a/{id}", "http.response.status_code": "201",
			"client.address": "127.0.0.1", "server.address": "127.0.0.1", "server.port": gatewayPort, "http.response.body.size": "5",
			"tollgate.domain": "test", "tollgate.plugin": "HTTP_PROXY", "tollgate.request_id": "mine",
			"service.name": "tollgate", "service.instance.id": "n1", "service.version": "v9"}},
		{"Pre API", asked, "POST", hex.EncodeToString(server.SpanId), v1.Span_SPAN_KIND_CLIENT, map[string]string{
			"http.request.method": "POST", "url.full": pre.URL + "/check", "http.response.status_code": "200"}},
		{"endpoint server", called, "GET", hex.EncodeToString(server.SpanId), v1.Span_SPAN_KIND_CLIENT, map[string]string{
			"http.request.method": "GET", "url.full": up.URL + "/base/a/1", "http.response.status_code": "201", "server.address": host, "server.port": port}},
	} {
		if tc.span.Name != tc.title || hex.EncodeToString(tc.span.ParentSpanId) != tc.parent || tc.span.Kind != tc.kind || tc.span.Status.GetCode() != v1.Status_STATUS_CODE_UNSET {
			t.Errorf("%s: %q, parent %x, %v, %v", tc.name, tc.span.Name, tc.span.ParentSpanId, tc.span.Kind, tc.span.Status)
		}
		for key, want := range tc.want {
			if got := tc.span.attributes[key]; got != want {
				t.Errorf("%s: %s is %q, want %q", tc.name, key, got, want)
			}
		}
	}
	for name, pair := range map[string]struct {
		heard http.Header
		span  *span
	}{"Pre API": {pre.heard(), asked}, "endpoint server": {up.heard(), called}} {
		want := fmt.Sprintf("00-%s-%x-01", theirTrace, pair.span.SpanId)
		if got := pair.heard.Values("Traceparent"); len(got) != 1 || got[0] != want {
			t.Errorf("%s: heard %q, want %q", name, got, want)
		}
		if got := pair.heard.Values("Tracestate"); len(got) != 1 || got[0] != "a=1,b=2" {
			t.Errorf("%s: heard %q", name, got)
		}
	}
}

// TestSampling: a call in a trace is recorded if that is, another by the ratio;
// where it is not, the endpoint server hears that as well.
func TestSampling(t *testing.T) {
	c := startCollector(t)
	up := startEndpoint(t, 200)
	unsampled := strings.TrimSuffix(theirParent, "01") + "00"
	for _, tc := range []struct {
		name   string
		ratio  float64
		parent []string
		spans  int
		trace  string
	}{
		{"sampled parent, ratio 0", 0, []string{"Traceparent", theirParent}, 2, theirTrace},
		{"unsampled parent, ratio 1", 1, []string{"Traceparent", unsampled}, 0, theirTrace},
		{"no parent, ratio 0", 0, nil, 0, ""},
		{"no parent, ratio 1", 1, nil, 2, ""},
		{"malformed parent, ratio 1", 1, []string{"Traceparent", "00-xyz", "Tracestate", "a=1"}, 2, ""},
		{"two parents, ratio 1", 1, []string{"Traceparent", theirParent, "Traceparent", theirParent}, 2, ""},
	} {
		c.forget()
		r := startRig(t, Config{Endpoint: c.URL + "/", Ratio: tc.ratio}, domain("test", up.URL, catalog.EndpointPlugins{}))
		if got := r.get(t, "/test/a/1", tc.parent...); got != 200 {
			t.Fatal(got)
		}
		heard := up.heard().Values("Traceparent")
		if len(heard) != 1 || len(heard[0]) != 55 {
			t.Fatalf("%s: heard %q", tc.name, heard)
		}
		trace, own, flags := heard[0][3:35], heard[0][36:52], heard[0][53:]
		if own == theirSpan || (flags == "01") != (tc.spans > 0) || tc.trace != "" && trace != tc.trace || tc.trace == "" && trace == theirTrace {
			t.Errorf("%s: heard %q", tc.name, heard)
		}
		if spans := c.await(t, r, tc.spans); tc.spans > 0 && (hex.EncodeToString(spans["HTTP_PROXY"].SpanId) != own || hex.EncodeToString(spans["server"].TraceId) != trace) {
			t.Errorf("%s: heard %q, recorded %v", tc.name, heard, spans)
		}
		closeTracer(t, r.Tracer)
	}
}

func closeTracer(t *testing.T, tracer *Tracer) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := tracer.Close(ctx); err != nil {
		t.Error(err)
	}
}

// TestErrors: what fails says so, and what a client has done wrong is no error of
// the gateway's.
func TestErrors(t *testing.T) {
	c := startCollector(t)
	up, missing := startEndpoint(t, 200), startEndpoint(t, 404)
	up.Server.Close()
	r := startRig(t, Config{Endpoint: c.URL + "/v1/traces", Ratio: 1}, domain("gone", up.URL, catalog.EndpointPlugins{}), domain("missing", missing.URL, catalog.EndpointPlugins{}))
	const bad, unset = v1.Status_STATUS_CODE_ERROR, v1.Status_STATUS_CODE_UNSET
	for _, tc := range []struct {
		target         string
		status, spans  int
		server, client v1.Status_StatusCode
		serverError    string
		clientError    string
		code, title    string
	}{
		{"/gone/a/1", 502, 2, bad, bad, "502", "connect", "50200", "GET /gone/a/{id}"},
		{"/missing/a/1", 404, 2, unset, bad, "", "404", "", "GET /missing/a/{id}"},
		{"/nope/a/1", 404, 1, unset, unset, "", "", "40400", "GET"},
	} {
		c.forget()
		if got := r.get(t, tc.target); got != tc.status {
			t.Fatalf("%s: %d", tc.target, got)
		}
		spans := c.await(t, r, tc.spans)
		server := spans["server"]
		if server.Status.GetCode() != tc.server || server.attributes["error.type"] != tc.serverError || server.attributes["tollgate.result_code"] != tc.code || server.Name != tc.title {
			t.Errorf("%s: %v", tc.target, server)
		}
		if client := spans["HTTP_PROXY"]; tc.spans > 1 && (client.Status.GetCode() != tc.client || client.attributes["error.type"] != tc.clientError) {
			t.Errorf("%s: %v", tc.target, client)
		}
	}
}

// TestConfiguredParent: what HEADER sets goes before what the gateway would say.
func TestConfiguredParent(t *testing.T) {
	c := startCollector(t)
	up := startEndpoint(t, 200)
	r := startRig(t, Config{Endpoint: c.URL, Ratio: 1}, domain("test", up.URL, catalog.EndpointPlugins{Header: &catalog.Header{RequestHeaders: map[string]string{"traceparent": "mine"}}}))
	r.get(t, "/test/a/1", "Traceparent", theirParent)
	if heard := up.heard().Values("Traceparent"); len(heard) != 1 || heard[0] != "mine" {
		t.Errorf("heard %q", heard)
	}
}

// TestSickCollector: calls are answered whatever the collector does, what is lost
// is counted, and a stop waits only as long as it may.
func TestSickCollector(t *testing.T) {
	c := startCollector(t)
	c.sick = true
	up := startEndpoint(t, 200)
	r := startRig(t, Config{Endpoint: c.URL, Ratio: 1}, domain("test", up.URL, catalog.EndpointPlugins{}))
	reg := prometheus.NewRegistry()
	if err := r.Register(reg); err != nil {
		t.Fatal(err)
	}
	for range 10 {
		if got := r.get(t, "/test/a/1"); got != 200 {
			t.Fatal(got)
		}
	}
	if err := r.provider.ForceFlush(t.Context()); err != nil {
		t.Errorf("the SDK would tell of it: %v", err)
	}
	counted := func(state string) float64 {
		families, err := reg.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range families[0].GetMetric() {
			if m.GetLabel()[0].GetValue() == state {
				return m.GetCounter().GetValue()
			}
		}
		return -1
	}
	if counted("failed") == 0 || counted("sent") != 0 || counted("ended") < counted("failed") {
		t.Errorf("ended %v, sent %v, failed %v", counted("ended"), counted("sent"), counted("failed"))
	}
	silent, err := net.Listen("tcp", "127.0.0.1:0") // takes connections and says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	hung := startRig(t, Config{Endpoint: "http://" + silent.Addr().String(), Ratio: 1}, domain("test", up.URL, catalog.EndpointPlugins{}))
	hung.get(t, "/test/a/1")
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if err := hung.Close(ctx); err == nil {
		t.Error("a silent collector took the spans")
	}
}

// TestFlushedAtStop: spans that wait are sent when the tracer is closed.
func TestFlushedAtStop(t *testing.T) {
	c := startCollector(t)
	tracer, err := Open(t.Context(), Config{Endpoint: c.URL, Ratio: 1, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	tracer.Begin(time.Now(), nil, nil).Ended(0, 0, "")
	closeTracer(t, tracer)
	if len(c.spans) != 1 {
		t.Errorf("%d spans", len(c.spans))
	}
}

func TestCheckEndpoint(t *testing.T) {
	for endpoint, ok := range map[string]bool{
		"http://127.0.0.1:4318": true, "https://otel.example/base": true, "http://h:4318/v1/traces": true,
		"": false, "127.0.0.1:4318": false, "grpc://h:4317": false, "http://": false, "http://u:p@h": false, "http://h?a=1": false, "http://h\x00": false,
	} {
		if err := CheckEndpoint(endpoint); (err == nil) != ok {
			t.Errorf("%q: %v", endpoint, err)
		}
	}
}
