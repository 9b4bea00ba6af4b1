package node_test

import (
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
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tollgate/tollgate/node"
	"github.com/tollgate/tollgate/node/nodetest"
)

// testCA is a CA of a test's own, with its files in dir.
type testCA struct {
	t    testing.TB
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	file string
	pool *x509.CertPool
}

func newTestCA(t testing.TB) *testCA {
	t.Helper()
	ca := &testCA{t: t, dir: t.TempDir(), pool: x509.NewCertPool()}
	var err error
	if ca.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		t.Fatal(err)
	}
	ca.cert = ca.sign(&x509.Certificate{Subject: pkix.Name{CommonName: "test CA"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}, nil, ca.key)
	ca.pool.AddCert(ca.cert)
	ca.file = ca.write("ca.pem", "CERTIFICATE", ca.cert.Raw)
	return ca
}

func (ca *testCA) sign(template, parent *x509.Certificate, key *ecdsa.PrivateKey) *x509.Certificate {
	ca.t.Helper()
	template.SerialNumber = big.NewInt(time.Now().UnixNano())
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(24*time.Hour)
	if parent == nil {
		parent = template
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), ca.key)
	if err != nil {
		ca.t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		ca.t.Fatal(err)
	}
	return cert
}

// pair writes a certificate for names and 127.0.0.1, and its key, as files, in
// the place of those that are there.
func (ca *testCA) pair(file string, names ...string) (cert, key string) {
	ca.t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		ca.t.Fatal(err)
	}
	leaf := ca.sign(&x509.Certificate{
		Subject: pkix.Name{CommonName: names[0]}, DNSNames: names, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}, ca.cert, private)
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		ca.t.Fatal(err)
	}
	return ca.write(file+".pem", "CERTIFICATE", leaf.Raw), ca.write(file+".key", "PRIVATE KEY", der)
}

func (ca *testCA) write(name, kind string, der []byte) string {
	path := filepath.Join(ca.dir, name)
	if err := os.WriteFile(path+".new", pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		ca.t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		ca.t.Fatal(err)
	}
	return path
}

// TestClientTLSReload: certificates of the client port and the CA of clients are
// read anew when their files change, and no call under load fails; files that
// are broken change nothing and are named in the log.
func TestClientTLSReload(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") }))
	t.Cleanup(server.Close)
	ca, clients := newTestCA(t), newTestCA(t)
	cert, key := ca.pair("server", "first.example")
	var log lockedBuffer
	c := nodetest.Start(t, 1, func(cfg *nodetest.Config) {
		cfg.Listen, cfg.Logger = "127.0.0.1:0", log.logger()
		cfg.TLSCert, cfg.TLSKey, cfg.ClientCA = []string{cert}, []string{key}, clients.file
	})
	c.Deploy(strings.ReplaceAll(swagger("live", "Live", "ok", ""), "http://127.0.0.1:1", server.URL))
	addr := c.Nodes[0].ProxyAddr()
	shown := func() string {
		conn, err := tls.Dial("tcp", addr, &tls.Config{RootCAs: ca.pool})
		if err != nil {
			return err.Error()
		}
		defer conn.Close()
		return conn.ConnectionState().PeerCertificates[0].Subject.CommonName
	}
	if got := shown(); got != "first.example" {
		t.Fatalf("shown %s", got)
	}
	stop := make(chan struct{})
	var calls atomic.Int64
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			client := &http.Client{Timeout: nodetest.Patience, Transport: &http.Transport{DisableKeepAlives: i%2 == 0, TLSClientConfig: &tls.Config{RootCAs: ca.pool}}}
			defer client.CloseIdleConnections()
			for {
				select {
				case <-stop:
					return
				default:
				}
				resp, err := client.Get("https://" + addr + "/live/x")
				if err != nil {
					t.Errorf("a call failed: %v", err)
					return
				}
				_, err = io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
				if err != nil || resp.StatusCode != 200 {
					t.Errorf("answered %d, %v", resp.StatusCode, err)
				}
				calls.Add(1)
			}
		})
	}
	ca.pair("server", "second.example") // found by itself
	nodetest.Eventually(t, "the second certificate is shown", func() bool { return shown() == "second.example" })
	for i := range 10 {
		name := fmt.Sprintf("n%d.example", i)
		ca.pair("server", name)
		if err := c.Nodes[0].Reload(); err != nil || shown() != name {
			t.Errorf("reloaded: %v, shown %s, want %s", err, shown(), name)
		}
	}
	_, other := ca.pair("other", "other.example")
	for _, broken := range []struct{ path, content, want string }{
		{cert, "no PEM", "--tls-cert " + cert + ", --tls-key " + key + ": "},
		{key, string(mustRead(t, other)), "--tls-cert " + cert + ", --tls-key " + key + ": "},
		{key, "", "--tls-cert " + cert + ", --tls-key " + key + ": "},
		{clients.file, "no PEM", "--client-ca " + clients.file + ": holds no certificate (PEM)"},
	} {
		good := mustRead(t, broken.path)
		replaceFile(t, broken.path, broken.content)
		if err := c.Nodes[0].Reload(); err == nil || !strings.Contains(err.Error(), broken.want) {
			t.Errorf("reloaded: %v, want %s", err, broken.want)
		}
		if !strings.Contains(log.String(), "cannot reload; what was loaded before stays in use") || shown() != "n9.example" {
			t.Errorf("shown %s; log\n%s", shown(), log.String())
		}
		replaceFile(t, broken.path, string(good))
	}
	before := calls.Load()
	nodetest.Eventually(t, "calls go on", func() bool { return calls.Load() > before+100 || t.Failed() })
	close(stop)
	wg.Wait()

	// A client's certificate is good while its CA is.
	mine, mineKey := clients.pair("me", "me")
	pair, err := tls.LoadX509KeyPair(mine, mineKey)
	if err != nil {
		t.Fatal(err)
	}
	cache := tls.NewLRUClientSessionCache(1)
	get := func() error {
		client := &http.Client{Timeout: nodetest.Patience, Transport: &http.Transport{
			DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: ca.pool, Certificates: []tls.Certificate{pair}, ClientSessionCache: cache,
				GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }},
		}}
		resp, err := client.Get("https://" + addr + "/live/x")
		if err == nil {
			_, err = io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
		}
		return err
	}
	for range 2 {
		if err := get(); err != nil {
			t.Errorf("with a certificate: %v", err)
		}
	}
	replaceFile(t, clients.file, string(mustRead(t, ca.file)))
	if err := c.Nodes[0].Reload(); err != nil {
		t.Fatal(err)
	}
	if err := get(); err == nil {
		t.Error("a certificate of a CA that is trusted no more was good, by a ticket of before")
	}
}

func mustRead(t *testing.T, path string) []byte {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// TestClientTLSFiles: what is wrong with the files is found before a node starts,
// and named by its flag.
func TestClientTLSFiles(t *testing.T) {
	ca := newTestCA(t)
	cert, key := ca.pair("a", "a.example")
	_, otherKey := ca.pair("b", "b.example")
	open := filepath.Join(ca.dir, "open.key")
	if err := os.WriteFile(open, mustRead(t, key), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(open, 0o644); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		certs, keys []string
		ca, want    string
	}{
		"good":                 {[]string{cert, cert}, []string{key, key}, ca.file, ""},
		"no certificate":       {[]string{"/nowhere"}, []string{key}, "", "--tls-cert /nowhere: no such file or directory"},
		"no key":               {[]string{cert}, []string{"/nowhere"}, "", "--tls-key /nowhere: no such file or directory"},
		"key of another":       {[]string{cert}, []string{otherKey}, "", "--tls-cert " + cert + ", --tls-key " + otherKey + ": tls: private key does not match public key"},
		"second is mismatched": {[]string{cert, cert}, []string{key, otherKey}, "", "--tls-cert " + cert + ", --tls-key " + otherKey + ": "},
		"swapped":              {[]string{key}, []string{cert}, "", "--tls-cert " + key + ", --tls-key " + cert + ": "},
		"key for everybody":    {[]string{cert}, []string{open}, "", "--tls-key " + open + ": everybody on this machine can read or change it (mode 0644): chmod o-rw " + open},
		"no CA":                {[]string{cert}, []string{key}, "/nowhere", "--client-ca /nowhere: no such file or directory"},
		"CA that is none":      {[]string{cert}, []string{key}, key, "--client-ca " + key + ": holds no certificate (PEM)"},
	} {
		cfg := valid()
		cfg.TLSCert, cfg.TLSKey, cfg.ClientCA = c.certs, c.keys, c.ca
		err := node.Check(&cfg)
		if (err == nil) != (c.want == "") || err != nil && !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
}

// TestClientTLSVersions: 1.2 and 1.3 are spoken, 1.1 is not; of protocols,
// http/1.1 is, whatever else is offered beside it.
func TestClientTLSVersions(t *testing.T) {
	t.Parallel()
	ca := newTestCA(t)
	cert, key := ca.pair("a", "a.example")
	c := nodetest.Start(t, 1, func(cfg *nodetest.Config) {
		cfg.Listen, cfg.TLSCert, cfg.TLSKey = "127.0.0.1:0", []string{cert}, []string{key}
	})
	for version, want := range map[uint16]bool{tls.VersionTLS10: false, tls.VersionTLS11: false, tls.VersionTLS12: true, tls.VersionTLS13: true} {
		for protocols, chosen := range map[string]string{"": "", "http/1.1": "http/1.1", "h2,http/1.1": "http/1.1", "h2": "refused"} {
			cfg := &tls.Config{RootCAs: ca.pool, MinVersion: version, MaxVersion: version}
			if protocols != "" {
				cfg.NextProtos = strings.Split(protocols, ",")
			}
			conn, err := tls.Dial("tcp", c.Nodes[0].ProxyAddr(), cfg)
			if ok := want && chosen != "refused"; (err == nil) != ok {
				t.Errorf("version %x, protocols %q: %v", version, protocols, err)
			}
			if err == nil {
				if got := conn.ConnectionState().NegotiatedProtocol; got != chosen {
					t.Errorf("protocols %q: %q, want %q", protocols, got, chosen)
				}
				conn.Close()
			}
		}
	}
}

// TestRealClients: what curl, Python and Node get over TLS, by name, with a
// client's certificate, with a large body, on one connection.
func TestRealClients(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n, err := io.Copy(io.Discard, r.Body)
		fmt.Fprintf(w, "%s %d %v %s", r.Method, n, err, r.Header.Get("X-Forwarded-Proto"))
	}))
	t.Cleanup(server.Close)
	ca := newTestCA(t)
	first, firstKey := ca.pair("first", "first.example")
	second, secondKey := ca.pair("second", "second.example")
	mine, mineKey := ca.pair("mine", "me")
	c := nodetest.Start(t, 1, func(cfg *nodetest.Config) {
		cfg.TLSCert, cfg.TLSKey, cfg.ClientCA = []string{first, second}, []string{firstKey, secondKey}, ca.file
	})
	c.Deploy(fmt.Sprintf(`{"swagger":"2.0","info":{"title":"e"},"basePath":"/e","schemes":["https"],"paths":{"/x":{"get":{},"post":{}}},`+
		`"x-toastcloud-apigw":{"plugins":{"HTTP_PROXY":{"url":%q}}}}`, server.URL))
	_, port, err := net.SplitHostPort(c.Nodes[0].ProxyAddr())
	if err != nil {
		t.Fatal(err)
	}
	host, _, _ := net.SplitHostPort(c.Nodes[0].ProxyAddr())
	body := filepath.Join(t.TempDir(), "body")
	if err := os.WriteFile(body, make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	const want = "POST 1048576 <nil> https\nGET 0 <nil> https\n"
	// Each makes a POST with the body and a GET, in one connection, of second.example.
	url := "https://second.example:" + port + "/e/x"
	for program, args := range map[string][]string{
		"curl": {"-sS", "--http1.1", "--resolve", "second.example:" + port + ":" + host, "--cacert", ca.file, "--cert", mine, "--key", mineKey, "-w", "\n",
			"--data-binary", "@" + body, url, "--next",
			"-sS", "--resolve", "second.example:" + port + ":" + host, "--cacert", ca.file, "--cert", mine, "--key", mineKey, "-w", "\n", url},
		"python3": {"-c", `
import http.client, ssl, sys
host, port, ca, cert, key, body = sys.argv[1:]
ctx = ssl.create_default_context(cafile=ca)
ctx.load_cert_chain(cert, key)
class Conn(http.client.HTTPSConnection):
    def connect(self):
        http.client.HTTPConnection.connect(self)
        self.sock = ctx.wrap_socket(self.sock, server_hostname="second.example")
c = Conn(host, int(port), timeout=60)
for method, data in ("POST", open(body, "rb").read()), ("GET", None):
    c.request(method, "/e/x", data)
    print(c.getresponse().read().decode())
`, host, port, ca.file, mine, mineKey, body},
		"node": {"-e", `
const https = require("https"), fs = require("fs");
const [host, port, ca, cert, key, body] = process.argv.slice(1);
const agent = new https.Agent({keepAlive: true, maxSockets: 1});
function call(method, data, then) {
  const req = https.request({host, port, path: "/e/x", method, agent, servername: "second.example",
    ca: fs.readFileSync(ca), cert: fs.readFileSync(cert), key: fs.readFileSync(key)}, res => {
    let text = ""; res.on("data", d => text += d); res.on("end", () => { console.log(text); then(); });
  });
  req.on("error", e => { console.error(e); process.exit(1); });
  req.end(data);
}
call("POST", fs.readFileSync(body), () => call("GET", undefined, () => process.exit(0)));
`, host, port, ca.file, mine, mineKey, body},
	} {
		t.Run(program, func(t *testing.T) {
			path, err := exec.LookPath(program)
			if err != nil {
				t.Skipf("%s is not installed", program)
			}
			cmd := exec.CommandContext(t.Context(), path, args...)
			cmd.Env = append(os.Environ(), "no_proxy=*", "NO_PROXY=*")
			out, err := cmd.CombinedOutput()
			if err != nil || string(out) != want {
				t.Errorf("%v: %q, want %q", err, out, want)
			}
		})
	}
}

// TestTrustedProxiesOfNode: the settings arrive: who the client is, the PROXY
// header, and https where it is required.
func TestTrustedProxiesOfNode(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.Header.Get("Forwarded")) }))
	t.Cleanup(server.Close)
	c := nodetest.Start(t, 1, func(cfg *nodetest.Config) {
		cfg.TrustedProxies, cfg.DataPlane.ProxyProtocol, cfg.DataPlane.RequireHTTPS = []string{"127.0.0.0/8", "198.51.100.7"}, true, true
	})
	c.Deploy(fmt.Sprintf(`{"swagger":"2.0","info":{"title":"e"},"basePath":"/e","schemes":["https"],"paths":{"/x":{"get":{}}},`+
		`"x-toastcloud-apigw":{"plugins":{"HTTP_PROXY":{"url":%q}}}}`, server.URL))
	for _, tc := range []struct{ header, want string }{
		{"PROXY TCP4 198.51.100.7 127.0.0.1 1 2\r\n", "for=192.0.2.1;host=h;proto=https"},
		{"PROXY TCP4 198.51.100.8 127.0.0.1 1 2\r\n", `"resultCode":40301`},
		{"PROXY UNKNOWN\r\n", "for=192.0.2.1;host=h;proto=https"},
		{"", ""},
	} {
		conn, err := net.Dial("tcp", c.Nodes[0].ProxyAddr())
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.SetDeadline(time.Now().Add(nodetest.Patience))
		_, _ = io.WriteString(conn, tc.header+"GET /e/x HTTP/1.1\r\nHost: h\r\nConnection: close\r\nX-Forwarded-Proto: https\r\nX-Forwarded-For: 192.0.2.1\r\n\r\n")
		got, _ := io.ReadAll(conn)
		if !strings.Contains(string(got), tc.want) || tc.want == "" && len(got) > 0 {
			t.Errorf("%q: answered %q, want %s", tc.header, got, tc.want)
		}
		conn.Close()
	}
}
