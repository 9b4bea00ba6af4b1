// Package jwtauth checks requests that carry a JWT signed with HMAC-SHA256
// (plugin JWT, spec section 7), and makes such tokens for tests and the command
// line.
//
// Parsing and signatures are golang-jwt's; what of it has to be switched on or
// put right, and why, stands beside the code (pitfalls 2(c)).
package jwtauth

import (
	"bytes"
	"errors"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// MaxTokenBytes is the longest token that is looked at. Ours: the original
// names no bound.
const MaxTokenBytes = 8 << 10

// Reason is the outcome of Verify.
type Reason uint8

// The outcomes in the order of the checks, which is the order of the rows in
// spec section 2.
const (
	// OK is a request whose token is good.
	OK Reason = iota
	// AuthorizationEmpty is a request with no Authorization or an empty one.
	AuthorizationEmpty
	// Expired is a token that is authentic, but whose exp and the leeway after
	// it have passed, whatever else is wrong with its claims.
	Expired
	// Invalid is anything else.
	Invalid
)

// String is what the error code table of the seed has in parentheses.
func (r Reason) String() string {
	switch r {
	case OK:
		return "OK"
	case AuthorizationEmpty:
		return "The authorization field is empty"
	case Expired:
		return "Exceeded expiration time"
	}
	return "Invalid authorization"
}

// Verifier checks the tokens of one domain. It is safe for concurrent use.
type Verifier struct {
	key    any // a []byte, boxed once
	keyed  bool
	skew   time.Duration
	checks sync.Pool // of *check

	cache *Cache // may be nil
	id    verifierID
}

// check is what one token is checked with: golang-jwt asks a function without
// arguments what the time is, so a parser can serve one call at a time.
type check struct {
	parser *jwt.Parser
	claims claims
	now    time.Time
	// digested is what a digest is made of.
	digested []byte
}

// New makes the Verifier of a secret key. Where issuer is not empty, a token's
// iss must equal it. clockSkew is the leeway for exp and nbf. An empty key,
// which a deployed domain cannot have, accepts nothing.
func New(secretKey, issuer string, clockSkew time.Duration) *Verifier {
	v := &Verifier{key: []byte(secretKey), keyed: secretKey != "", skew: clockSkew}
	v.checks.New = func() any {
		c := &check{}
		c.parser = jwt.NewParser(
			// Never what the token says: "none", or another hash.
			jwt.WithValidMethods([]string{jwt.SigningMethodHS256.Alg()}),
			// Without it a token with no exp is good for ever.
			jwt.WithExpirationRequired(),
			// Without it several spellings of a signature are good.
			jwt.WithStrictDecoding(),
			jwt.WithIssuer(issuer), // "" checks nothing
			jwt.WithLeeway(clockSkew),
			jwt.WithTimeFunc(func() time.Time { return c.now }),
		)
		return c
	}
	return v
}

// Remember makes the Verifier keep the tokens that it finds good in a Cache. No
// other Verifier finds them there. It is to be called before Verify.
func (v *Verifier) Remember(c *Cache) {
	v.cache, v.id = c, newVerifierID()
}

// Verify checks the value of a request's Authorization, nil where there is
// none, by the node's clock: a token, bare or after "Bearer ". At exp plus
// clockSkew a token has expired, at nbf minus clockSkew it is good. Verify does
// not keep its argument.
func (v *Verifier) Verify(authorization []byte, now time.Time) Reason {
	if len(authorization) == 0 {
		return AuthorizationEmpty
	}
	token := bare(authorization)
	// golang-jwt's decoder skips line ends wherever they are.
	if !v.keyed || len(token) > MaxTokenBytes || bytes.ContainsAny(token, "\r\n") {
		return Invalid
	}
	c := v.checks.Get().(*check)
	defer v.checks.Put(c)
	var d digest
	if v.cache != nil {
		d, c.digested = v.id.digest(c.digested, token)
		if v.cache.has(&d, now.Unix()) {
			return OK
		}
	}
	c.now, c.claims = now, claims{}
	// The signature is checked before any claim, so that nobody learns whether
	// a forged token would have expired.
	_, err := c.parser.ParseWithClaims(string(token), &c.claims, v.keyOf)
	switch {
	case err == nil:
		if v.cache != nil {
			from, until := c.claims.interval(v.skew)
			v.cache.add(&d, from, until, now.Unix())
		}
		return OK
	case errors.Is(err, jwt.ErrTokenExpired): // among others
		return Expired
	}
	return Invalid
}

var errCritical = errors.New("the token has critical extensions")

// keyOf refuses a token with "crit", which says that it means something else
// to whoever does not understand the extensions it names (RFC 7515 4.1.11).
// golang-jwt ignores it.
func (v *Verifier) keyOf(t *jwt.Token) (any, error) {
	if _, critical := t.Header["crit"]; critical {
		return nil, errCritical
	}
	return v.key, nil
}

// bare takes the scheme off, in any case and with any number of spaces behind
// it (RFC 9110 11.1, RFC 6750 2.1).
func bare(authorization []byte) []byte {
	const scheme = "Bearer"
	if len(authorization) > len(scheme) && authorization[len(scheme)] == ' ' &&
		bytes.EqualFold(authorization[:len(scheme)], []byte(scheme)) {
		return bytes.TrimLeft(authorization[len(scheme):], " ")
	}
	return authorization
}
