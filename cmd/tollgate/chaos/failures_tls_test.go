//go:build linux

package chaos

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	number "math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// certificate is one of a client port, in files.
type certificate struct {
	file, keyFile string
	key           *ecdsa.PrivateKey
}

// renew writes a certificate that ends at a time, and vouches for itself.
func (c *certificate) renew(end time.Time) (*x509.CertPool, error) {
	template := &x509.Certificate{
		SerialNumber: number.NewInt(end.UnixNano()), NotBefore: end.Add(-48 * time.Hour), NotAfter: end,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, c.key.Public(), c.key)
	if err != nil {
		return nil, err
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	trust := x509.NewCertPool()
	trust.AppendCertsFromPEM(text)
	return trust, os.WriteFile(c.file, text, 0o600)
}

func newCertificate(dir string) (*certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	c := &certificate{filepath.Join(dir, "api.pem"), filepath.Join(dir, "api.key"), key}
	return c, os.WriteFile(c.keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600)
}

func (f *failures) certificateEnded() {
	cert, err := newCertificate(f.TempDir())
	if err != nil {
		f.Fatal(err)
	}
	trust, err := cert.renew(time.Now().Add(-time.Hour))
	if err != nil {
		f.Fatal(err)
	}
	network, err := newWires(1)
	if err != nil {
		f.Fatal(err)
	}
	c := layOutCluster(f.T, tollgate(f), network, 1)
	of, n := &failures{T: f.T, c: c}, c.nodes[0]
	n.args = append(n.args, "--tls-cert", cert.file, "--tls-key", cert.keyFile)
	c.startAll()
	of.logged(n, 0, `level=WARN msg="a certificate of the client port has expired" file=`+cert.file)
	get := func(trust *x509.CertPool) (status int, err error) {
		client := &http.Client{Timeout: patient, Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: trust}}}
		answer, err := client.Get("https://" + n.at.listen + "/nobody/x")
		if err != nil {
			return 0, err
		}
		answer.Body.Close()
		return answer.StatusCode, nil
	}
	var invalid x509.CertificateInvalidError
	if status, err := get(trust); !errors.As(err, &invalid) || invalid.Reason != x509.Expired {
		f.Errorf("a client gets %d, %v", status, err)
	}
	if trust, err = cert.renew(time.Now().Add(time.Hour)); err != nil {
		f.Fatal(err)
	}
	n.process().Signal(syscall.SIGHUP)
	of.await("clients are served", func() error {
		status, err := get(trust)
		if err == nil && status != http.StatusNotFound { // of a domain that there is not
			err = fmt.Errorf("status %d", status)
		}
		return err
	})
}

// secured are wires that nodes have secrets on.
type secured struct{ *wires }

func (secured) secured() bool { return true }

func (f *failures) anotherKey() {
	wires, err := newWires(3)
	if err != nil {
		f.Fatal(err)
	}
	c := startCluster(f.T, tollgate(f), secured{wires}, 3)
	of, n := &failures{T: f.T, c: c, free: &target{domain: "free", path: "/x"}}, c.nodes[2]
	of.leased = &target{domain: "leased", path: "/x", limit: 1000, window: longWindow}
	others := of.others(n)
	for _, domain := range []*target{of.leased, of.somebody()} {
		of.deploy(string(document(domain.domain, []*target{domain})))
	}
	other := strings.Repeat("other", 8)
	admin, err := newAdminClient(other)
	if err != nil {
		f.Fatal(err)
	}
	admin.token = c.secret
	was := n.args
	n.args = slices.Clone(was)
	n.args[slices.Index(was, "--cluster-key-file")+1] = c.secretFile("other.key", other)
	if err := terminate(n.process()); err != nil {
		f.Fatal(err)
	}
	from := of.logEnd(n)
	of.start(n)
	of.notReadyBy(admin, n, "no Tollgate node answers there, or one with another cluster key")
	of.logged(n, from, "another cluster key")
	if v := of.call(n, of.somebody()); v != notReady {
		f.Errorf("it serves: %v", v)
	}
	of.member(others[0], n.id, "unreachable", unreachable)
	for _, t := range []*target{of.leased, of.somebody()} {
		of.await("the others serve "+t.domain, func() error {
			if v := of.call(others[1], t); v != admitted {
				return fmt.Errorf("a call is %v", v)
			}
			return nil
		})
	}
	if err := terminate(n.process()); err != nil {
		f.Fatal(err)
	}
	n.args = was
	of.start(n)
	if err := c.healed(healPatience); err != nil {
		f.Fatal(err)
	}
}
