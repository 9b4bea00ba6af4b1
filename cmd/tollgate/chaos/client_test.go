//go:build linux

package chaos

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// client makes calls one after the other and keeps their history.
type client struct {
	number   int
	patience time.Duration
	http     *http.Client
	history  history
}

// Patience of clients. A patient one waits for longer than any answer may take,
// so that a hang shows; an impatient one goes away while the node still works.
const (
	margin          = 2 * time.Second // past quotaWait, for a machine that is busy
	patient         = quotaWait + margin + 2*time.Second
	impatient       = 250 * time.Millisecond
	mostAnswerBytes = 1 << 16
)

func newClient(number int, patience time.Duration) *client {
	return &client{number: number, patience: patience, http: &http.Client{
		Timeout:       patience,
		Transport:     &http.Transport{DisableCompression: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

func (c *client) close() { c.http.CloseIdleConnections() }

// call makes one call and enters it. It is a POST: net/http repeats a GET whose
// connection broke.
func (c *client) call(n *node, t *target) verdict {
	t.asked.Add(1)
	o := op{target: t, node: n.i, client: c.number, patience: c.patience, call: clock()}
	resp, err := c.post("http://"+n.at.listen+t.uri(), t.caller)
	if err == nil {
		var body []byte
		body, err = io.ReadAll(io.LimitReader(resp.Body, mostAnswerBytes))
		resp.Body.Close()
		o.ret = clock()
		if err == nil {
			o.judge(resp, body)
		}
	}
	if err != nil {
		o.ret, o.verdict, o.detail = clock(), unknown, reason(err)
		var at *net.OpError
		if errors.As(err, &at) && at.Op == "dial" {
			o.verdict = notReady // it never got there
		}
	}
	if o.verdict == refused {
		t.refused.Add(1)
	}
	c.history = append(c.history, o)
	return o.verdict
}

// callerField is the header field that tells callers apart.
const callerField = "X-Caller"

func (c *client) post(url, caller string) (*http.Response, error) {
	req, err := http.NewRequest(http.MethodPost, url, nil)
	if err != nil {
		return nil, err
	}
	if caller != "" {
		req.Header.Set(callerField, caller)
	}
	return c.http.Do(req)
}

// reason is what is worth keeping of a transport error.
func reason(err error) string {
	var outer *url.Error
	if errors.As(err, &outer) {
		err = outer.Err
	}
	return err.Error()
}

// judge reads an answer.
func (o *op) judge(resp *http.Response, body []byte) {
	seconds, err := strconv.Atoi(resp.Header.Get("Retry-After"))
	switch code := resultCode(body); {
	case resp.StatusCode == http.StatusOK && string(body) == "ok":
		o.verdict = admitted
	case resp.StatusCode == http.StatusForbidden && code == 20004 && err == nil && seconds >= 1:
		o.verdict, o.retryAfter = refused, time.Duration(seconds)*time.Second
	case resp.StatusCode == http.StatusServiceUnavailable && code == 50300:
		o.verdict = undecided
	case resp.StatusCode == http.StatusServiceUnavailable && code == 50301:
		o.verdict = notReady
	default:
		o.verdict = wrong
		o.detail = fmt.Sprintf("%s, Retry-After %q: %.200s", resp.Status, resp.Header.Get("Retry-After"), body)
	}
}

// resultCode is the code in an error envelope, 0 where there is none.
func resultCode(body []byte) int {
	var envelope struct{ Header struct{ ResultCode int } }
	if json.Unmarshal(body, &envelope) != nil {
		return 0
	}
	return envelope.Header.ResultCode
}

// serves is nil once a node serves a domain. It asks for an endpoint that there
// is not, which counts on no quota, and which only who knows the domain can tell.
func serves(n *node, domain string) error {
	resp, err := http.Post("http://"+n.at.listen+"/"+domain+"/no/such/endpoint", "", nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, mostAnswerBytes))
	if err == nil && resultCode(body) != 40401 {
		err = fmt.Errorf("%s: %s", resp.Status, body)
	}
	return err
}
