package main

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync/atomic"

	"github.com/tollgate/tollgate/cmd/internal/cli"
	"github.com/tollgate/tollgate/node"
	"github.com/tollgate/tollgate/store/catalog"
)

// maxAnswerBytes bounds what is read of an answer: no document is near it.
const maxAnswerBytes = 64 << 20

// client calls the admin API of a cluster through any of its nodes.
type client struct {
	urls  []string // without a slash at the end; never empty
	token string
	http  *http.Client
}

// request is one call of the admin API.
type request struct {
	method, path string
	query        url.Values
	body         []byte // JSON, or nil
	// ifMatch is the ETag that the draft must have, "" for any.
	ifMatch string
	// etag, if not nil, gets that of the answer.
	etag *string
}

// reads tells whether a call changes nothing, whatever its method.
func (rq request) reads() bool { return rq.method == http.MethodGet || rq.path == explainPath }

// do sends a call to the first node that can be reached and returns the JSON
// it answers with. A refusal is a *refusedError. A call that may have arrived
// is not sent to another node unless it only reads.
func (c *client) do(ctx context.Context, rq request) ([]byte, error) {
	var unreachable []string
	for _, base := range c.urls {
		body, err := c.try(ctx, base, rq)
		var lost *lostError
		if !errors.As(err, &lost) {
			return body, err
		}
		if lost.sent && !rq.reads() {
			return nil, fmt.Errorf("%w; the call may or may not have taken effect: look, then repeat it if it has not", err)
		}
		if ctx.Err() != nil {
			return nil, errors.New("interrupted before an answer came")
		}
		unreachable = append(unreachable, err.Error())
	}
	return nil, fmt.Errorf("no node answered; is one running there? --admin-url or %s names others\n%s",
		envAdminURL, strings.Join(unreachable, "\n"))
}

// lostError is a call without an answer.
type lostError struct {
	base string
	sent bool // at least partly
	err  error
}

func (e *lostError) Error() string { return e.base + ": " + e.err.Error() }
func (e *lostError) Unwrap() error { return e.err }

func (c *client) try(ctx context.Context, base string, rq request) ([]byte, error) {
	target := base + rq.path
	if len(rq.query) > 0 {
		target += "?" + rq.query.Encode()
	}
	var sent atomic.Bool // from the moment there is a connection to send on
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { sent.Store(true) }})
	req, err := http.NewRequestWithContext(ctx, rq.method, target, bytes.NewReader(rq.body))
	if err != nil {
		return nil, cli.Usagef("--admin-url %s: %w", base, err)
	}
	if rq.body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if rq.ifMatch != "" {
		req.Header.Set("If-Match", rq.ifMatch)
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, &lostError{base, sent.Load(), plainError(err)}
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswerBytes))
	if err != nil {
		return nil, &lostError{base, true, fmt.Errorf("the answer broke off: %w", err)}
	}
	if rq.etag != nil {
		*rq.etag = resp.Header.Get("ETag")
	}
	return judge(base, resp, body)
}

// plainError is why a call got no answer, with what to do where that is known.
func plainError(err error) error {
	var outer *url.Error // repeats method and URL
	if errors.As(err, &outer) {
		err = outer.Err
	}
	var unknown x509.UnknownAuthorityError
	var name x509.HostnameError
	switch {
	case errors.As(err, &name):
		return fmt.Errorf("%w; --%s FILE knows all nodes of the cluster, whatever they are called", err, node.ClusterKeyFile)
	case errors.As(err, &unknown):
		return fmt.Errorf("%w; --%s FILE trusts what `tollgate ca` prints, --%s FILE all nodes of the cluster", err, node.AdminCA, node.ClusterKeyFile)
	case strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"):
		return fmt.Errorf("%w: the node has no cluster key; say http://", err)
	}
	return err
}

// judge tells an answer from a refusal, and both from what is no Tollgate.
func judge(base string, resp *http.Response, body []byte) ([]byte, error) {
	if resp.StatusCode == http.StatusOK && json.Valid(body) {
		return body, nil
	}
	var envelope struct {
		Header *struct {
			ResultCode    int
			ResultMessage string
		}
		Errors []catalog.Problem
	}
	if json.Unmarshal(body, &envelope) != nil || envelope.Header == nil || resp.StatusCode < 400 {
		return nil, notTollgate(base, resp, body)
	}
	return nil, &refusedError{
		code:     envelope.Header.ResultCode,
		message:  envelope.Header.ResultMessage,
		problems: envelope.Errors,
		body:     body,
	}
}

// notTollgate says what is wrong with an answer that no admin API gives.
func notTollgate(base string, resp *http.Response, body []byte) error {
	if strings.Contains(string(body), "HTTP request to an HTTPS server") {
		return fmt.Errorf("%s speaks TLS: say https://, or leave the scheme out and give --%s FILE or --%s FILE", base, node.AdminCA, node.ClusterKeyFile)
	}
	return fmt.Errorf("%s answered %s (%s), which no Tollgate admin API does; is that the right --admin-url?",
		base, resp.Status, cli.Cell(resp.Header.Get("Content-Type")))
}

// refusedError is an answer of the admin API that refuses.
type refusedError struct {
	code     int
	message  string
	problems []catalog.Problem
	body     []byte
}

// Error is the message, its code behind it, and a line a problem.
func (e *refusedError) Error() string {
	message := strings.TrimPrefix(e.message, fmt.Sprintf("%d ", e.code))
	text := fmt.Sprintf("%s (%d)", cli.Cell(message), e.code)
	if e.code == 40100 {
		text += "; --token-file or " + envToken + " gives it"
	}
	return text + problemLines(e.problems)
}

func problemLines(problems []catalog.Problem) string {
	var b strings.Builder
	for _, p := range problems {
		b.WriteString("\n" + cli.Cell(p.Path) + ": " + cli.Cell(p.Message))
	}
	return b.String()
}
