package console

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestFiles: each file has its type, its tag and the policy, which lets nothing inline run,
// and names nothing elsewhere. What is not there is somebody else's to answer.
func TestFiles(t *testing.T) {
	h := Handler(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) })
	ask := func(path, tag string) *http.Response {
		w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, path, nil)
		if tag != "" {
			r.Header.Set("If-None-Match", tag)
		}
		h(w, r)
		return w.Result()
	}
	for name, mediaType := range map[string]string{"": "text/html", "app.js": "text/javascript", "app.css": "text/css", "icon.svg": "image/svg+xml", "pages/quotas.js": "text/javascript"} {
		resp := ask(Path+name, "")
		policy := resp.Header.Get("Content-Security-Policy")
		if resp.StatusCode != 200 || !strings.HasPrefix(resp.Header.Get("Content-Type"), mediaType) || !strings.HasPrefix(policy, "default-src 'none'; script-src 'self';") || strings.Contains(policy, "unsafe") {
			t.Errorf("%s: %d %v", name, resp.StatusCode, resp.Header)
		}
		if again := ask(Path+name, resp.Header.Get("ETag")); again.StatusCode != http.StatusNotModified {
			t.Errorf("%s, known: %d", name, again.StatusCode)
		}
	}
	if resp := ask("/console", ""); resp.StatusCode != http.StatusPermanentRedirect || resp.Header.Get("Location") != Path {
		t.Errorf("without the slash: %d %v", resp.StatusCode, resp.Header)
	}
	for _, path := range []string{"static/app.js", "console.go", "pages/"} {
		if resp := ask(Path+path, ""); resp.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %d", path, resp.StatusCode)
		}
	}
	for name, f := range files {
		text := strings.ReplaceAll(string(f.body), "http://www.w3.org/2000/svg", "")
		for _, bad := range []string{"http://", "https://", "innerHTML", "eval(", "style=\"", "onclick=\""} {
			if i := strings.Index(text, bad); i >= 0 && !strings.HasPrefix(text[i:], "https://api.example") {
				t.Errorf("%s has %s", name, bad)
			}
		}
	}
}
