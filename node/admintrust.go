package node

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"time"

	"github.com/tollgate/tollgate/cluster/pki"
	"github.com/tollgate/tollgate/node/admin/api"
)

// adminDialTimeout bounds the TLS handshake with a member's admin API.
const adminDialTimeout = 5 * time.Second

// AdminTrust is the TLS configuration of who calls the admin API of a node:
// it trusts the certificates in caFile if there is one, else those that come
// from the cluster's key where that is known, else the system's.
func AdminTrust(caFile, clusterKey string) (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	switch {
	case caFile != "":
		var err error
		if c.RootCAs, err = readRoots(caFile); err != nil {
			return nil, fmt.Errorf("--%s %w", AdminCA, err)
		}
	case clusterKey != "":
		authority, err := pki.Derive(clusterKey)
		if err != nil {
			return nil, fmt.Errorf("the cluster key: %w", err)
		}
		// Any member will do, under whatever name it is reached: who has the
		// key is a member.
		c.InsecureSkipVerify = true
		c.VerifyConnection = func(cs tls.ConnectionState) error {
			if _, _, err := authority.Verify(cs.PeerCertificates); err != nil {
				return fmt.Errorf("%w; a certificate from elsewhere needs --admin-ca", err)
			}
			return nil
		}
	}
	return c, nil
}

// readRoots reads a file of certificates to trust.
func readRoots(file string) (*x509.CertPool, error) {
	raw, err := readFile(file)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(raw) {
		return nil, fmt.Errorf("%s: holds no certificate (PEM)", file)
	}
	return roots, nil
}

// adminClient calls the admin API at url: over the node's network, showing the
// node's certificate, and trusting what AdminTrust says.
func (n *Node) adminClient(url string) (*api.Client, error) {
	trust, err := AdminTrust(n.cfg.AdminCA, n.cfg.ClusterKey)
	if err != nil {
		return nil, err
	}
	if n.secrets.member != nil {
		trust.Certificates = []tls.Certificate{*n.secrets.member}
	}
	return &api.Client{URL: url, MaxAnswer: maxAnswer, HTTP: &http.Client{
		Transport: &http.Transport{
			DialContext: dialHTTP(n.cfg.Network), DisableKeepAlives: true,
			TLSClientConfig: trust, TLSHandshakeTimeout: adminDialTimeout,
		},
		CheckRedirect: api.NoRedirect,
	}}, nil
}
