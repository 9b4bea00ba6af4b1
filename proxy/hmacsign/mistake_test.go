package hmacsign

import (
	"strings"
	"testing"
)

// TestMistake signs what clients sign by mistake.
func TestMistake(t *testing.T) {
	const secret, method, target, stamp = "hunter2", "GET", "/shop/a%20b%2fc?q=%ED%95%9C&b=1", "2016-07-23T12:20:00+09:00"
	v := New(secret, 0)
	for _, c := range []struct{ method, target, stamp, word, says string }{
		{method, "/a%20b%2fc?q=%ED%95%9C&b=1", stamp, "", "the target without /shop"},
		{method, "/shop/a b/c?q=한&b=1", stamp, "", "the target decoded"},
		{method, "/a b/c?q=한&b=1", stamp, "", "the target without /shop, the target decoded"},
		{method, "/shop/a%20b%2Fc?q=%ED%95%9C&b=1", stamp, "", "the target with %2F for %2f"},
		{method, "/shop/a%20b%2fc?b=1&q=%ED%95%9C", stamp, "", "the query encoded anew"},
		{method, "/shop/a%20b/c?b=1&q=%ED%95%9C", stamp, "", "the target encoded anew"},
		{method, "/shop/a%20b%2fc", stamp, "", "the target without its query"},
		{method, "https://h.example" + target, stamp, "", "the host in front of the target"},
		{method, "h.example" + target, stamp, "", "the host in front of the target"},
		{method, "http://h.example/a b/c?q=한&b=1", stamp, "", "the host in front of the target, the target without /shop, the target decoded"},
		{"get", target, stamp, "", "the method in lower case"},
		{method, target, "2016-07-23T12:20+09:00", "", "OffsetDateTime"},
		{method, target, stamp + "\n", "", "a line end behind the timestamp"},
		{method, target, stamp, "HMAC ", "a word before the signature"},
		{method, "/other", stamp, "", ""},
	} {
		sent := c.word + Sign(secret, c.method, c.target, c.stamp)
		got := v.Mistake(method, target, "shop", "h.example", stamp, sent)
		if c.says == "" && got != "" || !strings.Contains(got, c.says) || strings.Contains(got, secret) {
			t.Errorf("%s %s at %q: %q, want %q", c.method, c.target, c.stamp, got, c.says)
		}
	}
	if got := New("other", 0).Mistake(method, target, "shop", "h.example", stamp, Sign(secret, method, target, stamp)); got != "" {
		t.Errorf("the wrong secret is explained as %q", got)
	}
}
