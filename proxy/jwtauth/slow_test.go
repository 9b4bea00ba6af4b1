package jwtauth

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// Tokens that are nearly right, against the slow way.
func TestVerifyAsSlowly(t *testing.T) {
	date := rapid.OneOf(
		rapid.Map(rapid.IntRange(-3, 3), func(n int) string { return fmt.Sprint(at.Unix() + int64(n)) }),
		rapid.Map(rapid.IntRange(-6, 6), func(n int) string { return fmt.Sprintf("%.1f", float64(at.Unix())+float64(n)/2) }),
		rapid.SampledFrom([]string{"0", "9e9", "1e99", "-5", `"9"`, "null", "true", "[]"}),
	)
	member := rapid.OneOf(
		rapid.Map(date, func(s string) string { return `"exp":` + s }),
		rapid.Map(date, func(s string) string { return `"nbf":` + s }),
		rapid.SampledFrom([]string{`"iss":"joe"`, `"iss":"Joe"`, `"iss":""`, `"iss":1`, `"Exp":9e9`, `"x":{"exp":1}`}),
	)
	header := rapid.SampledFrom([]string{
		plainHeader, plainHeader, plainHeader, plainHeader, typedHeader, typedHeader, typedHeader, typedHeader,
		`{"alg":"none"}`, `{"alg":"HS384"}`, `{"alg":"HS256","crit":[]}`, `{"alg":"HS256","alg":"none"}`, `{}`,
	})
	rapid.Check(t, func(t *rapid.T) {
		members := rapid.SliceOfN(member, 0, 3).Draw(t, "members")
		if rapid.IntRange(0, 7).Draw(t, "exp") > 0 {
			members = append(members, `"exp":`+date.Draw(t, "date"))
		}
		payload := "{" + strings.Join(members, ",") + "}"
		key := rapid.SampledFrom([]string{secret, secret, secret, secret, secret, "other"}).Draw(t, "key")
		token := rapid.SampledFrom([]string{"", "", "", "Bearer ", "bEARER  ", "Basic "}).Draw(t, "scheme") +
			made(key, header.Draw(t, "header"), payload)
		if rapid.IntRange(0, 9).Draw(t, "damage") == 0 {
			i := rapid.IntRange(0, len(token)-1).Draw(t, "at")
			token = token[:i] + rapid.SampledFrom([]string{"", "A", ".", "-", "=", " ", "\n"}).Draw(t, "byte") + token[i+1:]
		}
		issuer := rapid.SampledFrom([]string{"", "joe"}).Draw(t, "issuer")
		skew := time.Duration(rapid.IntRange(0, 2).Draw(t, "skew")) * time.Second
		got := New(secret, issuer, skew).Verify([]byte(token), at)
		if want := slowVerify(secret, issuer, skew, token, at); got != want {
			t.Fatalf("%s: %v, want %v", payload, got, want)
		}
	})
}

// What comes is signed as well, so that the fuzzer gets past the signature.
func FuzzVerify(f *testing.F) {
	f.Add("Bearer "+made(secret, typedHeader, expiring(time.Hour)), typedHeader, expiring(time.Hour), "")
	f.Add("a.b.c", `{"alg":"HS256","crit":["b64"]}`, `{"exp":1e400,"nbf":0.5,"iss":"joe"}`, "joe")
	f.Add("..", `null`, `{"exp":"1"}`, "joe")
	f.Fuzz(func(t *testing.T, authorization, header, payload, issuer string) {
		for _, authorization := range []string{authorization, made(secret, header, payload), made(secret, plainHeader, payload)} {
			got := New(secret, issuer, time.Second).Verify([]byte(authorization), at)
			if want := slowVerify(secret, issuer, time.Second, authorization, at); got != want {
				t.Errorf("%q %s %s: %v, want %v", authorization, header, payload, got, want)
			}
		}
	})
}
