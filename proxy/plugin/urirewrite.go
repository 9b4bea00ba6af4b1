package plugin

import (
	"bytes"
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
	if err != nil || !matched {
		return matched, err
	}
	if at := bytes.IndexByte(path, '?'); at >= 0 { // the client's query follows the form's
		if client := c.Upstream.Query; len(client) > 1 {
			if len(path) > at+1 {
				path = append(path, '&')
			}
			path = append(path, client[1:]...)
		}
		c.Upstream.Path, c.Upstream.Query = path[:at], path[at:]
	} else {
		c.Upstream.Path = path
	}
	c.path = path
	return matched, nil
}

// refusal is what a call is answered whose result may not be sent on.
func (u *uriRewrite) refusal(err error) *envelope.Sealed {
	if errors.Is(err, rewrite.ErrForm) {
		return envelope.RewriteForm
	}
	return malformedResult
}

func (u *uriRewrite) Serve(c *Call) (answered bool, err error) {
	if _, err := u.apply(c); err != nil {
		c.Cause = err
		return false, u.refusal(err)
	}
	return false, nil
}

func (u *uriRewrite) Explain(c *Call) Finding {
	before := string(c.Upstream.Path)
	matched, err := u.apply(c)
	switch {
	case err != nil:
		return refuse(u.refusal(err), err.Error())
	case !matched:
		return pass(fmt.Sprintf("uriPattern %s does not match %s: the path stays", u.from.URIPattern, before))
	}
	becomes := string(c.Upstream.Path)
	if len(c.path) > len(becomes) {
		becomes += string(c.Upstream.Query)
	}
	return pass(fmt.Sprintf("uriPattern %s matches %s: the path becomes %s", u.from.URIPattern, before, becomes))
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
