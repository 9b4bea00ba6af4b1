package plugin

import (
	"fmt"
	"time"

	"github.com/tollgate/tollgate/proxy/envelope"
	"github.com/tollgate/tollgate/proxy/header"
	"github.com/tollgate/tollgate/proxy/hmacsign"
	"github.com/tollgate/tollgate/store/catalog"
)

// hmacAuth is HMAC: the request line and a timestamp must be signed. What is
// checked is the target as it came, not as it goes on (pitfalls 2(d) 4).
type hmacAuth struct {
	verifier *hmacsign.Verifier
	skew     time.Duration
	// once has each signature be good once; nil where it is not so.
	once   Quota
	domain string
}

// hmacRefusals answer what hmacsign finds.
var hmacRefusals = [...]*envelope.Sealed{
	hmacsign.TimestampEmpty:     envelope.HMACTimestampEmpty,
	hmacsign.TimestampFormat:    envelope.HMACTimestampFormat,
	hmacsign.Expired:            envelope.HMACExpired,
	hmacsign.AuthorizationEmpty: envelope.HMACAuthorizationEmpty,
	hmacsign.Invalid:            envelope.HMACInvalid,
}

func buildHMAC(env *Env, d *catalog.Domain) (Step, error) {
	h := d.Plugins.HMAC
	if h == nil {
		return nil, nil
	}
	skew := time.Duration(h.ClockSkew) * time.Second
	a := &hmacAuth{verifier: hmacsign.New(h.SecretKey, skew), skew: skew, domain: d.Key}
	if h.SingleUse {
		a.once = env.Quota
	}
	return a, nil
}

func (h *hmacAuth) verify(c *Call, now time.Time) (reason hmacsign.Reason, timestamp []byte) {
	timestamp, _ = c.Request.Fields.First(header.Timestamp)
	authorization, _ := c.Request.Fields.First(header.Authorization)
	return h.verifier.Verify(c.Request.Method, c.Request.Target, timestamp, authorization, now), timestamp
}

func (h *hmacAuth) Serve(c *Call) (answered bool, err error) {
	reason, timestamp := h.verify(c, time.Now())
	if reason != hmacsign.OK {
		return false, hmacRefusals[reason]
	}
	if h.once == nil {
		return false, nil
	}
	// Only what has been verified is claimed: nobody else's calls use anything up.
	at, _ := hmacsign.ParseTimestamp(timestamp)
	signature, _ := c.Request.Fields.First(header.Authorization)
	first, err := h.once.Claim(h.domain, signature, at)
	if err != nil {
		c.Cause = err
		return false, envelope.QuotaUndecided
	}
	if !first {
		return false, envelope.HMACInvalid
	}
	return false, nil
}

func (h *hmacAuth) Explain(c *Call) (f Finding) {
	now := time.Now()
	reason, timestamp := h.verify(c, now)
	switch reason {
	case hmacsign.OK:
		f = pass("Authorization is the signature of stringToSign")
		if h.once != nil {
			f.Decision, f.Reason = Unknown, f.Reason+"; a real call uses it, and another one with it is refused"
		}
	case hmacsign.TimestampEmpty:
		f = refuse(hmacRefusals[reason], "X-TC-Timestamp is missing or empty")
	case hmacsign.TimestampFormat:
		f = refuse(hmacRefusals[reason], "X-TC-Timestamp is not like 2016-07-23T12:20:02+09:00")
	case hmacsign.Expired:
		f = refuse(hmacRefusals[reason], fmt.Sprintf("X-TC-Timestamp is further than clockSkew, %v, from this node's clock, which says %s",
			h.skew, now.Format(time.RFC3339)))
	case hmacsign.AuthorizationEmpty:
		f = refuse(hmacRefusals[reason], "Authorization is missing or empty")
	default:
		f = refuse(hmacRefusals[reason], "Authorization is not base64(HMAC-SHA1(secretKey, stringToSign))"+h.mistake(c, timestamp))
	}
	f.StringToSign = hmacsign.StringToSign(c.Request.Method, string(c.Request.Target), string(timestamp))
	return f
}

// mistake says what was signed instead, where that can be found out.
func (h *hmacAuth) mistake(c *Call, timestamp []byte) string {
	r := &c.Request
	authorization, _ := r.Fields.First(header.Authorization)
	what := h.verifier.Mistake(r.Method, string(r.Target), string(r.Key), string(r.Host), string(timestamp), string(authorization))
	if what == "" {
		return "; nor is it that of the target decoded, encoded anew, without its key or query, or with its host: the secretKey may be another one"
	}
	return ": it is the signature of another text, with " + what + "; sign what is sent, byte for byte"
}
