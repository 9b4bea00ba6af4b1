package pki

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"net"
	"net/url"
	"strings"
)

// identityScheme is the scheme of the URI that names a node in its certificate:
// tollgate://CLUSTER/NODE, with an empty CLUSTER for a node of none.
const identityScheme = "tollgate"

// Member makes a certificate, with a key of its own, for a node: it serves both
// ends of a connection. clusterID is empty for a node that belongs to no cluster
// yet. names are host names and IP addresses that others reach the node by.
func (a *Authority) Member(clusterID, nodeID string, names ...string) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("key of a member: %w", err)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("serial number of a member's certificate: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: nodeID},
		NotBefore:    notBefore,
		NotAfter:     notAfter,
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		URIs:         []*url.URL{{Scheme: identityScheme, Host: clusterID, Path: "/" + nodeID}},
	}
	for _, name := range names {
		if ip := net.ParseIP(name); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else if name != "" {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("certificate of member %s: %w", nodeID, err)
	}
	leaf, err := x509.ParseCertificate(der)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, err
}

// Verify checks that the first certificate is one of the authority's, and says
// which node it names. It is for connections on which no name is asked for: all
// that counts is who has the key.
func (a *Authority) Verify(chain []*x509.Certificate) (clusterID, nodeID string, err error) {
	if len(chain) == 0 {
		return "", "", fmt.Errorf("the other end shows no certificate")
	}
	_, err = chain[0].Verify(x509.VerifyOptions{Roots: a.Pool(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
	if err != nil {
		return "", "", fmt.Errorf("the other end has another cluster key: %w", err)
	}
	clusterID, nodeID, ok := PeerOf(chain[0])
	if !ok {
		return "", "", fmt.Errorf("the other end's certificate names no node")
	}
	return clusterID, nodeID, nil
}

// PeerOf is the node that a certificate names, whoever has signed it; ok is false
// if it names none.
func PeerOf(cert *x509.Certificate) (clusterID, nodeID string, ok bool) {
	for _, u := range cert.URIs {
		if nodeID = strings.TrimPrefix(u.Path, "/"); u.Scheme == identityScheme && nodeID != "" {
			return u.Host, nodeID, true
		}
	}
	return "", "", false
}
