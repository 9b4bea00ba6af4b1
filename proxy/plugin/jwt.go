package plugin

import (
	"fmt"
	"time"

	"github.com/tollgate/tollgate/proxy/envelope"
	"github.com/tollgate/tollgate/proxy/header"
	"github.com/tollgate/tollgate/proxy/jwtauth"
	"github.com/tollgate/tollgate/store/catalog"
)

// jwtAuth is JWT: the client must hold a token signed with the domain's key.
type jwtAuth struct {
	verifier *jwtauth.Verifier
	skew     time.Duration
	issuer   string
	// claims are those that quotas go by.
	claims []string
}

// jwtRefusals answer what jwtauth finds.
var jwtRefusals = [...]*envelope.Sealed{
	jwtauth.AuthorizationEmpty: envelope.JWTAuthorizationEmpty,
	jwtauth.Expired:            envelope.JWTExpired,
	jwtauth.Invalid:            envelope.JWTInvalid,
}

func buildJWT(env *Env, d *catalog.Domain) (Step, error) {
	j := d.Plugins.JWT
	if j == nil {
		return nil, nil
	}
	skew := time.Duration(j.ClockSkew) * time.Second
	v := jwtauth.New(j.SecretKey, j.Issuer, skew)
	v.Remember(env.Tokens)
	return &jwtAuth{v, skew, j.Issuer, claimNames(d)}, nil
}

func (j *jwtAuth) verify(c *Call, now time.Time) jwtauth.Reason {
	authorization, _ := c.Request.Fields.First(header.Authorization)
	reason := j.verifier.Verify(authorization, now)
	if reason == jwtauth.OK && len(j.claims) > 0 {
		c.counting().claims = jwtauth.Claims(authorization, j.claims)
	}
	return reason
}

func (j *jwtAuth) Serve(c *Call) (answered bool, err error) {
	if reason := j.verify(c, time.Now()); reason != jwtauth.OK {
		return false, jwtRefusals[reason]
	}
	return false, nil
}

func (j *jwtAuth) Explain(c *Call) Finding {
	now := time.Now()
	switch reason := j.verify(c, now); reason {
	case jwtauth.OK:
		return pass("Authorization holds a token that is good now")
	case jwtauth.AuthorizationEmpty:
		return refuse(jwtRefusals[reason], "Authorization is missing or empty")
	case jwtauth.Expired:
		return refuse(jwtRefusals[reason], fmt.Sprintf("the token's exp and clockSkew, %v, are over by this node's clock, which says %s",
			j.skew, now.Format(time.RFC3339)))
	default:
		why := "Authorization holds no HS256 token signed with secretKey that has an exp and whose nbf has passed"
		if j.issuer != "" {
			why += fmt.Sprintf(", from the issuer %q", j.issuer)
		}
		return refuse(jwtRefusals[reason], why)
	}
}
