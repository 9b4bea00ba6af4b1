package jwtauth

import (
	"errors"
	"fmt"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// Issue makes a token that a Verifier with the same key and issuer accepts from
// now until ttl later, in whole seconds; a ttl below zero makes one that has
// expired. An empty issuer leaves iss out. extra are further claims, which
// cannot be exp, iat or iss.
func Issue(secretKey, issuer string, ttl time.Duration, now time.Time, extra map[string]any) (string, error) {
	if secretKey == "" {
		return "", errors.New("the secret key is empty")
	}
	all := jwt.MapClaims{}
	for name, value := range extra {
		switch name {
		case "exp", "iat", "iss":
			return "", fmt.Errorf("the claim %s follows from ttl, now and issuer: leave it out", name)
		}
		all[name] = value
	}
	all["iat"] = now.Unix()
	all["exp"] = now.Add(ttl).Unix()
	if issuer != "" {
		all["iss"] = issuer
	}
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, all).SignedString([]byte(secretKey))
	if err != nil {
		return "", fmt.Errorf("sign the token: %w", err)
	}
	if len(token) > MaxTokenBytes {
		return "", fmt.Errorf("the token has %d bytes, a gateway takes at most %d: leave claims out", len(token), MaxTokenBytes)
	}
	return token, nil
}
