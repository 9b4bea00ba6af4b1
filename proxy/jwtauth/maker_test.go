package jwtauth

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"hash"
	"math/big"
	"strings"
	"time"
	"unicode/utf8"
)

// Tokens are made and, the slow way, checked here by hand, so that golang-jwt
// is not its own judge.

const secret = "secret"

var at = time.Date(2019, 4, 1, 0, 0, 0, 0, time.UTC) // 1554076800

const (
	plainHeader = `{"alg":"HS256"}` // as jose4j makes it
	typedHeader = `{"typ":"JWT","alg":"HS256"}`
)

// made is a token with this header and payload, signed with SHA-256 whatever
// the header says.
func made(key, header, payload string) string {
	return signedBy(sha256.New, key, header, payload)
}

func signedBy(h func() hash.Hash, key, header, payload string) string {
	text := segment(header) + "." + segment(payload)
	mac := hmac.New(h, []byte(key))
	mac.Write([]byte(text))
	return text + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

func segment(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

// expiring is a payload with an exp so much after at, and more members.
func expiring(after time.Duration, more ...string) string {
	exp := fmt.Sprintf(`"exp":%d`, at.Add(after).Unix())
	return "{" + strings.Join(append([]string{exp}, more...), ",") + "}"
}

// slowVerify is the obvious Verify: every rule on its own, in the order of the
// rows.
func slowVerify(key, issuer string, skew time.Duration, authorization string, now time.Time) Reason {
	if authorization == "" {
		return AuthorizationEmpty
	}
	if len(authorization) > 6 && strings.EqualFold(authorization[:7], "bearer ") {
		authorization = strings.TrimLeft(authorization[7:], " ")
	}
	parts := strings.Split(authorization, ".")
	if key == "" || len(parts) != 3 || len(authorization) > 8192 {
		return Invalid
	}
	var decoded [3][]byte
	for i, part := range parts {
		b, err := base64.RawURLEncoding.DecodeString(part)
		if err != nil || base64.RawURLEncoding.EncodeToString(b) != part {
			return Invalid
		}
		decoded[i] = b
	}
	var header, claims map[string]any
	if json.Unmarshal(decoded[0], &header) != nil || header["alg"] != "HS256" {
		return Invalid
	}
	if _, critical := header["crit"]; critical {
		return Invalid
	}
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(parts[0] + "." + parts[1]))
	if string(mac.Sum(nil)) != string(decoded[2]) {
		return Invalid
	}
	dec := json.NewDecoder(strings.NewReader(string(decoded[1])))
	dec.UseNumber()
	if !utf8.Valid(decoded[1]) || !json.Valid(decoded[1]) || dec.Decode(&claims) != nil {
		return Invalid
	}
	exp, isDate := slowDate(claims["exp"])
	after := func(d time.Duration) *big.Rat { return big.NewRat(now.Add(d).UnixNano(), 1e9) }
	switch {
	case !isDate:
		return Invalid
	case after(-skew).Cmp(exp) >= 0:
		return Expired
	}
	if nbf, has := claims["nbf"]; has {
		from, isDate := slowDate(nbf)
		if !isDate || after(skew).Cmp(from) < 0 {
			return Invalid
		}
	}
	if issuer != "" && claims["iss"] != issuer {
		return Invalid
	}
	return OK
}

func slowDate(claim any) (seconds *big.Rat, ok bool) {
	number, ok := claim.(json.Number)
	if !ok || strings.HasPrefix(number.String(), "-") {
		return nil, false
	}
	f, _ := number.Float64()
	if f >= 253402300800 { // the year 10000
		return nil, false
	}
	return new(big.Rat).SetFloat64(f), true
}

// sha512Token is a token that is right in all but its algorithm.
func sha512Token(payload string) string {
	return signedBy(sha512.New, secret, `{"alg":"HS512"}`, payload)
}
