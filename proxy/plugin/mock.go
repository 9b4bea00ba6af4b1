package plugin

import (
	"bytes"
	"slices"

	"github.com/tollgate/tollgate/proxy/header"
	"github.com/tollgate/tollgate/store/catalog"
)

// mock is MOCK: the gateway's own answer in place of the endpoint server's.
type mock struct {
	status  int
	headers [][2][]byte
	body    []byte
}

func buildMock(_ *Env, _ *catalog.Domain, e *catalog.Endpoint) (Step, error) {
	m := e.Plugins.Mock
	if m == nil {
		return nil, nil
	}
	return newMock(&m.Response), nil
}

func newMock(r *catalog.Response) *mock {
	m := &mock{status: r.StatusCode, body: []byte(r.Body)}
	for name, value := range r.Headers {
		// The length and what concerns the connection follow from the answer.
		if header.IsToken([]byte(name)) && header.Lookup([]byte(name))&(header.Hop|header.ContentLength|header.Via) == 0 {
			m.headers = append(m.headers, [2][]byte{[]byte(name), header.Line(value)})
		}
	}
	slices.SortFunc(m.headers, func(a, b [2][]byte) int { // a map has no order of its own
		return bytes.Compare(a[0], b[0])
	})
	return m
}

func (m *mock) Serve(c *Call) (answered bool, err error) {
	c.Answer.Make(m.status, m.body)
	for _, h := range m.headers {
		c.Answer.Add(h[0], h[1])
	}
	return true, nil
}

func (m *mock) Explain(*Call) Finding {
	return answer(m, "the gateway answers in place of the endpoint server")
}
