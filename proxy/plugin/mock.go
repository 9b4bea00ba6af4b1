package plugin

import (
	"slices"

	"github.com/tollgate/tollgate/proxy/header"
	"github.com/tollgate/tollgate/store/catalog"
)

// mock is MOCK: the gateway's own answer in place of the endpoint server's.
type mock struct {
	status  int
	headers [][2]string
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
		if header.Lookup([]byte(name))&(header.Hop|header.ContentLength) == 0 {
			m.headers = append(m.headers, [2]string{name, value})
		}
	}
	slices.SortFunc(m.headers, func(a, b [2]string) int { // a map has no order of its own
		return slices.Compare(a[:], b[:])
	})
	return m
}

func (m *mock) Serve(c *Call) (answered bool, err error) {
	resp := &c.Ctx.Response
	resp.Reset()
	resp.Header.SetNoDefaultContentType(true)
	resp.SetStatusCode(m.status)
	for _, h := range m.headers {
		resp.Header.Add(h[0], h[1])
	}
	resp.SetBodyRaw(m.body)
	return true, nil
}

func (m *mock) Explain(*Call) Finding {
	return answer(m, "the gateway answers in place of the endpoint server")
}
