package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/tollgate/tollgate/cmd/internal/cli"
)

// closedAddress is one where nobody listens.
func closedAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// listenSomewhere takes a port until the test ends.
func listenSomewhere(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l.Addr().String()
}

// hangUp is a node that takes a request and closes the connection.
func hangUp(asked *atomic.Int32) http.Handler {
	return http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		_, _ = io.Copy(io.Discard, r.Body)
		panic(http.ErrAbortHandler)
	})
}

func TestSeveralNodes(t *testing.T) {
	down := "http://" + closedAddress(t)
	rec := &recorder{status: 200, answer: `{"key":"shop","revision":1,"deployed":true,"warnings":[]}`}
	up := httptest.NewServer(rec)
	defer up.Close()
	got := command{args: []string{"deploy", "shop", "--admin-url", down + ", " + up.URL}}.run(t.Context())
	if want := (outcome{cli.Done, "shop: revision 1 is live\n", ""}); got != want {
		t.Errorf("second node up: %+v", got)
	}

	got = command{args: []string{"deploy", "shop", "--admin-url", down + "," + down}}.run(t.Context())
	wantLine := "  " + down + ": dial tcp " + strings.TrimPrefix(down, "http://") + ": connect: connection refused\n"
	want := "tollgate deploy: no node answered; is one running there? --admin-url or TOLLGATE_ADMIN_URL names others\n" + wantLine + wantLine
	if got != (outcome{cli.Failed, "", want}) {
		t.Errorf("none up:\n got %+v\nwant %s", got, want)
	}
}

// TestLostAnswer: a change that may have arrived is not sent again, a read is.
func TestLostAnswer(t *testing.T) {
	var asked atomic.Int32
	first := httptest.NewServer(hangUp(&asked))
	defer first.Close()
	rec := &recorder{status: 200, answer: `[]`}
	second := httptest.NewServer(rec)
	defer second.Close()
	urls := first.URL + "," + second.URL

	got := command{args: []string{"deploy", "shop", "--admin-url", urls}}.run(t.Context())
	want := "tollgate deploy: " + first.URL + ": EOF; the call may or may not have taken effect: look, then repeat it if it has not\n"
	if got != (outcome{cli.Failed, "", want}) || asked.Load() != 1 || rec.asked != "" {
		t.Errorf("change: %+v, asked %d times, second %q", got, asked.Load(), rec.asked)
	}
	got = command{args: []string{"domains", "--json", "--admin-url", urls}}.run(t.Context())
	if got != (outcome{cli.Done, "[]\n", ""}) {
		t.Errorf("read: %+v", got)
	}
}

func TestNoTollgate(t *testing.T) {
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		want   string
	}{
		"web page": {func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>") }, "200 OK (text/html; charset=utf-8)"},
		"redirect": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://evil.example/", http.StatusFound)
		}, "302 Found (text/html; charset=utf-8)"},
		"json 404": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(404); _, _ = io.WriteString(w, "{}") }, "404 Not Found (text/plain; charset=utf-8)"},
	} {
		server := httptest.NewServer(c.answer)
		got := command{args: []string{"domains", "--token", "x", "--admin-url", server.URL}}.run(t.Context())
		want := "tollgate domains: " + server.URL + " answered " + c.want + ", which no Tollgate admin API does; is that the right --admin-url?\n"
		if got != (outcome{cli.Failed, "", want}) {
			t.Errorf("%s:\n got %+v\nwant %s", name, got, want)
		}
		server.Close()
	}
}

func TestInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done()
	}))
	defer server.Close()
	got := command{args: []string{"domains", "--admin-url", server.URL}}.run(ctx)
	if want := (outcome{cli.Failed, "", "tollgate domains: interrupted before an answer came\n"}); got != want {
		t.Errorf("got %+v", got)
	}
}
