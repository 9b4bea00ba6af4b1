package cluster

import (
	"crypto/tls"
	"fmt"
	"net"
	"sync"

	"github.com/tollgate/tollgate/cluster/pki"
)

// certificates is the encryption of the cluster port: TLS 1.3, with a certificate of
// the cluster key's authority at both ends.
type certificates struct {
	authority *pki.Authority
	id        string

	mu sync.Mutex
	// cfg is for the cluster this node belonged to when it was last asked for.
	cfg     *tls.Config
	cluster string
}

// config is for connections of this node as a member of the given cluster.
func (s *certificates) config(cluster string) (*tls.Config, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cfg != nil && s.cluster == cluster {
		return s.cfg, nil
	}
	cert, err := s.authority.Member(cluster, s.id)
	if err != nil {
		return nil, err
	}
	s.cluster = cluster
	s.cfg = &tls.Config{
		MinVersion:   tls.VersionTLS13,
		Certificates: []tls.Certificate{cert},
		ClientAuth:   tls.RequireAnyClientCert,
		// Host names prove nothing here; the authority and the IDs do, below and
		// in check.
		InsecureSkipVerify: true,
		VerifyConnection: func(cs tls.ConnectionState) error {
			_, _, err := s.authority.Verify(cs.PeerCertificates)
			return err
		},
	}
	return s.cfg, nil
}

// check makes sure that the other end of a connection is who it says it is.
func (s *certificates) check(c net.Conn, cluster, id string) error {
	haveCluster, haveID, err := s.authority.Verify(c.(*tls.Conn).ConnectionState().PeerCertificates)
	if err == nil && (haveCluster != cluster || haveID != id) {
		err = fmt.Errorf("it says that it is %q of cluster %q, its certificate %q of %q", id, cluster, haveID, haveCluster)
	}
	return err
}
