package rewrite

import (
	"strings"
	"testing"
)

var benchmarks = []struct{ name, pattern, form, path string }{
	{"rest", "/api/v2.0/(.*)", "/api/v1.0/%1", "/api/v2.0/members/12345/orders"},
	{"swap", "/{version}/{path}", "/{path}/{version}", "/v1/members"},
	{"encoded", "/{version}/{path}", "/{path}/{version}", "/v1/%ED%95%9C%EA%B8%80"},
	{"no match", "/api/v2.0/(.*)", "/api/v1.0/%1", "/app/v2.0/members/12345/orders"},
	{"date", `/{y:\d{4}}-{m:\d\d}/(.*)`, "/{m}/{y}/%3", "/2019-04/report"},
	{"8 KB", "/api/(.*)", "/%1", "/api/" + strings.Repeat("abcdefgh", 1000)},
}

func BenchmarkAppend(b *testing.B) {
	for _, c := range benchmarks {
		b.Run(c.name, func(b *testing.B) {
			r := mustCompile(b, c.pattern, c.form)
			path, dst := []byte(c.path), make([]byte, 0, 16<<10)
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := r.Append(dst, path); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkRegexp is the match alone, by package regexp.
func BenchmarkRegexp(b *testing.B) {
	for _, c := range benchmarks {
		b.Run(c.name, func(b *testing.B) {
			m := mustCompile(b, c.pattern, c.form).matcher
			path := []byte(c.path)
			b.ReportAllocs()
			for b.Loop() {
				m.slow.FindSubmatchIndex(path)
			}
		})
	}
}

func BenchmarkCompile(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		mustCompile(b, "/{version}/{path}", "/{path}/{version}")
	}
}
