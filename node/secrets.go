package node

import (
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"slices"
	"sync/atomic"

	"github.com/tollgate/tollgate/cluster/pki"
	"github.com/tollgate/tollgate/node/admin"
)

const (
	// maxTokenFileBytes bounds a token file: a thousand long lines.
	maxTokenFileBytes = 1 << 20
	// maxPEMBytes bounds a file of certificates or of a key.
	maxPEMBytes = 1 << 20
)

// secrets are what the node knows strangers by, made from the settings and
// kept up to date with their files.
type secrets struct {
	// authority is the cluster's, nil without a cluster key.
	authority *pki.Authority
	// tokens are who may call the admin API; nil without a token file.
	tokens atomic.Pointer[admin.Tokens]
	// certificate is what the admin port shows; nil where it is plain HTTP.
	certificate atomic.Pointer[tls.Certificate]
	// member is this node's certificate for other members' admin ports; nil
	// without a cluster key.
	member *tls.Certificate
	// clients is how the client port is served; nil where it is plain HTTP.
	clients atomic.Pointer[tls.Config]
	// upstreams is how https endpoint servers are known; nil is by the system's
	// certificates.
	upstreams *tls.Config
}

// loadSecrets makes the secrets of the settings.
func (n *Node) loadSecrets() error {
	if n.cfg.ClusterKey != "" {
		var err error
		if n.secrets.authority, err = pki.Derive(n.cfg.ClusterKey); err != nil {
			return fmt.Errorf("--cluster-key-file: %w", err)
		}
	}
	if file := n.cfg.AdminTokenFile; file != "" {
		if err := n.watchFiles("--"+AdminTokenFile, n.loadTokens, file); err != nil {
			return err
		}
	}
	if _, err := AdminTrust(n.cfg.AdminCA, n.cfg.ClusterKey); err != nil {
		return err
	}
	if file := n.cfg.UpstreamCA; file != "" {
		roots, err := readRoots(file)
		if err != nil {
			return fmt.Errorf("--upstream-ca %w", err)
		}
		n.secrets.upstreams = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots}
	}
	if len(n.cfg.TLSCert) > 0 {
		files := slices.Concat(n.cfg.TLSCert, n.cfg.TLSKey)
		if n.cfg.ClientCA != "" {
			files = append(files, n.cfg.ClientCA)
		}
		if err := n.watchFiles("--"+flagClientCert, n.loadClientTLS, files...); err != nil {
			return err
		}
	}
	if n.cfg.AdminTLSCert != "" {
		return n.watchFiles("--"+flagTLSCert, n.loadCertificate, n.cfg.AdminTLSCert, n.cfg.AdminTLSKey)
	}
	return nil
}

func (n *Node) loadTokens() error {
	file := n.cfg.AdminTokenFile
	raw, err := ReadSecretFile(file, maxTokenFileBytes)
	if err != nil {
		return fmt.Errorf("--%s %w", AdminTokenFile, err)
	}
	tokens, err := admin.ParseTokens(string(raw))
	if err != nil {
		return fmt.Errorf("--%s %s: %w", AdminTokenFile, file, err)
	}
	n.secrets.tokens.Store(tokens)
	return nil
}

func (n *Node) loadCertificate() error {
	pair, err := readPair(flagTLSCert, n.cfg.AdminTLSCert, flagTLSKey, n.cfg.AdminTLSKey)
	if err != nil {
		return err
	}
	n.secrets.certificate.Store(&pair)
	return nil
}

// readPair reads a certificate and its key, which the flags name.
func readPair(certFlag, certFile, keyFlag, keyFile string) (tls.Certificate, error) {
	var none tls.Certificate
	key, err := ReadSecretFile(keyFile, maxPEMBytes)
	if err != nil {
		return none, fmt.Errorf("--%s %w", keyFlag, err)
	}
	cert, err := readFile(certFile)
	if err != nil {
		return none, fmt.Errorf("--%s %w", certFlag, err)
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return none, fmt.Errorf("--%s %s, --%s %s: %w", certFlag, certFile, keyFlag, keyFile, err)
	}
	return pair, nil
}

// loadClientTLS makes how the next connections of clients are served. Those that
// there are go on as they are; tickets of before are good no more, so that who is
// vouched for by a former CA alone does not come in by one.
func (n *Node) loadClientTLS() error {
	c := &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}}
	for i, cert := range n.cfg.TLSCert {
		pair, err := readPair(flagClientCert, cert, flagClientKey, n.cfg.TLSKey[i])
		if err != nil {
			return err
		}
		if end := pair.Leaf.NotAfter; n.cfg.Clock().After(end) {
			n.cfg.Logger.Warn("a certificate of the client port has expired", "file", cert, "expired", end)
		}
		c.Certificates = append(c.Certificates, pair)
	}
	if n.cfg.ClientCA != "" {
		var err error
		if c.ClientCAs, err = readRoots(n.cfg.ClientCA); err != nil {
			return fmt.Errorf("--%s %w", flagClientCA, err)
		}
		c.ClientAuth = tls.VerifyClientCertIfGiven
	}
	n.secrets.clients.Store(c)
	return nil
}

// issueCertificates makes the certificates that come from the cluster's key,
// once the node's addresses are known.
func (n *Node) issueCertificates() error {
	if n.secrets.authority == nil {
		return nil
	}
	cert, err := n.secrets.authority.Member("", n.cfg.ID, n.adminNames()...)
	if err != nil {
		return fmt.Errorf("certificate of the admin port: %w", err)
	}
	n.secrets.member = &cert
	if n.secrets.certificate.Load() == nil {
		n.secrets.certificate.Store(&cert)
	}
	return nil
}

// adminNames are the names and addresses by which people reach the admin port.
func (n *Node) adminNames() []string {
	names := []string{"localhost", "127.0.0.1", "::1"}
	add := func(name string) {
		for _, known := range names {
			if name == known || name == "" {
				return
			}
		}
		names = append(names, name)
	}
	for _, addr := range []string{n.cfg.Admin, n.cfg.AdvertiseAdmin} {
		if host, _, err := net.SplitHostPort(addr); err == nil && !unspecified(addr) {
			add(host)
		}
	}
	if name, err := os.Hostname(); err == nil {
		add(name)
	}
	return names
}

// adminTLS is how the admin port is served, nil for plain HTTP.
func (n *Node) adminTLS() *tls.Config {
	if n.secrets.certificate.Load() == nil {
		return nil
	}
	c := &tls.Config{
		MinVersion: tls.VersionTLS12,
		NextProtos: []string{"http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			return n.secrets.certificate.Load(), nil
		},
	}
	if n.secrets.authority != nil {
		// A certificate is judged where it is needed (peer), with an answer
		// that people can read: most callers need none.
		c.ClientAuth = tls.RequestClientCert
		c.ClientCAs = n.secrets.authority.Pool()
	}
	return c
}

// peer tells which node a connection's certificate belongs to.
func (n *Node) peer(cs *tls.ConnectionState) (id string, err error) {
	if len(cs.PeerCertificates) == 0 {
		return "", nil
	}
	_, id, err = n.secrets.authority.Verify(cs.PeerCertificates)
	return id, err
}
