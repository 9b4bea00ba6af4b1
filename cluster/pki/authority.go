// Package pki makes the certificates of a cluster out of its key.
//
// Whoever has the cluster key has the same certification authority: it is
// derived, so there is no CA to run and no file to hand round. A member's
// certificate says which node of which cluster it is. It guards against
// strangers and against misdirection, such as an address that another node has
// now. It does not guard against a thief of the key.
package pki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"sync"
	"time"

	"golang.org/x/crypto/argon2"
)

// MinKeyLength is the shortest cluster key, in characters. NewKey gives 43.
const MinKeyLength = 32

// NewKey is a cluster key of 256 random bits, in characters that need no quotes.
func NewKey() string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// Authority is the certification authority of a cluster key. It is read-only.
type Authority struct {
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
}

// The cost of deriving, by Argon2id (RFC 9106). Certificates go over the wire to
// whoever connects, so a guess at the key can be tried offline: each costs 64 MiB
// for a good part of a second. Changing a figure makes another authority.
const (
	deriveSalt   = "tollgate cluster key v1"
	deriveTime   = 4
	deriveKiB    = 64 << 10
	deriveLanes  = 1
	derivedBytes = 32
)

// derived keeps what was derived: a process with many nodes, such as a test, pays
// once a key.
var derived sync.Map // of func() (*Authority, error), by the key's hash

// Derive makes the authority of a cluster key. The same key gives the same one,
// with the same certificate.
func Derive(key string) (*Authority, error) {
	if len(key) < MinKeyLength {
		return nil, fmt.Errorf("the cluster key has %d characters, must have at least %d; make one with `tollgate keygen`", len(key), MinKeyLength)
	}
	once, _ := derived.LoadOrStore(sha256.Sum256([]byte(key)), sync.OnceValues(func() (*Authority, error) {
		return derive(argon2.IDKey([]byte(key), []byte(deriveSalt), deriveTime, deriveKiB, deriveLanes, derivedBytes))
	}))
	return once.(func() (*Authority, error))()
}

// derive makes the authority of a seed.
func derive(seed []byte) (*Authority, error) {
	key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), seed)
	for err != nil { // once in 2^32 keys the seed is no scalar of the curve
		next := sha256.Sum256(seed)
		seed = next[:]
		key, err = ecdsa.ParseRawPrivateKey(elliptic.P256(), seed)
	}
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: "Tollgate cluster"},
		NotBefore:             notBefore,
		NotAfter:              notAfter,
		IsCA:                  true,
		BasicConstraintsValid: true,
		MaxPathLenZero:        true,
		KeyUsage:              x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(zeros{}, template, template, key.Public(), deterministic{key})
	if err != nil {
		return nil, fmt.Errorf("certificate of the cluster's authority: %w", err)
	}
	cert, err := x509.ParseCertificate(der)
	return &Authority{key: key, cert: cert}, err
}

// Certificates hold for ever (RFC 5280 4.1.2.5): they are made anew at every
// start, and a node whose clock is wrong must still find its cluster.
var (
	notBefore = time.Date(2019, 1, 1, 0, 0, 0, 0, time.UTC)
	notAfter  = time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)
)

// Pool has the authority's certificate as the only root.
func (a *Authority) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return pool
}

// CertificatePEM is the authority's certificate for other programs, such as curl.
func (a *Authority) CertificatePEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw})
}

// deterministic signs without randomness (RFC 6979), so that all nodes have the
// same certificate of the authority.
type deterministic struct{ *ecdsa.PrivateKey }

// Sign implements crypto.Signer.
func (d deterministic) Sign(_ io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	return d.PrivateKey.Sign(nil, digest, opts)
}

// zeros is what CreateCertificate is given for random bytes; it draws none where
// serial number and signature are fixed.
type zeros struct{}

func (zeros) Read(b []byte) (int, error) {
	clear(b)
	return len(b), nil
}
