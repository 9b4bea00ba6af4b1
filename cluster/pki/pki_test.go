package pki

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"net"
	"strings"
	"testing"
)

const key = "0123456789abcdef0123456789abcdef"

func authority(t *testing.T, key string) *Authority {
	t.Helper()
	a, err := Derive(key)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// TestSameKeySameAuthority: what one node derives is what every other does, to
// the byte, and another key gives another.
func TestSameKeySameAuthority(t *testing.T) {
	a := authority(t, key)
	seed, err := a.key.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	again, err := derive(seed)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(a.CertificatePEM(), again.CertificatePEM()) {
		t.Error("the same seed gave two certificates")
	}
	if bytes.Equal(a.CertificatePEM(), authority(t, key+"x").CertificatePEM()) {
		t.Error("another key gave the same certificate")
	}
	// Fixed for ever: nodes of two versions must agree.
	const want = "e9c96b6f52a8a8959c42aa4e5c8243e8f116df596ac1ce2102cc06ebbd21fb95"
	if got := hex.EncodeToString(seed); got != want {
		t.Errorf("the key derives %s, want %s", got, want)
	}
	if _, err := Derive(key[1:]); err == nil || !strings.Contains(err.Error(), "keygen") {
		t.Errorf("a key of 31 characters: %v", err)
	}
	if k := NewKey(); len(k) < MinKeyLength || k == NewKey() {
		t.Errorf("a new key is %q", k)
	}
}

// TestMember: both ends know who the other is, whatever its ID, and strangers are
// told apart.
func TestMember(t *testing.T) {
	a, stranger := authority(t, key), authority(t, key+"x")
	for _, id := range []string{"n1", "..", "a.b_c-D", strings.Repeat("n", 64)} {
		for _, cluster := range []string{"", "5f2c0f4e-6a45-4b61-9f0e-0d9c3cf7d3c1"} {
			cert, err := a.Member(cluster, id, "localhost", "127.0.0.1", "")
			if err != nil {
				t.Fatal(err)
			}
			gotCluster, gotID, err := a.Verify([]*x509.Certificate{cert.Leaf})
			if err != nil || gotCluster != cluster || gotID != id {
				t.Errorf("%q of %q is verified as %q of %q: %v", id, cluster, gotID, gotCluster, err)
			}
			if _, _, err := stranger.Verify([]*x509.Certificate{cert.Leaf}); err == nil {
				t.Error("another authority accepts it")
			}
		}
	}
	if _, _, err := a.Verify(nil); err == nil {
		t.Error("no certificate was accepted")
	}
	if _, _, err := a.Verify([]*x509.Certificate{a.cert}); err == nil {
		t.Error("the authority's own certificate was accepted as a node's")
	}
}

// TestOrdinaryClient: a program that knows nothing of clusters, such as curl with
// the authority's certificate, accepts a member's by its names.
func TestOrdinaryClient(t *testing.T) {
	a := authority(t, key)
	cert, err := a.Member("c", "n1", "localhost", "127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(a.CertificatePEM()) {
		t.Fatal("the certificate is no PEM")
	}
	for name, good := range map[string]bool{"localhost": true, "127.0.0.1": true, "example.org": false} {
		client := answering(t, &tls.Config{Certificates: []tls.Certificate{cert}})
		err := tls.Client(client, &tls.Config{RootCAs: roots, ServerName: name}).Handshake()
		if (err == nil) != good {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// answering is a connection at whose other end a handshake is under way.
func answering(t *testing.T, cfg *tls.Config) net.Conn {
	t.Helper()
	ln, err := tls.Listen("tcp", "127.0.0.1:0", cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	client, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	server, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.(*tls.Conn).Handshake() // the client judges it
	}()
	t.Cleanup(func() {
		_ = client.Close()
		<-done
		_ = server.Close()
	})
	return client
}
