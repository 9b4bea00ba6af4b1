package proxy

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tollgate/tollgate/proxy/hmacsign"
	"github.com/tollgate/tollgate/store/catalog"
)

// parsed makes a domain as a node does: of a document. plugins are the members
// beside HTTP_PROXY; an endpoint is "METHOD /pattern" and, behind a space, the
// members of its plugins.
func parsed(t testing.TB, key, url, plugins string, endpoints ...string) *catalog.Domain {
	t.Helper()
	if plugins != "" {
		plugins = "," + plugins
	}
	paths := map[string][]string{}
	var order []string
	for _, e := range endpoints {
		method, rest, _ := strings.Cut(e, " ")
		pattern, own, _ := strings.Cut(rest, " ")
		if paths[pattern] == nil {
			order = append(order, pattern)
		}
		paths[pattern] = append(paths[pattern], fmt.Sprintf(`%q:{"responses":{},"x-toastcloud-apigw":{"plugins":{%s}}}`, strings.ToLower(method), own))
	}
	var list []string
	for _, pattern := range order {
		list = append(list, fmt.Sprintf(`%q:{%s}`, pattern, strings.Join(paths[pattern], ",")))
	}
	doc, err := catalog.Parse(fmt.Appendf(nil,
		`{"swagger":"2.0","info":{"title":"The %s API"},"basePath":"/%s","x-toastcloud-apigw":{"plugins":{"HTTP_PROXY":{"url":%q}%s}},"paths":{%s}}`,
		key, key, url, plugins, strings.Join(list, ",")), catalog.ParseOptions{})
	if err != nil {
		t.Fatalf("domain %s: %v", key, err)
	}
	return doc.Domain
}

// stamp is the X-TC-Timestamp of a moment.
func stamp(at time.Time) string { return at.Format("2006-01-02T15:04:05Z07:00") }

// signed is a GET with the header fields of HMAC.
func signed(secret, target, timestamp string) string {
	return "GET " + target + " HTTP/1.1\r\nHost: h\r\nX-TC-Timestamp: " + timestamp +
		"\r\nAuthorization: " + hmacsign.Sign(secret, "GET", target, timestamp) + "\r\n\r\n"
}

// token is an HS256 JWT, made without the library that checks it.
func token(secret, claims string) string {
	enc := base64.RawURLEncoding.EncodeToString
	text := enc([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." + enc([]byte(claims))
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(text))
	return text + "." + enc(mac.Sum(nil))
}

// withFields is a GET with header fields, each with its line end.
func withFields(target, fields string) string {
	return "GET " + target + " HTTP/1.1\r\nHost: h\r\n" + fields + "\r\n"
}
