package hmacsign

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// The vector that the original's documentation publishes.
const (
	secret    = "test"
	target    = "/test/1?query1=1&query2=2"
	timestamp = "2016-07-23T12:20:02+09:00"
	signature = "IqY8u/RZY8IMESwa/TPW9P9Z39Y="
)

var instant = time.Date(2016, 7, 23, 3, 20, 2, 0, time.UTC)

// request is what a client sends; verify checks it with instant on the clock.
type request struct {
	method, target, timestamp, authorization string
}

func (r request) verify(v *Verifier, now time.Time) Reason {
	return v.Verify(r.method, []byte(r.target), []byte(r.timestamp), []byte(r.authorization), now)
}

var published = request{"GET", target, timestamp, signature}

func TestPublishedVector(t *testing.T) {
	if got := StringToSign("GET", target, timestamp); got != "GET\n/test/1?query1=1&query2=2\n2016-07-23T12:20:02+09:00" {
		t.Errorf("string to sign: %q", got)
	}
	if got := Sign(secret, "GET", target, timestamp); got != signature {
		t.Errorf("signature: %s", got)
	}
	v := New(secret, time.Minute)
	for range 3 { // the first call makes the state that the others reuse
		if got := published.verify(v, instant); got != OK {
			t.Errorf("verify: %v", got)
		}
	}
}

// Signatures made by openssl dgst -sha1 -hmac, with keys shorter than, as long
// as and longer than a block.
func TestForeignSignatures(t *testing.T) {
	for _, c := range []struct {
		secret, method, target, timestamp, want string
	}{
		{"k", "DELETE", "/shop/v1/items/7", "2019-04-01T00:00:00Z", "xk/KupWOs0DNLFRoN9y/4jGXn7U="},
		{strings.Repeat("0123456789abcdef", 4), "POST", "/shop/a%2Cb?x=&x=%20", "2019-04-01T09:00:00.25+0900", "tKTAaVNjwl9pxqVjE5oJ+CPMq3s="},
		{strings.Repeat("0123456789abcdef", 5), "PUT", "/shop/", "2019-04-01T00:00:00Z", "5g/0YiNOf+zMgM9BZGblEJDEpwU="},
	} {
		if got := Sign(c.secret, c.method, c.target, c.timestamp); got != c.want {
			t.Errorf("%s %s: %s, want %s", c.method, c.target, got, c.want)
		}
		r := request{c.method, c.target, c.timestamp, c.want}
		if got := r.verify(New(c.secret, 0), instant); got != OK {
			t.Errorf("%s %s: %v", c.method, c.target, got)
		}
	}
}

// A case changes one thing about the published vector.
func TestVerify(t *testing.T) {
	raw, _ := base64.StdEncoding.DecodeString(signature)
	for _, c := range []struct {
		name   string
		change func(r *request)
		want   Reason
	}{
		{"nothing", func(*request) {}, OK},
		{"no timestamp", func(r *request) { r.timestamp = "" }, TimestampEmpty},
		{"neither", func(r *request) { r.timestamp, r.authorization = "", "" }, TimestampEmpty},
		{"no time", func(r *request) { r.timestamp = "now" }, TimestampFormat},
		{"no time, no signature", func(r *request) { r.timestamp, r.authorization = "now", "" }, TimestampFormat},
		{"another year, no signature", func(r *request) { r.timestamp, r.authorization = "2017-07-23T12:20:02+09:00", "" }, Expired},
		{"year 0", func(r *request) { r.timestamp = "0000-01-01T00:00:00Z" }, Expired},
		{"year 9999", func(r *request) { r.timestamp = "9999-12-31T23:59:59Z" }, Expired},
		{"no signature", func(r *request) { r.authorization = "" }, AuthorizationEmpty},
		{"the same time in other words", func(r *request) { r.timestamp = "2016-07-23T12:20:02+0900" }, Invalid},
		{"another second", func(r *request) { r.timestamp = "2016-07-23T12:20:03+09:00" }, Invalid},
		{"another method", func(r *request) { r.method = "POST" }, Invalid},
		{"another case of the method", func(r *request) { r.method = "get" }, Invalid},
		{"the bytes moved over a border", func(r *request) { r.method, r.target = "GET\n/test", "/1?query1=1&query2=2" }, Invalid},
		{"arguments swapped", func(r *request) { r.target = "/test/1?query2=2&query1=1" }, Invalid},
		{"no query", func(r *request) { r.target = "/test/1" }, Invalid},
		{"without the domain", func(r *request) { r.target = "/1?query1=1&query2=2" }, Invalid},
		{"another spelling of the path", func(r *request) { r.target = "/test/%31?query1=1&query2=2" }, Invalid},
		{"a space", func(r *request) { r.authorization = " " }, Invalid},
		{"a space behind", func(r *request) { r.authorization += " " }, Invalid},
		{"cut short", func(r *request) { r.authorization = signature[:27] }, Invalid},
		{"cut to a quantum", func(r *request) { r.authorization = signature[:24] }, Invalid},
		{"longer", func(r *request) { r.authorization += "AAAA" }, Invalid},
		{"much longer", func(r *request) { r.authorization = strings.Repeat(signature, 1000) }, Invalid},
		{"other unused bits", func(r *request) { r.authorization = signature[:26] + "Z=" }, Invalid},
		{"URL alphabet", func(r *request) { r.authorization = base64.URLEncoding.EncodeToString(raw) }, Invalid},
		{"hex", func(r *request) { r.authorization = "22a63cbbf45963c20c112c1afd33d6f4ff59dfd6" }, Invalid},
		{"line ends within", func(r *request) { r.authorization = "\n\n\n\n" + signature[:24] }, Invalid},
		{"a line end within, as long", func(r *request) { r.authorization = signature[:14] + "\n" + signature[15:] }, Invalid},
		{"lower case", func(r *request) { r.authorization = strings.ToLower(signature) }, Invalid},
		{"zeros", func(r *request) { r.authorization = base64.StdEncoding.EncodeToString(make([]byte, 20)) }, Invalid},
		{"28 characters, not 20 bytes", func(r *request) { r.authorization = base64.StdEncoding.EncodeToString(append(raw[:20:20], 0)) }, Invalid},
		{"a Bearer", func(r *request) { r.authorization = "Bearer " + signature }, Invalid},
		{"the key", func(r *request) { r.authorization = secret }, Invalid},
	} {
		r := published
		c.change(&r)
		if got := r.verify(New(secret, time.Minute), instant); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

func TestEveryBitCounts(t *testing.T) {
	v := New(secret, time.Minute)
	raw, _ := base64.StdEncoding.DecodeString(signature)
	for bit := range 8 * len(raw) {
		raw[bit/8] ^= 1 << (bit % 8)
		r := published
		r.authorization = base64.StdEncoding.EncodeToString(raw)
		if got := r.verify(v, instant); got != Invalid {
			t.Errorf("bit %d is wrong: %v", bit, got)
		}
		raw[bit/8] ^= 1 << (bit % 8)
	}
}

func TestKeys(t *testing.T) {
	for _, key := range []string{"Test", "test ", "tes", "test\x00"} {
		// The last pads to the same block as "test": HMAC cannot tell them
		// apart, nor could the original.
		want := Invalid
		if key == "test\x00" {
			want = OK
		}
		if got := published.verify(New(key, time.Minute), instant); got != want {
			t.Errorf("key %q: %v, want %v", key, got, want)
		}
	}
	r := published
	r.authorization = Sign("", "GET", target, timestamp)
	if got := r.verify(New("", time.Minute), instant); got != Invalid {
		t.Errorf("the empty key: %v", got)
	}
}

func TestClockSkew(t *testing.T) {
	const skew = 5 * time.Minute
	for _, c := range []struct {
		skew, ahead time.Duration // of the node's clock
		want        Reason
	}{
		{skew, skew, OK},
		{skew, -skew, OK},
		{skew, skew + 1, Expired},
		{skew, -skew - 1, Expired},
		{24 * time.Hour, -24 * time.Hour, OK},
		{time.Second, time.Second, OK},
		{time.Second, time.Second + time.Millisecond, Expired},
		{0, 0, OK},
		{0, 290 * 365 * 24 * time.Hour, OK},
		{0, -290 * 365 * 24 * time.Hour, OK},
		{-1, 0, Expired}, // not a setting: nothing passes
	} {
		if got := published.verify(New(secret, c.skew), instant.Add(c.ahead)); got != c.want {
			t.Errorf("clock skew %v, %v ahead: %v, want %v", c.skew, c.ahead, got, c.want)
		}
	}
	// Further than a time.Duration reaches.
	for _, text := range []string{"0000-01-01T00:00:00Z", "9999-12-31T23:59:59Z"} {
		r := request{"GET", target, text, Sign(secret, "GET", target, text)}
		if got := r.verify(New(secret, 24*time.Hour), instant); got != Expired {
			t.Errorf("%s: %v", text, got)
		}
		if got := r.verify(New(secret, 0), instant); got != OK {
			t.Errorf("%s without a time check: %v", text, got)
		}
	}
	r := published
	r.timestamp = "2016-02-30T00:00:00Z"
	if got := r.verify(New(secret, 0), instant); got != TimestampFormat {
		t.Errorf("the format is not checked without a time check: %v", got)
	}
}

func TestReasons(t *testing.T) {
	want := []string{
		"OK", "The timestamp field is empty", "Invalid timestamp format", "Exceeded expiration time",
		"The authorization field is empty", "Invalid authorization",
	}
	for r, text := range want {
		if got := Reason(r).String(); got != text {
			t.Errorf("%d: %q, want %q", r, got, text)
		}
	}
}

// slowVerify is the obvious Verify of the signature.
func slowVerify(secret, method, target, timestamp, authorization string) bool {
	mac := hmac.New(sha1.New, []byte(secret))
	mac.Write([]byte(method + "\n" + target + "\n" + timestamp))
	return authorization == base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

func TestSignVerifies(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		key := rapid.StringN(1, -1, 200).Draw(t, "key")
		r := request{rapid.StringMatching(`[A-Z]{1,10}`).Draw(t, "method"), rapid.String().Draw(t, "target"), timestamp, ""}
		r.authorization = Sign(key, r.method, r.target, r.timestamp)
		v := New(key, time.Second)
		if got := r.verify(v, instant); got != OK {
			t.Fatalf("%v", got)
		}
		r.target += "x"
		if got := r.verify(v, instant); got != Invalid {
			t.Fatalf("another target: %v", got)
		}
	})
}

func TestManyAtOnce(t *testing.T) {
	v := New(secret, time.Minute)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			good, bad := published, published
			bad.target = strings.Repeat("/x", i+1)
			for range 500 {
				if got := good.verify(v, instant); got != OK {
					t.Errorf("good: %v", got)
				}
				if got := bad.verify(v, instant); got != Invalid {
					t.Errorf("bad: %v", got)
				}
			}
		})
	}
	wg.Wait()
}

func FuzzVerify(f *testing.F) {
	f.Add(secret, "GET", target, timestamp, signature)
	f.Add(secret, "GET", target, timestamp, signature[:26]+"Z=")
	f.Add("", "", "", "2016-07-23T12:20:02Z", "\n\n\n\n"+signature[:24])
	f.Fuzz(func(t *testing.T, secret, method, target, timestamp, authorization string) {
		v := New(secret, 0)
		for _, authorization := range []string{authorization, Sign(secret, method, target, timestamp)} {
			want := Invalid
			_, timely := slowParse(timestamp)
			switch {
			case timestamp == "":
				want = TimestampEmpty
			case !timely:
				want = TimestampFormat
			case authorization == "":
				want = AuthorizationEmpty
			case secret != "" && slowVerify(secret, method, target, timestamp, authorization):
				want = OK
			}
			if got := (request{method, target, timestamp, authorization}).verify(v, instant); got != want {
				t.Errorf("%v, want %v", got, want)
			}
		}
	})
}
