package jwtauth

import (
	"encoding/json"
	"errors"
	"math"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/golang-jwt/jwt/v5"
)

// claims are the claims that decide, as the token has them. golang-jwt's own
// would not do: RegisteredClaims takes "EXP" for exp and a string for a number,
// and both it and MapClaims convert numbers beyond int64 as the processor
// pleases.
type claims struct {
	exp, nbf, iss json.RawMessage
}

// UnmarshalJSON takes claims by their exact names. Of a name that stands twice
// the last counts (RFC 7519 4). Bytes that are not UTF-8 are read differently by
// everybody, and JSON is UTF-8 (RFC 8259 8.1).
func (c *claims) UnmarshalJSON(b []byte) error {
	if !utf8.Valid(b) {
		return errNotUTF8
	}
	var all map[string]json.RawMessage
	if err := json.Unmarshal(b, &all); err != nil {
		return err
	}
	c.exp, c.nbf, c.iss = all["exp"], all["nbf"], all["iss"]
	return nil
}

// GetExpirationTime implements jwt.Claims.
func (c *claims) GetExpirationTime() (*jwt.NumericDate, error) { return numericDate(c.exp) }

// GetNotBefore implements jwt.Claims.
func (c *claims) GetNotBefore() (*jwt.NumericDate, error) { return numericDate(c.nbf) }

// GetIssuer implements jwt.Claims. golang-jwt asks only where an issuer is
// configured.
func (c *claims) GetIssuer() (iss string, err error) {
	if c.iss == nil {
		return "", nil
	}
	return iss, json.Unmarshal(c.iss, &iss)
}

// GetIssuedAt implements jwt.Claims; iat decides nothing.
func (c *claims) GetIssuedAt() (*jwt.NumericDate, error) { return nil, nil }

// GetSubject implements jwt.Claims; sub decides nothing.
func (c *claims) GetSubject() (string, error) { return "", nil }

// GetAudience implements jwt.Claims; aud decides nothing.
func (c *claims) GetAudience() (jwt.ClaimStrings, error) { return nil, nil }

// lastSecond is the end of the year 9999. Nobody means a later date, and a token
// that is good for ever is what exp is there to prevent.
const lastSecond = 253402300799

var (
	errNotUTF8 = errors.New("the payload is not UTF-8")
	errNoDate  = errors.New("a date is no number of seconds since 1970, or is behind the year 9999")
)

// numericDate reads a NumericDate (RFC 7519 2), nil where there is none.
// Fractions count. Numbers below zero are refused: nobody means a date before
// 1970.
func numericDate(raw json.RawMessage) (*jwt.NumericDate, error) {
	if raw == nil {
		return nil, nil
	}
	if raw[0] < '0' || raw[0] > '9' { // it is JSON: a string, null, -1, …
		return nil, errNoDate
	}
	seconds, _ := strconv.ParseFloat(string(raw), 64) // +Inf where out of range
	whole, part := math.Modf(seconds)
	if whole > lastSecond {
		return nil, errNoDate
	}
	return &jwt.NumericDate{Time: time.Unix(int64(whole), int64(part*1e9))}, nil
}
