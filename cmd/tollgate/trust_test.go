package main

import (
	"crypto/tls"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/tollgate/tollgate/cluster/pki"
	"github.com/tollgate/tollgate/cmd/internal/cli"
)

// secureNode answers as a node does whose certificate comes from key, under no
// name.
func secureNode(t *testing.T, key string, h http.Handler) *httptest.Server {
	t.Helper()
	authority, err := pki.Derive(key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := authority.Member("c1", "n1", "localhost")
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(h)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{cert}}
	server.StartTLS()
	t.Cleanup(server.Close)
	return server
}

// TestTrust: a node is known by the cluster's key, whatever its name, or by the
// certificate that `tollgate ca` prints, with its name; and no token goes to one
// that is not.
func TestTrust(t *testing.T) {
	rec := &recorder{status: 200, answer: `[]`}
	server := secureNode(t, secret32, rec)
	address := strings.TrimPrefix(server.URL, "https://")
	_, port, _ := net.SplitHostPort(address)
	keyFile, otherKey := writeFile(t, "key", secret32+"\n"), writeFile(t, "other", "another-"+secret32)
	printed := command{args: words("ca --cluster-key-file " + keyFile)}.run(t.Context())
	if printed.status != cli.Done || !strings.HasPrefix(printed.out, "-----BEGIN CERTIFICATE-----\n") {
		t.Fatalf("ca: %+v", printed)
	}
	ca := writeFile(t, "ca.pem", printed.out)
	const listed = "There are no domains yet; `tollgate import FILE` makes one.\n"
	for name, c := range map[string]struct {
		args string
		env  []string
		says string // of the failure
	}{
		"key, no scheme":       {"--cluster-key-file " + keyFile + " --admin-url " + address, nil, ""},
		"key by variable":      {"--admin-url " + server.URL, []string{"TOLLGATE_CLUSTER_KEY=" + secret32}, ""},
		"certificate, name":    {"--admin-ca " + ca + " --admin-url localhost:" + port, nil, ""},
		"certificate by env":   {"--admin-url localhost:" + port, []string{"TOLLGATE_ADMIN_CA=" + ca}, ""},
		"certificate, no name": {"--admin-ca " + ca + " --admin-url " + address, nil, "; --cluster-key-file FILE knows all nodes of the cluster, whatever they are called"},
		"another key":          {"--cluster-key-file " + otherKey + " --admin-url " + address, nil, "the other end has another cluster key"},
		"nothing":              {"--admin-url https://localhost:" + port, nil, "certificate signed by unknown authority; --admin-ca FILE trusts what `tollgate ca` prints, --cluster-key-file FILE all nodes of the cluster"},
		"plain HTTP":           {"--admin-url " + address, nil, "speaks TLS: say https://, or leave the scheme out and give --admin-ca FILE or --cluster-key-file FILE"},
	} {
		rec.asked = ""
		got := command{args: append(words("domains --token x"), words(c.args)...), env: c.env}.run(t.Context())
		switch {
		case c.says == "" && (got != outcome{cli.Done, listed, ""} || rec.asked != "GET /v1/domains with Bearer x"):
			t.Errorf("%s: %+v, asked %q", name, got, rec.asked)
		case c.says != "" && (got.status != cli.Failed || !strings.Contains(got.err, c.says) || rec.asked != ""):
			t.Errorf("%s: %+v, asked %q, want %s", name, got, rec.asked, c.says)
		}
	}
	plain := httptest.NewServer(rec)
	defer plain.Close()
	got := command{args: words("domains --cluster-key-file " + keyFile + " --admin-url " + strings.TrimPrefix(plain.URL, "http://"))}.run(t.Context())
	if got.status != cli.Failed || !strings.Contains(got.err, "the node has no cluster key; say http://") {
		t.Errorf("a node without a key: %+v", got)
	}
}

// TestReady: exit status and text are the node's, and no token is sent.
func TestReady(t *testing.T) {
	status, text := 200, "member: ok\nleader: ok\n"
	var asked string
	server := secureNode(t, secret32, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = r.URL.Path + r.Header.Get("Authorization")
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, text)
	}))
	env := []string{"TOLLGATE_CLUSTER_KEY=" + secret32, "TOLLGATE_TOKEN=x", "TOLLGATE_ADMIN_URL=" + closedAddress(t) + "," + strings.TrimPrefix(server.URL, "https://")}
	ready := command{args: words("ready"), env: env}
	if got := ready.run(t.Context()); got != (outcome{cli.Done, text, ""}) || asked != "/readyz" {
		t.Errorf("ready: %+v, asked %s", got, asked)
	}
	// A health check need not know whether the node has secrets.
	bare := command{args: words("ready --admin-url " + strings.TrimPrefix(server.URL, "https://"))}
	if got := bare.run(t.Context()); got != (outcome{cli.Done, text, ""}) {
		t.Errorf("without a key: %+v", got)
	}
	status, text = 503, "member: ok\nleader: no leader is\x1b[2J known now\n"
	if got := ready.run(t.Context()); got != (outcome{cli.Failed, "member: ok\nleader: no leader is\\x1b[2J known now\n", "tollgate ready: the node is not ready\n"}) {
		t.Errorf("not ready: %+v", got)
	}
	status = 404
	if got := ready.run(t.Context()); got.status != cli.Failed || !strings.Contains(got.err, "which no Tollgate admin API does") {
		t.Errorf("something else: %+v", got)
	}
	server.Close()
	if got := ready.run(t.Context()); got.status != cli.Failed || !strings.Contains(got.err, "no node answered") {
		t.Errorf("nobody: %+v", got)
	}
}

// TestKeygen: each key is another, good for a node as it is printed.
func TestKeygen(t *testing.T) {
	first, second := command{args: words("keygen")}.run(t.Context()), command{args: words("keygen")}.run(t.Context())
	if first.status != cli.Done || first.out == second.out || strings.Count(first.out, "\n") != 1 {
		t.Errorf("%+v, %+v", first, second)
	}
	cfg, o := configOf(t, []string{"TOLLGATE_CLUSTER_KEY_FILE=" + writeFile(t, "key", first.out)}, "--id", "n1", "--data-dir", "/d")
	if cfg == nil || cfg.ClusterKey != strings.TrimSpace(first.out) {
		t.Errorf("%+v", o)
	}
}

// TestOpenSecretFiles: whatever file holds a secret, everybody must not be able
// to read it.
func TestOpenSecretFiles(t *testing.T) {
	open := writeFile(t, "open", secret32)
	if err := os.Chmod(open, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []command{
		{args: words("domains --token-file " + open)},
		{args: words("domains"), env: []string{"TOLLGATE_TOKEN_FILE=" + open}},
		{args: words("domains --cluster-key-file " + open)},
		{args: words("ca"), env: []string{"TOLLGATE_CLUSTER_KEY_FILE=" + open}},
		{args: words("token --secret-key-file " + open)},
		{args: words("sign GET /x"), env: []string{"TOLLGATE_SECRET_KEY_FILE=" + open}},
	} {
		if got := c.run(t.Context()); got.status != cli.Usage || !strings.Contains(got.err, "chmod o-rw "+open) {
			t.Errorf("%v %v: %+v", c.args, c.env, got)
		}
	}
}
