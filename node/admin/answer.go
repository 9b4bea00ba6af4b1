package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"unicode"

	"github.com/tollgate/tollgate/node/admin/api"
	"github.com/tollgate/tollgate/proxy/envelope"
	"github.com/tollgate/tollgate/store"
	"github.com/tollgate/tollgate/store/catalog"
)

// Keys of log attributes.
const (
	keyMethod = "method"
	keyPath   = "path"
	keyRemote = "remote"
	keyStatus = "status"
	keyError  = "error"
	keyName   = "name" // of the caller
	keyRole   = "role"

	keyDomain   = "domain"
	keyRevision = "revision"
	keyDeployed = "deployed"
)

// document is an answer that is JSON, or YAML, already and goes out as it is.
type document struct {
	body []byte
	yaml bool
}

// answer writes a resource.
func (s *server) answer(w http.ResponseWriter, r *http.Request, resource any) {
	doc, ok := resource.(document)
	body := doc.body
	if !ok {
		var buf bytes.Buffer
		enc := json.NewEncoder(&buf)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(resource); err != nil {
			s.refuse(w, r, fmt.Errorf("encode the answer: %w", err))
			return
		}
		body = bytes.TrimSuffix(buf.Bytes(), []byte("\n"))
	}
	s.audit(r, http.StatusOK, nil, resource)
	if doc.yaml {
		w.Header().Set("Content-Type", api.TypeYAML)
	}
	write(w, http.StatusOK, body)
}

// refuse writes an error as its envelope.
func (s *server) refuse(w http.ResponseWriter, r *http.Request, err error) {
	e := refusalOf(r, err)
	if e.Status == http.StatusInternalServerError {
		s.Logger.Error("admin call failed", keyMethod, r.Method, keyPath, r.URL.Path, keyError, err)
	}
	switch e.Status {
	case http.StatusUnauthorized:
		w.Header().Set("WWW-Authenticate", `Bearer realm="tollgate admin"`)
	case http.StatusServiceUnavailable:
		w.Header().Set("Retry-After", "1")
	}
	s.audit(r, e.Status, e, nil)
	write(w, e.Status, e.JSON())
}

// audit logs every call that could change something, and every caller that
// was not allowed to. Those whose token was refused have lines of their own
// (refusals).
func (s *server) audit(r *http.Request, status int, err error, resource any) {
	if status == http.StatusUnauthorized || reads(r) && status != http.StatusForbidden {
		return
	}
	attrs := []any{keyMethod, r.Method, keyPath, r.URL.Path, keyRemote, r.RemoteAddr}
	if caller := callerOf(r); caller.Name != "" {
		attrs = append(attrs, keyName, caller.Name, keyRole, string(caller.Role))
	}
	attrs = append(attrs, keyStatus, status)
	if done, ok := resource.(api.Saved); ok {
		attrs = append(attrs, keyDomain, done.Key, keyRevision, done.Revision, keyDeployed, done.Deployed)
	}
	if err != nil {
		attrs = append(attrs, keyError, err)
	}
	s.Logger.Info("admin call", attrs...)
}

func write(w http.ResponseWriter, status int, body []byte) {
	h := w.Header()
	if h.Get("Content-Type") == "" {
		h.Set("Content-Type", envelope.ContentType)
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body) // a client that has gone is nobody's error
}

// safe tells whether a method only reads.
func safe(method string) bool { return method == http.MethodGet || method == http.MethodHead }

// refusalOf is the one table from what went wrong to what the client is told.
func refusalOf(r *http.Request, err error) *envelope.Error {
	var e *envelope.Error
	var refused *Refusal
	switch {
	case errors.As(err, &e):
		return e
	case errors.As(err, &refused) && refused.Conflict:
		return refusal(http.StatusConflict, "%s", refused.Message)
	case errors.As(err, &refused):
		return refusal(http.StatusUnprocessableEntity, "%s", refused.Message)
	case errors.Is(err, ErrNotFound), errors.Is(err, ErrNoMember):
		return refusal(http.StatusNotFound, "%s", err.Error())
	case errors.Is(err, ErrPrecondition):
		return refusal(http.StatusPreconditionFailed, "%s", preconditionText(r))
	case errors.Is(err, ErrNoLeader), errors.Is(err, store.ErrNotLeader):
		return refusal(http.StatusServiceUnavailable, "%s", ErrNoLeader.Error())
	case errors.Is(err, ErrNotServing):
		return refusal(http.StatusServiceUnavailable, "%s", ErrNotServing.Error())
	case errors.Is(err, ErrUnknownOutcome):
		return unknownOutcome("leadership was lost with the change under way")
	case errors.Is(err, store.ErrClosed) && reads(r):
		return refusal(http.StatusServiceUnavailable, "the node is stopping")
	case errors.Is(err, store.ErrClosed):
		return unknownOutcome("the node is stopping")
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		if reads(r) {
			return refusal(http.StatusServiceUnavailable, "the cluster did not answer in time")
		}
		return unknownOutcome("the cluster did not answer in time")
	}
	return refusal(http.StatusInternalServerError, "internal error; the node's log says more")
}

func unknownOutcome(why string) *envelope.Error {
	return refusal(http.StatusServiceUnavailable, "the outcome is unknown: %s; look, then repeat it if it is missing", why)
}

// refusal is an envelope whose code is the status and 00.
func refusal(status int, format string, args ...any) *envelope.Error {
	return envelope.New(status, status*100, fmt.Sprintf(format, args...))
}

// unauthorized refuses a caller who is unknown (40100): another token would do.
func unauthorized(message string) *envelope.Error {
	return envelope.New(http.StatusUnauthorized, 40100, message)
}

func notFound(format string, args ...any) *envelope.Error {
	return refusal(http.StatusNotFound, format, args...)
}

// wrong is the refusal of what was readable, with each of its problems.
func wrong(what string, problems []catalog.Problem) *envelope.Error {
	count := fmt.Sprintf("%d problems", len(problems))
	if len(problems) == 1 {
		count = "1 problem"
	}
	e := refusal(http.StatusUnprocessableEntity, "%s is refused: %s", what, count)
	e.Details = problems
	return e
}

// printable is what a caller sent, fit for a line of text: short, and without
// what moves a terminal's cursor.
func printable(s string) string {
	const most = 100
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "…"
	}
	if strings.IndexFunc(s, func(c rune) bool { return !unicode.IsPrint(c) }) >= 0 {
		return strconv.Quote(s)
	}
	return s
}
