package upstream

import "testing"

// TestBelow: what is the server's own is told from what is not.
func TestBelow(t *testing.T) {
	const none = "none"
	for _, tc := range []struct{ server, location, want string }{
		{"http://api:8080", "/a/b?c#d", "/a/b?c#d"},
		{"http://api:8080", "http://api:8080/a", "/a"},
		{"http://api:8080", "HTTP://API:8080/a", "/a"},
		{"http://api:8080", "http://api:8080", ""},
		{"http://api:8080", "http://api:8080?x", "?x"},
		{"http://api:8080", "//api:8080/a", "/a"},
		{"http://api:8080", "http://api/a", none},
		{"http://api:8080", "https://api:8080/a", none},
		{"http://api:8080", "http://api:8080@evil/a", none},
		{"http://api:8080", "http://api:8080.evil/a", none},
		{"http://api:8080", "http://user@api:8080/a", none},
		{"http://api:8080", "//evil/a", none},
		{"http://api:8080", "///evil", none},
		{"http://api:8080", "a/b", none},
		{"http://api:8080", "../b", none},
		{"http://api:8080", "?x=1", none},
		{"http://api:8080", "", none},
		{"http://api:8080", "mailto:a@b", none},
		{"http://api:8080", "http:/a", none},
		{"http://api", "http://api:80/a", "/a"},
		{"http://api:80", "http://api/a", "/a"},
		{"https://api", "https://api:443/a", "/a"},
		{"https://api", "http://api/a", none},
		{"http://[::1]:8080", "http://[::1]:8080/a", "/a"},
		{"http://[::1]", "http://[::1]:80/a", "/a"},
		{"http://api/v1/", "/v1/a", "/a"},
		{"http://api/v1", "/v1", ""},
		{"http://api/v1", "/v1?x", "?x"},
		{"http://api/v1", "/v10/a", none},
		{"http://api/v1", "/other", none},
		{"http://api/v1", "http://api/v1/a", "/a"},
		{"http://api/v1", "http://api/login", none},
	} {
		s, err := New(tc.server, Config{MaxConns: 1})
		if err != nil {
			t.Fatal(err)
		}
		got, ok := s.Below([]byte(tc.location), nil)
		if ok != (tc.want != none) || ok && string(got) != tc.want {
			t.Errorf("%s, %q: %q, %v, want %q", tc.server, tc.location, got, ok, tc.want)
		}
	}
}

// TestBelowAsHost: where the request has said another host than the server's
// own, that one counts as well, with either scheme.
func TestBelowAsHost(t *testing.T) {
	s, err := New("http://api:8080/v1", Config{MaxConns: 1})
	if err != nil {
		t.Fatal(err)
	}
	for location, want := range map[string]string{
		"https://Shop.example/v1/a": "/a", "http://shop.example/v1/a": "/a", "//shop.example/v1": "",
		"http://api:8080/v1/a": "/a", "http://shop.example/other": "none", "ftp://shop.example/v1/a": "none",
		"https://shop.example:8443/v1/a": "none", "https://other/v1/a": "none", "https://api:8080/v1/a": "none",
	} {
		got, ok := s.Below([]byte(location), []byte("shop.example"))
		if ok != (want != "none") || ok && string(got) != want {
			t.Errorf("%s: %q, %v, want %q", location, got, ok, want)
		}
	}
}
