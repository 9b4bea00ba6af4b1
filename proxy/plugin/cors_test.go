package plugin

import (
	"strings"
	"testing"

	"github.com/tollgate/tollgate/proxy/gate"
	"github.com/tollgate/tollgate/proxy/header"
	"github.com/tollgate/tollgate/store/catalog"
)

// FuzzPreflight: what a domain that allows everything repeats is tokens, all
// that were asked for; what a list allows is what is in it.
func FuzzPreflight(f *testing.F) {
	build := func(c catalog.CORS) *cors {
		s, err := buildCORS(&catalog.Domain{Plugins: catalog.DomainPlugins{CORS: &c}})
		if err != nil {
			f.Fatal(err)
		}
		return s.(*cors)
	}
	any := build(catalog.CORS{AllowedOrigins: []string{"*"}, AllowedMethods: []string{"*"}, AllowedHeaders: []string{"*"}})
	list := build(catalog.CORS{AllowedOrigins: []string{"https://a.example"}, AllowedHeaders: []string{"X-A", "Content-Type"}})
	f.Add("https://a.example", "GET", "x-a, Content-Type")
	f.Add("null", "G T", ",,a\t,b;c")
	f.Add("https://a.example", "POST", strings.Repeat("x", 300))
	f.Add("0", "0\r\n", "\"")
	f.Fuzz(func(t *testing.T, origin, method, fields string) {
		if strings.ContainsAny(origin+method+fields, "\r\n") {
			return // it would be more than these three fields
		}
		block := "Host: h\r\nOrigin: " + origin + "\r\nAccess-Control-Request-Method: " + method + "\r\nAccess-Control-Request-Headers: " + fields + "\r\n\r\n"
		var c Call
		if c.Request.Read(gate.Raw{Method: []byte("OPTIONS"), Target: []byte("/k"), Protocol: []byte("HTTP/1.1"), Header: []byte(block)}, 100) != nil {
			return
		}
		o, m, ok := preflight(&c.Request)
		if !ok {
			return
		}
		if any.decide(&c, o, m) == nil {
			asked := 0
			for _, name := range strings.FieldsFunc(fields, func(r rune) bool { return r == ',' || r == ' ' || r == '\t' }) {
				if asked++; !header.IsToken([]byte(name)) {
					t.Fatalf("%q was allowed", fields)
				}
			}
			if got := strings.Split(string(c.list), ", "); len(got) != asked && string(c.list) != "" || !header.IsToken(m) {
				t.Fatalf("%q %q: repeated as %q", m, fields, c.list)
			}
		}
		if list.decide(&c, o, m) == nil {
			for _, name := range strings.Split(string(c.list), ", ") {
				if name != "" && !strings.EqualFold(name, "X-A") && !strings.EqualFold(name, "Content-Type") {
					t.Fatalf("%q was allowed", name)
				}
			}
			if string(o) != "https://a.example" {
				t.Fatalf("%q was allowed", o)
			}
		}
	})
}
