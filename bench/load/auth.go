package load

import (
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/tollgate/tollgate/proxy/hmacsign"
	"github.com/tollgate/tollgate/proxy/jwtauth"
)

// HMAC makes the calls of a Plan for domains with the plugin HMAC: as Plain,
// signed with the domain's secret key, at the time of the call. What is signed
// tells whole seconds, so a target is signed once a second, for all connections.
func HMAC(secretKey string, targets ...Target) func(req *fasthttp.Request, conn, n int) (counter int) {
	next := inTurn(targets)
	signatures := make([]atomic.Pointer[signature], len(targets))
	return func(req *fasthttp.Request, _, n int) int {
		i := next(req, n)
		now := time.Now().Unix()
		s := signatures[i].Load()
		if s == nil || s.second != now {
			s = sign(secretKey, &targets[i], now)
			signatures[i].Store(s)
		}
		if string(req.Header.Peek(hmacsign.AuthorizationField)) != s.authorization {
			req.Header.Set(hmacsign.TimestampField, s.timestamp)
			req.Header.Set(hmacsign.AuthorizationField, s.authorization)
		}
		return targets[i].Counter
	}
}

// SingleUse makes the calls of a Plan for domains whose signatures are good once:
// as HMAC, but each call has a query of its own, and a signature.
func SingleUse(secretKey string, targets ...Target) func(req *fasthttp.Request, conn, n int) (counter int) {
	next := inTurn(targets)
	return func(req *fasthttp.Request, conn, n int) int {
		own := targets[next(req, n)]
		separator := "?"
		if strings.Contains(own.URI, "?") {
			separator = "&"
		}
		own.URI = fmt.Sprintf("%s%scall=%d-%d", own.URI, separator, conn, n)
		s := sign(secretKey, &own, time.Now().Unix())
		req.SetRequestURI(own.URI)
		req.Header.Set(hmacsign.TimestampField, s.timestamp)
		req.Header.Set(hmacsign.AuthorizationField, s.authorization)
		return own.Counter
	}
}

// signature is what signs the calls of one target within a second.
type signature struct {
	second                   int64 // Unix time
	timestamp, authorization string
}

func sign(secretKey string, t *Target, second int64) *signature {
	timestamp := time.Unix(second, 0).UTC().Format(time.RFC3339)
	return &signature{second, timestamp, hmacsign.Sign(secretKey, t.method(), t.URI, timestamp)}
}

// JWT makes the calls of a Plan for domains with the plugin JWT: as Plain, with
// one token, made now, that is good for ttl, 1 s or more: the load must be over
// by then. An empty issuer leaves it out.
func JWT(secretKey, issuer string, ttl time.Duration, targets ...Target) (func(req *fasthttp.Request, conn, n int) (counter int), error) {
	if ttl < time.Second {
		return nil, fmt.Errorf("a token that is good for %v: must be 1s or more", ttl)
	}
	token, err := jwtauth.Issue(secretKey, issuer, ttl, time.Now(), nil)
	if err != nil {
		return nil, err
	}
	return Plain(WithHeader(targets, "Authorization", token)...), nil
}

// WithHeader is the targets with one more field in the header of each.
func WithHeader(targets []Target, name, value string) []Target {
	more := make([]Target, len(targets))
	for i, t := range targets {
		t.Header = append(t.Header[:len(t.Header):len(t.Header)], [2]string{name, value})
		more[i] = t
	}
	return more
}
