package cluster

import (
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"time"
)

// tokenTLS makes the TLS configuration of a cluster from its shared secret:
// all members have the key that the secret gives, and accept no other. One
// secret thus encrypts and authenticates both ways, without a CA to run.
func tokenTLS(token string) (*tls.Config, error) {
	seed, err := hkdf.Key(sha256.New, []byte(token), nil, "tollgate cluster port v1", ed25519.SeedSize)
	if err != nil {
		return nil, fmt.Errorf("key of the cluster port: %w", err)
	}
	key := ed25519.NewKeyFromSeed(seed)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: "tollgate"},
		NotBefore:    time.Unix(0, 0),
		NotAfter:     time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC),
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("certificate of the cluster port: %w", err)
	}
	return &tls.Config{
		MinVersion:   tls.VersionTLS13,
		Certificates: []tls.Certificate{{Certificate: [][]byte{cert}, PrivateKey: key}},
		ClientAuth:   tls.RequireAnyClientCert,
		// Names and chains prove nothing here; the key does, below.
		InsecureSkipVerify: true,
		VerifyConnection: func(cs tls.ConnectionState) error {
			if len(cs.PeerCertificates) == 0 {
				return errors.New("the other node shows no certificate")
			}
			theirs, ok := cs.PeerCertificates[0].PublicKey.(ed25519.PublicKey)
			if !ok || !theirs.Equal(key.Public()) {
				return errors.New("the other node has another token")
			}
			return nil
		},
	}, nil
}
