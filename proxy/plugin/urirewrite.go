package plugin

import (
	"errors"
	"fmt"

	"github.com/tollgate/tollgate/proxy/envelope"
	"github.com/tollgate/tollgate/proxy/rewrite"
	"github.com/tollgate/tollgate/store/catalog"
)

// uriRewrite is URI_REWRITE: another path for the endpoint server.
type uriRewrite struct {
	rule *rewrite.Rewrite
	from *catalog.URIRewrite
}

func buildDomainRewrite(_ *Env, d *catalog.Domain) (Step, error) {
	return newURIRewrite(d.Plugins.URIRewrite)
}

func buildEndpointRewrite(_ *Env, _ *catalog.Domain, e *catalog.Endpoint) (Step, error) {
	return newURIRewrite(e.Plugins.URIRewrite)
}

// newURIRewrite never fails: a rule that is wrong is deployed like any other
// and answered when it is called, because the seed promises that.
func newURIRewrite(from *catalog.URIRewrite) (Step, error) {
	if from == nil {
		return nil, nil
	}
	rule, err := rewrite.Compile(from.URIPattern, from.RewriteURI)
	switch {
	case err == nil:
		return &uriRewrite{rule, from}, nil
	case errors.Is(err, rewrite.ErrForm):
		return &brokenRewrite{envelope.RewriteForm, err}, nil
	default:
		return &brokenRewrite{envelope.RewritePattern, err}, nil
	}
}

// malformedResult answers a path that the rule has made of pieces which were
// fine before: the gate's checks hold for what goes on as well (pitfalls 2(e),
// injection 1).
var malformedResult = envelope.Malformed("URI_REWRITE makes a path of it that may not be sent on")

func (u *uriRewrite) apply(c *Call) (matched bool, err error) {
	path, matched, err := u.rule.Append(c.path[:0], c.Upstream.Path)
	if err != nil {
		return matched, err
	}
	if matched {
		c.path, c.Upstream.Path = path, path
	}
	return matched, nil
}

func (u *uriRewrite) Serve(c *Call) (answered bool, err error) {
	if _, err := u.apply(c); err != nil {
		c.Cause = err
		return false, malformedResult
	}
	return false, nil
}

func (u *uriRewrite) Explain(c *Call) Finding {
	before := string(c.Upstream.Path)
	matched, err := u.apply(c)
	switch {
	case err != nil:
		return refuse(malformedResult, err.Error())
	case !matched:
		return pass(fmt.Sprintf("uriPattern %s does not match %s: the path stays", u.from.URIPattern, before))
	}
	return pass(fmt.Sprintf("uriPattern %s matches %s: the path becomes %s", u.from.URIPattern, before, c.Upstream.Path))
}

// brokenRewrite is a rule with a syntax error.
type brokenRewrite struct {
	refusal *envelope.Sealed
	fault   error
}

func (b *brokenRewrite) Serve(c *Call) (answered bool, err error) {
	c.Cause = b.fault
	return false, b.refusal
}

func (b *brokenRewrite) Explain(*Call) Finding {
	return refuse(b.refusal, b.fault.Error())
}
