package node_test

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/tollgate/tollgate/node/nodetest"
)

// web is a client that keeps no connection: each call finds the node as it is.
var web = &http.Client{
	Transport:     &http.Transport{DisableKeepAlives: true},
	Timeout:       nodetest.Patience,
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

// reply is an answer of a node, at its admin or client port.
type reply struct {
	status int
	header http.Header
	body   string
	// code and message are of the envelope, where it is one.
	code    int
	message string
	errors  []struct{ Path, Message string }
}

func (r reply) String() string { return fmt.Sprintf("%d %s", r.status, r.body) }

// says tells whether message or problems of the envelope contain text.
func (r reply) says(text string) bool {
	if strings.Contains(r.message, text) {
		return true
	}
	for _, e := range r.errors {
		if strings.Contains(e.Path+": "+e.Message, text) {
			return true
		}
	}
	return false
}

// into decodes a resource.
func (r reply) into(t *testing.T, v any) {
	t.Helper()
	if err := json.Unmarshal([]byte(r.body), v); err != nil || r.status != http.StatusOK {
		t.Fatalf("%v: %v", r, err)
	}
}

// call makes one HTTP call. With a body, it is JSON.
func call(t *testing.T, client *http.Client, method, addr, path, body string) reply {
	t.Helper()
	r, err := tryCall(client, method, addr, path, body)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func tryCall(client *http.Client, method, addr, path, body string) (reply, error) {
	req, err := http.NewRequest(method, "http://"+addr+path, strings.NewReader(body))
	if err != nil {
		return reply{}, err
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	return send(client, req)
}

// send sends a request and reads the answer.
func send(client *http.Client, req *http.Request) (reply, error) {
	resp, err := client.Do(req)
	if err != nil {
		return reply{}, err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		return reply{}, err
	}
	r := reply{status: resp.StatusCode, header: resp.Header, body: string(raw)}
	var e struct {
		Header struct {
			ResultCode    int    `json:"resultCode"`
			ResultMessage string `json:"resultMessage"`
		} `json:"header"`
		Errors []struct{ Path, Message string } `json:"errors"`
	}
	if json.Unmarshal(raw, &e) == nil {
		r.code, r.message, r.errors = e.Header.ResultCode, e.Header.ResultMessage, e.Errors
	}
	return r, nil
}

// api calls the admin API of a node.
func api(t *testing.T, n *nodetest.Node, method, path, body string) reply {
	t.Helper()
	return call(t, web, method, n.AdminAddr(), path, body)
}

// lockedBuffer is a log that is read while it is written.
type lockedBuffer struct {
	mu   sync.Mutex
	text strings.Builder
}

// Write implements io.Writer.
func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

func (b *lockedBuffer) logger() *slog.Logger { return slog.New(slog.NewTextHandler(b, nil)) }
