package api

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync/atomic"
)

// maxAnswerBytes bounds what is read of an answer: no document is near it.
const maxAnswerBytes = 64 << 20

// Client calls the admin API of one node.
type Client struct {
	// URL is the node's admin URL.
	URL string
	// Token is sent with each call, unless it is empty.
	Token string
	// HTTP makes the calls. It knows whom to trust and how long to wait, and it
	// must not follow redirects (NoRedirect): the token is for the node alone.
	HTTP *http.Client
	// MaxAnswer bounds, in bytes, what is read of an answer; 0 is 64 MiB.
	MaxAnswer int64
}

// NoRedirect keeps an http.Client from following redirects (CheckRedirect). The
// admin API makes none.
func NoRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// Request is one call.
type Request struct {
	Method, Path string
	Query        url.Values
	// Body is JSON, YAML where it begins with anything but {, or nil; or of Type, if
	// that is set.
	Body []byte
	Type string
	// IfMatch is the ETag that the draft must have, "" for any.
	IfMatch string
	// Accept is the Accept field, "" for none: JSON comes then.
	Accept string
}

// TypeYAML is the media type of a document in YAML (RFC 9512).
const TypeYAML = "application/yaml"

// AcceptAsItCame leaves the format of a document to its author.
const AcceptAsItCame = "application/json, " + TypeYAML

// contentType is what the body is.
func (rq Request) contentType() string {
	if rq.Type != "" {
		return rq.Type
	}
	if body := bytes.TrimLeft(rq.Body, "\ufeff \t\r\n"); len(body) > 0 && body[0] != '{' {
		return TypeYAML
	}
	return "application/json"
}

// Reads tells whether a call changes nothing, whatever its method.
func (rq Request) Reads() bool { return rq.Method == http.MethodGet || rq.Path == ExplainPath }

// Answer is what a node answered with 200.
type Answer struct {
	Body []byte
	ETag string
}

// Do makes a call and returns its answer, which is JSON or, where Accept allows it,
// YAML. Its error is an *Error
// where the node answered anything else, and a *LostError where no answer came.
func (c *Client) Do(ctx context.Context, rq Request) (*Answer, error) {
	resp, err := c.roundTrip(ctx, rq)
	if err != nil {
		return nil, err
	}
	if resp.Status != http.StatusOK || !json.Valid(resp.Body) && resp.header.Get("Content-Type") != TypeYAML {
		return nil, newError(resp)
	}
	return &Answer{resp.Body, resp.header.Get("ETag")}, nil
}

// Call makes a call with body as JSON, unless it is nil, and decodes the answer
// into answer, unless that is nil.
func (c *Client) Call(ctx context.Context, method, path string, body, answer any) error {
	rq := Request{Method: method, Path: path}
	if body != nil {
		raw, err := json.Marshal(body)
		if err != nil {
			return err
		}
		rq.Body = raw
	}
	got, err := c.Do(ctx, rq)
	if err != nil || answer == nil {
		return err
	}
	if err := json.Unmarshal(got.Body, answer); err != nil {
		return fmt.Errorf("the answer of %s %s: %w", method, path, err)
	}
	return nil
}

// response is whatever a node answered.
type response struct {
	Status int
	Body   []byte
	header http.Header
}

func (c *Client) roundTrip(ctx context.Context, rq Request) (*response, error) {
	target := strings.TrimRight(c.URL, "/") + rq.Path
	if len(rq.Query) > 0 {
		target += "?" + rq.Query.Encode()
	}
	var sent atomic.Bool // from the moment there is a connection to send on
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { sent.Store(true) }})
	req, err := http.NewRequestWithContext(ctx, rq.Method, target, bytes.NewReader(rq.Body))
	if err != nil {
		return nil, err
	}
	if rq.Body != nil {
		req.Header.Set("Content-Type", rq.contentType())
	}
	if rq.Accept != "" {
		req.Header.Set("Accept", rq.Accept)
	}
	if rq.IfMatch != "" {
		req.Header.Set("If-Match", rq.IfMatch)
	}
	if c.Token != "" {
		req.Header.Set("Authorization", "Bearer "+c.Token)
	}
	resp, err := c.HTTP.Do(req)
	if err != nil {
		return nil, &LostError{sent.Load(), withoutURL(err)}
	}
	defer resp.Body.Close()
	limit := c.MaxAnswer
	if limit == 0 {
		limit = maxAnswerBytes
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, limit))
	if err != nil {
		return nil, &LostError{true, fmt.Errorf("the answer broke off: %w", err)}
	}
	return &response{resp.StatusCode, body, resp.Header}, nil
}
