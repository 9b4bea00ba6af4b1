package node_test

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tollgate/tollgate/cluster/pki"
	"github.com/tollgate/tollgate/node"
	"github.com/tollgate/tollgate/node/nodetest"
)

// tokenOf is a token of a role, good for a token file.
func tokenOf(role string) string { return role + "-" + strings.Repeat("t", 32) }

// tokenFile writes a token file with one token for each role.
func tokenFile(t *testing.T, roles ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "tokens")
	writeTokens(t, path, roles...)
	return path
}

func writeTokens(t *testing.T, path string, roles ...string) {
	t.Helper()
	var text strings.Builder
	for _, role := range roles {
		fmt.Fprintf(&text, "%s %s %s\n", role, role, tokenOf(role))
	}
	replaceFile(t, path, text.String())
}

// replaceFile puts a file in the place of another, as editors and Kubernetes
// do: nobody sees half of it.
func replaceFile(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path+".new", []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

// secured is the configuration of nodes that have both secrets.
func secured(t *testing.T) nodetest.Option {
	tokens := tokenFile(t, "read", "deploy", "admin", "metrics")
	return func(cfg *nodetest.Config) { cfg.ClusterKey, cfg.AdminTokenFile = secret, tokens }
}

// secure is a client of nodes that have secrets; certs it shows where it is
// asked.
func secure(t *testing.T, key string, certs ...tls.Certificate) *http.Client {
	t.Helper()
	trust, err := node.AdminTrust("", key)
	if err != nil {
		t.Fatal(err)
	}
	trust.Certificates = certs
	return &http.Client{Timeout: nodetest.Patience, Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: trust}}
}

// securely makes a call of the admin API, with a token unless it is empty.
func securely(t *testing.T, client *http.Client, n *nodetest.Node, token, method, path, body string) reply {
	t.Helper()
	req, err := http.NewRequest(method, n.AdminURL()+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	r, err := send(client, req)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestSecrets: with both secrets, nodes join by their certificates over TLS and
// without a token, and everybody else needs one that is good for the call.
func TestSecrets(t *testing.T) {
	t.Parallel()
	c := nodetest.Start(t, 3, secured(t))
	client := secure(t, secret)
	for _, n := range c.Nodes {
		if r := securely(t, client, n, tokenOf("read"), "GET", "/v1/cluster", ""); r.status != 200 || strings.Count(r.body, `"reachable":true`) != 3 {
			t.Errorf("%s: %v", n.ID, r)
		}
		if r := securely(t, client, n, "", "GET", "/v1/cluster", ""); r.status != 401 || r.code != 40100 {
			t.Errorf("%s without a token: %v", n.ID, r)
		}
		if r := securely(t, client, n, "", "GET", "/readyz", ""); r.status != 200 {
			t.Errorf("%s, ready without a token: %v", n.ID, r)
		}
		if r := securely(t, client, n, tokenOf("metrics"), "GET", "/metrics", ""); r.status != 200 || !strings.Contains(r.body, "go_goroutines") {
			t.Errorf("%s, metrics: %d", n.ID, r.status)
		}
		if r := securely(t, client, n, tokenOf("metrics"), "GET", "/v1/domains", ""); r.status != 403 || !r.says("this needs the role read; the token of metrics has the role metrics") {
			t.Errorf("%s, metrics token: %v", n.ID, r)
		}
	}
	if r := securely(t, client, c.Nodes[2], tokenOf("deploy"), "POST", "/v1/domains?deploy=true", swagger("live", "Live", "ok", "")); r.status != 200 {
		t.Error(r)
	}
	if r := call(t, web, "GET", c.Nodes[0].ProxyAddr(), "/live/x", ""); r.status != 200 {
		t.Error(r)
	}
	// Who has another key is told apart by clients, too.
	if _, err := secure(t, secret+"x").Get(c.Nodes[0].AdminURL() + "/readyz"); err == nil || !strings.Contains(err.Error(), "another cluster key") {
		t.Errorf("a client with another key: %v", err)
	}
}

// TestJoinByCertificate: a certificate of the cluster's key lets the node that
// it names join, not another one; one of another key, or of nobody, does not;
// and it is good for nothing else.
func TestJoinByCertificate(t *testing.T) {
	t.Parallel()
	c := nodetest.Start(t, 1, secured(t))
	n := c.Nodes[0]
	member := func(key, id string) tls.Certificate {
		a, err := pki.Derive(key)
		if err != nil {
			t.Fatal(err)
		}
		cert, err := a.Member("", id)
		if err != nil {
			t.Fatal(err)
		}
		return cert
	}
	body := fmt.Sprintf(`{"id":"n7","clusterAddress":%q,"adminAddress":%q,"proxyAddress":%q}`, nodetest.FreeAddr(t), nodetest.FreeAddr(t), nodetest.FreeAddr(t))
	for name, who := range map[string]struct {
		cert         tls.Certificate
		method, path string
		status       int
		says         string
	}{
		// It is let in; the cluster then looks for the node, in vain.
		"its own":      {member(secret, "n7"), "POST", "/v1/cluster/join", 422, "n7"},
		"another's":    {member(secret, "n8"), "POST", "/v1/cluster/join", 403, "the certificate is that of node n8: it cannot join n7"},
		"foreign key":  {member(secret+"x", "n7"), "POST", "/v1/cluster/join", 401, "the other end has another cluster key"},
		"of no node":   {selfSigned(t, "n7"), "POST", "/v1/cluster/join", 401, "the other end has another cluster key"},
		"another call": {member(secret, "n7"), "GET", "/v1/cluster", 401, "the certificate of node n7 is not enough"},
		"leaving":      {member(secret, "n7"), "POST", "/v1/cluster/leave", 401, "the certificate of node n7 is not enough"},
	} {
		if r := securely(t, showing(t, who.cert), n, "", who.method, who.path, body); r.status != who.status || !r.says(who.says) {
			t.Errorf("%s: %v, want %d %s", name, r, who.status, who.says)
		}
	}
}

// showing is a client that shows a certificate whether or not the server asks
// for one of its kind.
func showing(t *testing.T, cert tls.Certificate) *http.Client {
	client := secure(t, secret)
	client.Transport.(*http.Transport).TLSClientConfig.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &cert, nil }
	return client
}

// selfSigned is a certificate that nobody vouches for, good for 127.0.0.1.
func selfSigned(t *testing.T, name string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Unix(0, 0), NotAfter: time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

// writePair writes a certificate and its key as PEM files.
func writePair(t *testing.T, cert tls.Certificate, certFile, keyFile string) {
	t.Helper()
	key, err := x509.MarshalPKCS8PrivateKey(cert.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	replaceFile(t, keyFile, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})))
	replaceFile(t, certFile, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Certificate[0]})))
}

// TestTokenFileChanges: a token file is read anew when it changes; one that is
// wrong leaves the tokens as they are, and the log says what is wrong with it.
func TestTokenFileChanges(t *testing.T) {
	t.Parallel()
	tokens := tokenFile(t, "read")
	var log lockedBuffer
	c := nodetest.Start(t, 1, func(cfg *nodetest.Config) { cfg.AdminTokenFile, cfg.Logger = tokens, log.logger() })
	n := c.Nodes[0]
	status := func(role string) int {
		return securely(t, web, n, tokenOf(role), "GET", "/v1/cluster", "").status
	}
	if status("read") != 200 || status("deploy") != 401 {
		t.Fatal("the tokens are not those of the file")
	}
	writeTokens(t, tokens, "deploy")
	nodetest.Eventually(t, "the new token is good, the old one is not", func() bool { return status("deploy") == 200 && status("read") == 401 })
	replaceFile(t, tokens, "deploy one short\n")
	nodetest.Eventually(t, "the log says what is wrong", func() bool {
		return strings.Contains(log.String(), "line 1: the token of one has 5 characters, must have at least 32")
	})
	if status("deploy") != 200 {
		t.Error("a file that is wrong took the tokens away")
	}
	writeTokens(t, tokens, "read")
	if err := os.Chmod(tokens, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := n.Reload(); err == nil || !strings.Contains(err.Error(), "chmod o-rw "+tokens) || status("deploy") != 200 {
		t.Errorf("a file that everybody can read: %v", err)
	}
	if err := os.Chmod(tokens, 0o640); err != nil {
		t.Fatal(err)
	}
	if err := n.Reload(); err != nil || status("read") != 200 {
		t.Errorf("reloaded by hand: %v", err)
	}
}

// TestOwnCertificate: a node can show a certificate of its own, which is read
// anew when its files change, and others join through it by --admin-ca.
func TestOwnCertificate(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	writePair(t, selfSigned(t, "first"), cert, key)
	// Nodes of these tests listen on addresses of their own.
	c := nodetest.Start(t, 2, func(cfg *nodetest.Config) {
		cfg.Admin = "127.0.0.1:0"
		cfg.ClusterKey, cfg.AdminTLSCert, cfg.AdminTLSKey, cfg.AdminCA = secret, cert, key, cert
	})
	shown := func() string {
		conn, err := tls.Dial("tcp", c.Nodes[0].AdminAddr(), &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		return conn.ConnectionState().PeerCertificates[0].Subject.CommonName
	}
	if got := shown(); got != "first" {
		t.Errorf("it shows %s", got)
	}
	writePair(t, selfSigned(t, "second"), cert, key)
	nodetest.Eventually(t, "the new certificate is shown", func() bool { return shown() == "second" })
	replaceFile(t, cert, "no certificate")
	if err := c.Nodes[0].Reload(); err == nil || !strings.Contains(err.Error(), "--admin-tls-cert "+cert) || shown() != "second" {
		t.Errorf("a broken certificate: %v, it shows %s", err, shown())
	}
}

// TestPlainToTLS: a caller that does not speak TLS is told so.
func TestPlainToTLS(t *testing.T) {
	t.Parallel()
	cfg := alone(t)
	cfg.ClusterKey = secret
	n, err := node.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close(t.Context())
	conn, err := net.Dial("tcp", n.AdminAddr())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "GET /v1/cluster HTTP/1.1\r\nHost: %s\r\n\r\n", n.AdminAddr())
	answer, _ := io.ReadAll(bufio.NewReader(conn))
	if !strings.HasPrefix(string(answer), "HTTP/1.0 400 Bad Request\r\n") || !strings.Contains(string(answer), "Client sent an HTTP request to an HTTPS server.") {
		t.Errorf("%s", answer)
	}
	old, err := tls.Dial("tcp", n.AdminAddr(), &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS11})
	if err == nil {
		old.Close()
		t.Error("it speaks TLS 1.1")
	}
}

// TestSecretsThatAreNone: a node does not start with a secret that everybody can
// read, or that cannot be read, says which, and leaves nothing behind.
func TestSecretsThatAreNone(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	writePair(t, selfSigned(t, "n1"), cert, key)
	pair, err := os.ReadFile(key)
	if err != nil {
		t.Fatal(err)
	}
	open, bad, openKey := write("open", "admin me "+tokenOf("admin"), 0o644), write("bad", "admin me", 0o600), write("openkey", string(pair), 0o604)
	for name, c := range map[string]struct {
		change func(*node.Config)
		want   string
	}{
		"open tokens": {func(c *node.Config) { c.AdminTokenFile = open }, "--admin-token-file " + open + ": everybody on this machine can read or change it (mode 0644): chmod o-rw " + open},
		"no tokens":   {func(c *node.Config) { c.AdminTokenFile = "/nowhere" }, "--admin-token-file /nowhere: no such file or directory"},
		"bad tokens":  {func(c *node.Config) { c.AdminTokenFile = bad }, "--admin-token-file " + bad + ": line 1: must be ROLE NAME TOKEN, three words, has 2"},
		"open key":    {func(c *node.Config) { c.AdminTLSCert, c.AdminTLSKey = cert, openKey }, "--admin-tls-key " + openKey + ": everybody on this machine can read or change it (mode 0604): chmod o-rw " + openKey},
		"no pair":     {func(c *node.Config) { c.AdminTLSCert, c.AdminTLSKey = key, key }, "--admin-tls-cert " + key + ", --admin-tls-key " + key + ": "},
		"no CA":       {func(c *node.Config) { c.AdminCA = "/nowhere" }, "--admin-ca /nowhere: no such file or directory"},
	} {
		cfg := alone(t)
		c.change(&cfg)
		n, err := node.Open(t.Context(), cfg)
		if err == nil {
			n.Close(t.Context())
		}
		if err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
		if _, err := os.Stat(cfg.DataDir); err == nil {
			t.Errorf("%s: it began to make its data directory", name)
		}
	}
}
