// Package hmacsign checks requests that their client has signed with
// HMAC-SHA1 (plugin HMAC, spec section 6), and signs them for tests and the
// command line.
//
// What is signed is the request line as it came, not what the gateway makes of
// it: a signature is checked over the raw target, which the gate has checked to
// have one meaning only (pitfalls 2(d) 4 and 5).
//
// The same request is accepted again for as long as its timestamp is: the
// original has no nonce. The body is not signed.
package hmacsign

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"hash"
	"sync"
	"time"
)

// The header fields that carry a signed request's timestamp and signature.
const (
	TimestampField     = "X-TC-Timestamp"
	AuthorizationField = "Authorization"
)

// Reason is the outcome of Verify.
type Reason uint8

// The outcomes in the order of the checks, which is the order of the rows in
// spec section 2.
const (
	// OK is a request whose signature is right.
	OK Reason = iota
	// TimestampEmpty is a request with no timestamp or an empty one.
	TimestampEmpty
	// TimestampFormat is a timestamp that ParseTimestamp does not take.
	TimestampFormat
	// Expired is a timestamp further from the node's clock than clockSkew.
	Expired
	// AuthorizationEmpty is a request with no signature or an empty one.
	AuthorizationEmpty
	// Invalid is a signature that is wrong, or none in form.
	Invalid
)

// String is what the error code table of the seed has in parentheses.
func (r Reason) String() string {
	switch r {
	case OK:
		return "OK"
	case TimestampEmpty:
		return "The timestamp field is empty"
	case TimestampFormat:
		return "Invalid timestamp format"
	case Expired:
		return "Exceeded expiration time"
	case AuthorizationEmpty:
		return "The authorization field is empty"
	}
	return "Invalid authorization"
}

// encodedLen is the length of a signature in base64.
const encodedLen = (sha1.Size + 2) / 3 * 4

// strict refuses a last character whose unused bits are set: a signature has
// one spelling (pitfalls 2(d) 1).
var strict = base64.StdEncoding.Strict()

// Verifier checks the requests of one domain. It is safe for concurrent use.
type Verifier struct {
	clockSkew time.Duration
	keyed     bool
	states    sync.Pool // of *state
}

// state is what one check works with. Its hash keeps what the key comes to,
// so that a Reset costs no hashing.
type state struct {
	mac  hash.Hash
	head []byte // the method and a line end
	sent [encodedLen]byte
	sum  [sha1.Size]byte
}

// New makes the Verifier of a secret key. A clockSkew of 0 switches the time
// check off, not the format check. An empty key, which a deployed domain cannot
// have, accepts nothing.
func New(secretKey string, clockSkew time.Duration) *Verifier {
	key := []byte(secretKey)
	v := &Verifier{clockSkew: clockSkew, keyed: len(key) > 0}
	v.states.New = func() any { return &state{mac: hmac.New(sha1.New, key)} }
	return v
}

// Verify checks a request: its method and request target exactly as they were
// on the request line, the values of its X-TC-Timestamp and Authorization, nil
// where there is none, and the node's clock. A timestamp exactly clockSkew away
// is accepted. Verify keeps none of its arguments and does not allocate.
func (v *Verifier) Verify(method string, target, timestamp, authorization []byte, now time.Time) Reason {
	if len(timestamp) == 0 {
		return TimestampEmpty
	}
	at, ok := ParseTimestamp(timestamp)
	if !ok {
		return TimestampFormat
	}
	// Not by the difference of the two, which saturates for far dates
	// (pitfalls 2(d) 11).
	if v.clockSkew != 0 && (at.Before(now.Add(-v.clockSkew)) || at.After(now.Add(v.clockSkew))) {
		return Expired
	}
	if len(authorization) == 0 {
		return AuthorizationEmpty
	}
	if !v.signed(method, target, timestamp, authorization) {
		return Invalid
	}
	return OK
}

func (v *Verifier) signed(method string, target, timestamp, authorization []byte) bool {
	// The length is checked first: what is longer would not fit into sent, and
	// the decoder skips line ends wherever they are.
	if !v.keyed || len(authorization) != encodedLen {
		return false
	}
	s := v.states.Get().(*state)
	defer v.states.Put(s)
	n, err := strict.Decode(s.sent[:], authorization)
	if err != nil {
		return false
	}
	s.mac.Reset()
	s.head = append(append(s.head[:0], method...), '\n')
	s.mac.Write(s.head)
	s.mac.Write(target)
	s.mac.Write(lineEnd)
	s.mac.Write(timestamp)
	return hmac.Equal(s.mac.Sum(s.sum[:0]), s.sent[:n])
}

var lineEnd = []byte("\n")
