package plugin

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/tollgate/tollgate/proxy/header"
	"github.com/tollgate/tollgate/store/catalog"
)

// headers is HEADER: it sets fields of the request to the endpoint server and
// of the answers that are made behind it, by the endpoint server or MOCK. Ours:
// what the gateway itself refuses stays as the contract has it.
type headers struct {
	// names are set in the request, lines are they and their values as on the
	// wire.
	names [][]byte
	lines []byte
	// own are the rules of those of X-Forwarded-*, Forwarded and X-Request-Id that are among
	// names: what the configuration says goes before what the gateway would.
	own header.Rules
	// traced: traceparent or tracestate are among names.
	traced bool
	// answer is set in answers.
	answer [][2][]byte
}

func buildHeader(_ *Env, _ *catalog.Domain, e *catalog.Endpoint) (Step, error) {
	from := e.Plugins.Header
	if from == nil {
		return nil, nil
	}
	h := &headers{}
	for _, name := range sortedNames(from.RequestHeaders) {
		value := from.RequestHeaders[name]
		if !header.IsToken([]byte(name)) || strings.ContainsAny(value, "\r\n\x00") {
			return nil, fmt.Errorf("requestHeaders: %q is not a header", name)
		}
		h.names = append(h.names, []byte(name))
		h.lines = header.AppendLine(h.lines, []byte(name), []byte(value))
		h.traced = h.traced || header.Lookup([]byte(name))&header.Trace != 0
		h.own |= header.Lookup([]byte(name)) & (header.Provenance | header.RequestID)
	}
	for _, name := range sortedNames(from.ResponseHeaders) {
		if !header.IsToken([]byte(name)) {
			return nil, fmt.Errorf("responseHeaders: %q is not a header", name)
		}
		h.answer = append(h.answer, [2][]byte{[]byte(name), header.Line(from.ResponseHeaders[name])})
	}
	return h, nil
}

// sortedNames are the fields that a configuration may set: what frames a
// message or concerns one connection follows from the message, and Via keeps
// requests from going in circles. A map has no order of its own.
func sortedNames(fields map[string]string) (names []string) {
	for name := range fields {
		if header.Lookup([]byte(name))&(header.Hop|header.ContentLength|header.Host|header.Via) == 0 {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func (h *headers) Serve(c *Call) (answered bool, err error) {
	u := &c.Upstream
	for _, name := range h.names {
		u.Fields.Mark(name, header.Replaced)
	}
	u.Set = h.lines
	u.Without |= h.own
	u.Traced = h.traced
	return false, nil
}

// Return implements Returner.
func (h *headers) Return(c *Call) {
	for _, f := range h.answer {
		c.Answer.Set(f[0], f[1])
	}
}

func (h *headers) Explain(c *Call) Finding {
	var say []string
	if len(h.names) > 0 {
		say = append(say, "sets "+string(bytes.Join(h.names, []byte(", ")))+" of the request")
	}
	if len(h.answer) > 0 {
		var names [][]byte
		for _, f := range h.answer {
			names = append(names, f[0])
		}
		say = append(say, "sets "+string(bytes.Join(names, []byte(", ")))+" of the answer")
	}
	_, _ = h.Serve(c)
	if len(say) == 0 {
		return pass("sets nothing")
	}
	return pass(strings.Join(say, "; "))
}
