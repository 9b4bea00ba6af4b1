package proxy

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestPublishedVector: spec section 6, end to end, without a time check.
func TestPublishedVector(t *testing.T) {
	up := startRecorder(t, says(ok200))
	const setting = `"HMAC":{"secretKey":%q,"clockSkew":%d}`
	g := startGateway(t, nil, parsed(t, "test", up.url(), fmt.Sprintf(setting, "test", 0), "GET /1", "POST /1"))
	const fields, target = "X-TC-Timestamp: 2016-07-23T12:20:02+09:00\r\nAuthorization: IqY8u/RZY8IMESwa/TPW9P9Z39Y=\r\n", "/test/1?query1=1&query2=2"
	wrong := func(name, raw string) {
		t.Helper()
		a := ask(t, g.addr, raw)
		if a == nil || a.StatusCode != 401 || a.body != `{"header":{"resultCode":20001,"resultMessage":"20001 HMAC authentication failed (Invalid authorization)","isSuccessful":false}}` {
			t.Errorf("%s: answered %+v", name, a)
		}
	}
	if a := ask(t, g.addr, withFields(target, fields)); a.StatusCode != 200 {
		t.Fatalf("the vector: answered %s", a.raw)
	}
	heard := up.requests()
	if len(heard) != 1 || !strings.HasPrefix(heard[0], "GET /1?query1=1&query2=2 HTTP/1.1\r\n") || !strings.Contains(heard[0], fields) {
		t.Errorf("went on as %q", heard)
	}
	for bit := range 8 { // of one character in the middle, staying within base64 or not
		b := []byte(fields)
		i := strings.Index(fields, "RZY8")
		if b[i] ^= 1 << bit; b[i] >= ' ' && b[i] < 0x7f {
			wrong(fmt.Sprintf("bit %d", bit), withFields(target, string(b)))
		}
	}
	wrong("another order", withFields("/test/1?query2=2&query1=1", fields))
	wrong("another spelling", withFields("/test/%31?query1=1&query2=2", fields))
	wrong("one byte more", withFields(target+"&", fields))
	wrong("another method", "POST "+withFields(target, fields)[len("GET "):])
	wrong("another spelling of the time", withFields(target, strings.Replace(fields, "+09:00", "+0900", 1)))
	wrong("in lower case", withFields(target, strings.Replace(fields, "IqY8", "iqy8", 1)))
	g.deploy(t, 2, parsed(t, "test", up.url(), fmt.Sprintf(setting, "Test", 0), "GET /1", "POST /1"))
	wrong("another secret", withFields(target, fields))
	g.deploy(t, 3, parsed(t, "test", up.url(), fmt.Sprintf(setting, "test", 86400), "GET /1"))
	if a := ask(t, g.addr, withFields(target, fields)); a.StatusCode != 401 || !strings.Contains(a.body, "(Exceeded expiration time)") {
		t.Errorf("with a time check: answered %s", a.raw)
	}
	if got := up.requests(); len(got) > 0 {
		t.Errorf("reached the endpoint server: %q", got)
	}
}

// TestJWT: bare and Bearer tokens get in and go on; the rest is the table of
// jwtauth and the rows of TestErrorCodes.
func TestJWT(t *testing.T) {
	up := startRecorder(t, says(ok200))
	g := startGateway(t, nil, parsed(t, "test", up.url(), `"JWT":{"secretKey":"test","clockSkew":60,"issuer":"me"}`, "GET /a"),
		parsed(t, "any", up.url(), `"JWT":{"secretKey":"test"}`, "GET /a"))
	exp := func(in time.Duration) int64 { return time.Now().Add(in).Unix() }
	mine := token("test", fmt.Sprintf(`{"iss":"me","exp":%d}`, exp(time.Hour)))
	for _, tc := range []struct {
		target, authorization string
		status                int
	}{
		{"/test/a", mine, 200},
		{"/test/a", "Bearer " + mine, 200},
		{"/any/a", mine, 200},
		{"/any/a", token("test", fmt.Sprintf(`{"iss":"you","exp":%d}`, exp(time.Hour))), 200},
		{"/test/a", token("test", fmt.Sprintf(`{"iss":"me","exp":%d}`, exp(-30*time.Second))), 200}, // within clockSkew
		{"/any/a", token("test", fmt.Sprintf(`{"iss":"me","exp":%d}`, exp(-30*time.Second))), 401},
		{"/test/a", token("test", fmt.Sprintf(`{"iss":"me","exp":%d,"nbf":%d}`, exp(time.Hour), exp(30*time.Second))), 200},
		{"/test/a", token("test", fmt.Sprintf(`{"iss":"me","exp":%d,"nbf":%d}`, exp(time.Hour), exp(5*time.Minute))), 401},
		{"/test/a", "Basic " + mine, 401},
		{"/test/a", mine[:len(mine)-1], 401},
		{"/test/a", strings.Replace(mine, ".", "..", 1), 401},
	} {
		a := ask(t, g.addr, withFields(tc.target, "Authorization: "+tc.authorization+"\r\n"))
		heard := up.requests()
		if a == nil || a.StatusCode != tc.status || (tc.status == 200) != (len(heard) == 1) {
			t.Errorf("%s %.60s: answered %+v, %d went on", tc.target, tc.authorization, a, len(heard))
		} else if tc.status == 200 && !strings.Contains(heard[0], "Authorization: "+tc.authorization+"\r\n") {
			t.Errorf("went on as %q", heard)
		}
	}
}
