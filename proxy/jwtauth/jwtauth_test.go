package jwtauth

import (
	"encoding/base64"
	"strings"
	"sync"
	"testing"
	"time"
)

// The token of RFC 7515 A.1, whose exp is 2011-03-22T18:43:00Z.
func TestPublishedToken(t *testing.T) {
	const token = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9" +
		".eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ" +
		".dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
	key, err := base64.RawURLEncoding.DecodeString("AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow")
	if err != nil {
		t.Fatal(err)
	}
	exp := time.Date(2011, 3, 22, 18, 43, 0, 0, time.UTC)
	for _, c := range []struct {
		issuer string
		now    time.Time
		want   Reason
	}{
		{"joe", exp.Add(-time.Second), OK},
		{"", exp.Add(-time.Second), OK},
		{"jo", exp.Add(-time.Second), Invalid},
		{"joe", exp, Expired},
		{"jo", exp, Expired},
	} {
		if got := New(string(key), c.issuer, 0).Verify([]byte(token), c.now); got != c.want {
			t.Errorf("issuer %q at %v: %v, want %v", c.issuer, c.now, got, c.want)
		}
	}
}

// Tokens made by openssl dgst -sha256 -hmac secret, the first two with the
// header that jose4j writes, without typ. Their exp is at.
func TestForeignTokens(t *testing.T) {
	for _, c := range []struct{ issuer, token string }{
		{"Issuer", "eyJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJJc3N1ZXIiLCJhdWQiOiJBdWRpZW5jZSIsImV4cCI6MTU1NDA3NjgwMCwianRpIjoiWGowclc2YjNZNmZRZUp4a0gwY1E1dyIsImlhdCI6MTU1NDA3MzIwMCwibmJmIjoxNTU0MDczMDgwLCJzdWIiOiJzdWJqZWN0IiwiZW1haWwiOiJtYWlsQGV4YW1wbGUuY29tIiwiZ3JvdXBzIjpbImdyb3VwLW9uZSIsIm90aGVyLWdyb3VwIl19.pTBx4SP4DCkfuMUcEHJTky4ZoQ6ccmaq-lyjKEols_o"},
		{"", "eyJhbGciOiJIUzI1NiJ9.eyJleHAiOjE1NTQwNzY4MDB9.CcPdU4OpaQN16k3ocRbUtcGgfAHyP9VVEnaGgYxtUIE"},
		// With kid and jku, which nothing looks at, and exp half a second later.
		{"한글", "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiIsImtpZCI6Ii4uLy4uL3giLCJqa3UiOiJodHRwOi8vMTI3LjAuMC4xL2tleXMifQ.eyJpc3MiOiLtlZzquIAiLCJleHAiOjE1NTQwNzY4MDAuNX0.5RjxP9mZC_wdibAipdIHsD_6ujA2n3wLfmMF_daYPwc"},
	} {
		v := New(secret, c.issuer, 0)
		if got := v.Verify([]byte(c.token), at.Add(-time.Second)); got != OK {
			t.Errorf("%s: %v", c.issuer, got)
		}
		if got := v.Verify([]byte(c.token), at.Add(time.Second)); got != Expired {
			t.Errorf("%s, a second late: %v", c.issuer, got)
		}
		if got := New("other", c.issuer, 0).Verify([]byte(c.token), at.Add(time.Second)); got != Invalid {
			t.Errorf("%s with another key, a second late: %v", c.issuer, got)
		}
	}
}

// Every case has a leeway of a minute, issuer joe and at on the clock.
func TestVerify(t *testing.T) {
	const joe = `"iss":"joe"`
	good := made(secret, typedHeader, expiring(time.Hour, joe))
	parts := strings.Split(good, ".")
	last := good[len(good)-1]
	for _, c := range []struct {
		name, authorization string
		want                Reason
	}{
		{"bare", good, OK},
		{"Bearer", "Bearer " + good, OK},
		{"BEARER", "BEARER " + good, OK},
		{"bearer", "bearer " + good, OK},
		{"spaces", "Bearer   " + good, OK},
		{"no typ", made(secret, plainHeader, expiring(time.Hour, joe)), OK},
		{"another typ", made(secret, `{"alg":"HS256","typ":"at+jwt"}`, expiring(time.Hour, joe)), OK},
		{"pretty", made(secret, "{ \"alg\" :\r\n \"HS256\" }", "{\n"+expiring(time.Hour, joe)[1:]), OK},
		{"as long as may be", padded(8192, joe), OK},

		{"nothing", "", AuthorizationEmpty},
		{"longer than may be", padded(8193, joe), Invalid},
		{"16 KB", padded(16384, joe), Invalid},
		{"a space", " ", Invalid},
		{"only a scheme", "Bearer", Invalid},
		{"a scheme and a space", "Bearer ", Invalid},
		{"a scheme as long", "Digest " + good, Invalid},
		{"a tab", "Bearer\t" + good, Invalid},
		{"no space", "Bearer" + good, Invalid},
		{"twice", "Bearer Bearer " + good, Invalid},
		{"another scheme", "Basic " + good, Invalid},
		{"a space before", " " + good, Invalid},
		{"a space behind", good + " ", Invalid},
		{"a line end within", good[:len(good)-4] + "\n" + good[len(good)-4:], Invalid},
		{"a line end behind", good + "\r", Invalid},
		{"words", "let me in", Invalid},
		{"the key", secret, Invalid},
		{"dots", "..", Invalid},
		{"many dots", strings.Repeat(".", 8000), Invalid},
		{"two parts", parts[0] + "." + parts[1], Invalid},
		{"no signature", parts[0] + "." + parts[1] + ".", Invalid},
		{"four parts", good + ".AAAA", Invalid},
		{"padded", good + "=", Invalid},
		{"other unused bits", good[:len(good)-1] + string(last+1), Invalid},
		{"standard alphabet", strings.NewReplacer("-", "+", "_", "/").Replace(withSign(secret)), Invalid},
		{"signature cut", good[:len(good)-4], Invalid},
		{"signature of another", parts[0] + "." + parts[1] + "." + strings.Split(made(secret, typedHeader, expiring(time.Hour)), ".")[2], Invalid},
		{"another payload", parts[0] + "." + segment(expiring(2*time.Hour, joe)) + "." + parts[2], Invalid},
		{"another key", made("Secret", typedHeader, expiring(time.Hour, joe)), Invalid},
		{"another key, expired", made("Secret", typedHeader, expiring(-time.Hour, joe)), Invalid},

		{"none", segment(`{"alg":"none"}`) + "." + parts[1] + ".", Invalid},
		{"none, expired", segment(`{"alg":"none"}`) + "." + segment(expiring(-time.Hour)) + ".", Invalid},
		{"None with a signature", made(secret, `{"alg":"None"}`, expiring(time.Hour, joe)), Invalid},
		{"hs256", made(secret, `{"alg":"hs256"}`, expiring(time.Hour, joe)), Invalid},
		{"RS256", made(secret, `{"alg":"RS256"}`, expiring(time.Hour, joe)), Invalid},
		{"HS512", sha512Token(expiring(time.Hour, joe)), Invalid},
		{"HS512, expired", sha512Token(expiring(-time.Hour, joe)), Invalid},
		{"no alg", made(secret, `{"typ":"JWT"}`, expiring(time.Hour, joe)), Invalid},
		{"alg no string", made(secret, `{"alg":["HS256"]}`, expiring(time.Hour, joe)), Invalid},
		{"ALG", made(secret, `{"ALG":"HS256"}`, expiring(time.Hour, joe)), Invalid},
		{"crit", made(secret, `{"alg":"HS256","crit":["b64"],"b64":false}`, expiring(time.Hour, joe)), Invalid},
		{"crit of nothing", made(secret, `{"alg":"HS256","crit":null}`, expiring(time.Hour, joe)), Invalid},
		{"crit, expired", made(secret, `{"alg":"HS256","crit":["exp"]}`, expiring(-time.Hour, joe)), Invalid},
		{"header no object", made(secret, `["HS256"]`, expiring(time.Hour, joe)), Invalid},
		{"header no JSON", made(secret, `{"alg":"HS256"}}`, expiring(time.Hour, joe)), Invalid},
		{"header null", made(secret, `null`, expiring(time.Hour, joe)), Invalid},
		{"payload no object", made(secret, plainHeader, `[]`), Invalid},
		{"payload null", made(secret, plainHeader, `null`), Invalid},
		{"payload no JSON", made(secret, plainHeader, expiring(time.Hour, joe)+"}"), Invalid},
		{"payload empty", made(secret, plainHeader, ``), Invalid},
		{"payload not UTF-8", made(secret, plainHeader, expiring(time.Hour, joe, "\"sub\":\"\xff\"")), Invalid},
		{"payload not UTF-8, expired", made(secret, plainHeader, expiring(-time.Hour, joe, "\"sub\":\"\xc0\xae\"")), Invalid},
		{"payload in UTF-8", made(secret, plainHeader, expiring(time.Hour, joe, `"sub":"조"`)), OK},
		{"payload deep", made(secret, plainHeader, strings.Repeat(`{"a":`, 1000)+"1"+strings.Repeat("}", 1000)), Invalid},

		{"another issuer", made(secret, typedHeader, expiring(time.Hour, `"iss":"Joe"`)), Invalid},
		{"no issuer", made(secret, typedHeader, expiring(time.Hour)), Invalid},
		{"empty issuer", made(secret, typedHeader, expiring(time.Hour, `"iss":""`)), Invalid},
		{"ISS", made(secret, typedHeader, expiring(time.Hour, `"ISS":"joe"`)), Invalid},
		{"issuers", made(secret, typedHeader, expiring(time.Hour, `"iss":["joe"]`)), Invalid},
		{"issuer null", made(secret, typedHeader, expiring(time.Hour, `"iss":null`)), Invalid},
		{"the last issuer counts", made(secret, typedHeader, expiring(time.Hour, joe, `"iss":"eve"`)), Invalid},

		{"expired", made(secret, typedHeader, expiring(-time.Hour, joe)), Expired},
		{"expired, Bearer", "Bearer " + made(secret, typedHeader, expiring(-time.Hour, joe)), Expired},
		{"expired, another issuer", made(secret, typedHeader, expiring(-time.Hour, `"iss":"eve"`)), Expired},
		{"expired, issuer no string", made(secret, typedHeader, expiring(-time.Hour, `"iss":1`)), Expired},
		{"expired, too early", made(secret, typedHeader, expiring(-time.Hour, joe, `"nbf":9e9`)), Expired},
		{"expired, nbf no number", made(secret, typedHeader, expiring(-time.Hour, joe, `"nbf":"x"`)), Expired},
	} {
		v := New(secret, "joe", time.Minute)
		if got := v.Verify([]byte(c.authorization), at); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
		if got := slowVerify(secret, "joe", time.Minute, c.authorization, at); got != c.want {
			t.Errorf("%s, the slow way: %v, want %v", c.name, got, c.want)
		}
	}
}

// padded is a good token of exactly n bytes.
func padded(n int, more string) string {
	for fill := range n {
		token := made(secret, typedHeader, expiring(time.Hour, more, `"fill":"`+strings.Repeat("x", n*3/4-150+fill)+`"`))
		if len(token) >= n {
			// Base64 skips a length in four; a longer header makes up for it.
			for pad := ""; len(token) != n; pad += " " {
				token = made(secret, typedHeader+pad, expiring(time.Hour, more, `"fill":"`+strings.Repeat("x", n*3/4-150+fill-len(pad)-1)+`"`))
			}
			return token
		}
	}
	panic("no such token")
}

// withSign is a good token that has a "-" or "_" in its signature.
func withSign(key string) string {
	for n := time.Duration(1); ; n++ {
		token := made(key, typedHeader, expiring(n*time.Hour, `"iss":"joe"`))
		if strings.ContainsAny(token, "-_") {
			return token
		}
	}
}

func TestDates(t *testing.T) {
	for _, c := range []struct {
		payload string
		skew    time.Duration
		want    Reason
	}{
		{`{"exp":1554076801}`, 0, OK},
		{`{"exp":1554076800}`, 0, Expired}, // RFC 7519 4.1.4: on or after
		{`{"exp":1554076799}`, 0, Expired},
		{`{"exp":1554076740}`, time.Minute, Expired},
		{`{"exp":1554076741}`, time.Minute, OK},
		{`{"exp":1554076800.25}`, 0, OK},
		{`{"exp":1554076799.75}`, 0, Expired},
		{`{"exp":1554076799.75}`, time.Second, OK},
		{`{"exp":1.5540768e9}`, 0, Expired},
		{`{"exp":1.5540769e9}`, 0, OK},
		{`{"exp":1553990401}`, 24 * time.Hour, OK},
		{`{"exp":1553990400}`, 24 * time.Hour, Expired},
		{`{"exp":0}`, 0, Expired},
		{`{"exp":0.0e-999}`, 0, Expired},
		{`{"exp":253402300799}`, 24 * time.Hour, OK}, // the end of the year 9999
		{`{"exp":253402300799.5}`, 24 * time.Hour, OK},
		{`{"exp":253402300800}`, 0, Invalid},
		{`{"exp":1e18}`, 24 * time.Hour, Invalid},
		{`{"exp":9223372036854775807}`, 24 * time.Hour, Invalid},
		{`{"exp":1e300}`, 24 * time.Hour, Invalid},
		{`{"exp":1e400}`, 24 * time.Hour, Invalid},
		{`{"exp":9e9,"nbf":1e400}`, 24 * time.Hour, Invalid},
		{`{"exp":-1}`, 24 * time.Hour, Invalid},
		{`{"exp":-0}`, 0, Invalid},
		{`{"exp":-1e400}`, 0, Invalid},
		{`{"exp":"1554076801"}`, 0, Invalid},
		{`{"exp":"2019-04-01T01:00:00Z"}`, 0, Invalid},
		{`{"exp":null}`, 0, Invalid},
		{`{"exp":true}`, 0, Invalid},
		{`{"exp":[1554076801]}`, 0, Invalid},
		{`{"exp":{}}`, 0, Invalid},
		{`{"exp":NaN}`, 0, Invalid},
		{`{"exp":Infinity}`, 0, Invalid},
		{`{"exp":01554076801}`, 0, Invalid},
		{`{"exp":0x7fffffff}`, 0, Invalid},
		{`{"EXP":1554076801}`, 0, Invalid},
		{`{"exp":1554076799,"EXP":1554076801}`, 0, Expired},
		{`{"exp":1554076801,"exp":1554076799}`, 0, Expired},
		{`{"exp":1554076799,"exp":1554076801}`, 0, OK},
		{`{}`, 24 * time.Hour, Invalid},
		{`{"iat":1554076799}`, 24 * time.Hour, Invalid},

		{`{"exp":9e9,"nbf":1554076800}`, 0, OK},
		{`{"exp":9e9,"nbf":1554076801}`, 0, Invalid},
		{`{"exp":9e9,"nbf":1554076800.5}`, 0, Invalid},
		{`{"exp":9e9,"nbf":1554076860}`, time.Minute, OK},
		{`{"exp":9e9,"nbf":1554076861}`, time.Minute, Invalid},
		{`{"exp":9e9,"nbf":1e300}`, 24 * time.Hour, Invalid},
		{`{"exp":9e9,"nbf":0}`, 0, OK},
		{`{"exp":9e9,"nbf":-1}`, 0, Invalid},
		{`{"exp":9e9,"nbf":null}`, 0, Invalid},
		{`{"exp":9e9,"nbf":"1554076800"}`, 0, Invalid},
		{`{"exp":9e9,"NBF":9e9}`, 0, OK},
		{`{"exp":9e9,"iat":9e9}`, 0, OK}, // RFC 7519 gives iat no such meaning
		{`{"exp":9e9,"iat":"x","sub":1,"aud":{},"iss":7}`, 0, OK},
	} {
		token := made(secret, plainHeader, c.payload)
		if got := New(secret, "", c.skew).Verify([]byte(token), at); got != c.want {
			t.Errorf("%s with %v: %v, want %v", c.payload, c.skew, got, c.want)
		}
		if got := slowVerify(secret, "", c.skew, token, at); got != c.want {
			t.Errorf("%s with %v, the slow way: %v, want %v", c.payload, c.skew, got, c.want)
		}
	}
}

func TestEmptyKey(t *testing.T) {
	if got := New("", "", 0).Verify([]byte(made("", plainHeader, expiring(time.Hour))), at); got != Invalid {
		t.Errorf("%v", got)
	}
}

func TestReasons(t *testing.T) {
	want := []string{"OK", "The authorization field is empty", "Exceeded expiration time", "Invalid authorization"}
	for r, text := range want {
		if got := Reason(r).String(); got != text {
			t.Errorf("%d: %q, want %q", r, got, text)
		}
	}
}

// A check is used again: nothing of one token may be left for the next, nor
// the time of one call for another.
func TestManyAtOnce(t *testing.T) {
	v := New(secret, "joe", 0)
	early := []byte(made(secret, plainHeader, expiring(0, `"iss":"joe"`)))
	empty := []byte(made(secret, plainHeader, `null`)) // golang-jwt leaves the claims alone
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 300 {
				for _, c := range []struct {
					token []byte
					now   time.Time
					want  Reason
				}{
					{early, at.Add(-time.Second), OK}, {empty, at, Invalid}, {early, at, Expired},
				} {
					if got := v.Verify(c.token, c.now); got != c.want {
						t.Errorf("%v, want %v", got, c.want)
					}
				}
			}
		})
	}
	wg.Wait()
}
