package proxy

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
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/tollgate/tollgate/store/catalog"
)

// testCA is a certificate authority of a test's own.
type testCA struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  string
}

func newTestCA(t *testing.T, name string) *testCA {
	t.Helper()
	ca := &testCA{}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	var der []byte
	ca.key, der = issue(t, template, template, nil)
	var err error
	if ca.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	ca.pem = pemOf("CERTIFICATE", der)
	return ca
}

// issue makes a certificate and its key, signed by the parent's or by itself.
func issue(t *testing.T, template, parent *x509.Certificate, by *ecdsa.PrivateKey) (*ecdsa.PrivateKey, []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if by == nil {
		by = key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, by)
	if err != nil {
		t.Fatal(err)
	}
	return key, der
}

func pemOf(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

// leaf makes a certificate for 127.0.0.1, for servers and clients.
func (ca *testCA) leaf(t *testing.T, name string) *catalog.ClientCertificate {
	t.Helper()
	key, der := issue(t, &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}, ca.cert, ca.key)
	raw, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return &catalog.ClientCertificate{Certificate: pemOf("CERTIFICATE", der), Key: pemOf("PRIVATE KEY", raw)}
}

func (ca *testCA) roots() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(ca.cert)
	return pool
}

// TestTargetCertificates: whom a domain trusts at its endpoint servers, and what
// it shows them; calls and health checks do so alike.
func TestTargetCertificates(t *testing.T) {
	own, other := newTestCA(t, "own"), newTestCA(t, "other")
	pair, err := own.leaf(t, "server").Pair()
	if err != nil {
		t.Fatal(err)
	}
	var urls [2]string
	for i, auth := range []tls.ClientAuthType{tls.NoClientCert, tls.RequireAndVerifyClientCert} {
		server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			name := "nobody"
			if len(r.TLS.PeerCertificates) > 0 {
				name = r.TLS.PeerCertificates[0].Subject.CommonName
			}
			_, _ = io.WriteString(w, name)
		}))
		server.Config.ErrorLog = log.New(io.Discard, "", 0)
		server.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, ClientAuth: auth, ClientCAs: own.roots()}
		server.StartTLS()
		t.Cleanup(server.Close)
		urls[i] = server.URL
	}
	open, strict := urls[0], urls[1]
	cases := []struct {
		node  *testCA // what --upstream-ca has
		url   string
		ca    *testCA
		shown *catalog.ClientCertificate
		want  string // "" is 50200
	}{
		{nil, open, own, nil, "nobody"},
		{nil, open, nil, nil, ""},
		{nil, open, other, nil, ""},
		{own, open, nil, nil, "nobody"},
		{own, open, other, nil, ""}, // the domain's own alone is trusted
		{other, open, own, nil, "nobody"},
		{nil, strict, own, nil, ""},
		{nil, strict, own, own.leaf(t, "the gateway"), "the gateway"},
		{own, strict, nil, own.leaf(t, "the gateway"), "the gateway"},
		{nil, strict, own, other.leaf(t, "a stranger"), ""},
	}
	for i, tc := range cases {
		for _, checked := range []bool{false, true} {
			d := domainOf("test", tc.url, everything...)
			if tc.ca != nil {
				d.Plugins.HTTPProxy.CACertificate = tc.ca.pem
			}
			d.Plugins.HTTPProxy.ClientCertificate = tc.shown
			if checked {
				d.Plugins.HTTPProxy.HealthCheck = &catalog.HealthCheck{Path: "/", IntervalSeconds: 1}
			}
			g := startGateway(t, func(c *Config) {
				if tc.node != nil {
					c.TLS = &tls.Config{RootCAs: tc.node.roots(), MinVersion: tls.VersionTLS12}
				}
			}, d)
			name := fmt.Sprintf("case %d, checked %v", i, checked)
			switch a := g.get(t, "/test/a"); {
			case tc.want != "" && (a.StatusCode != 200 || a.body != tc.want):
				t.Errorf("%s: %s, want %q", name, a.raw, tc.want)
			case tc.want == "" && a.code() != 50200 && (a.code() != 50201 || !checked):
				t.Errorf("%s: %s, want 50200", name, a.raw)
			}
			if checked && tc.want == "" {
				eventually(t, name+": 50201", func() bool { return g.get(t, "/test/a").code() == 50201 })
			}
		}
	}
}
