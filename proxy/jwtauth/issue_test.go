package jwtauth

import (
	"encoding/base64"
	"encoding/json"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestIssue(t *testing.T) {
	token, err := Issue(secret, "joe", time.Hour, at, map[string]any{"sub": "7", "nbf": at.Unix(), "roles": []string{"a"}})
	if err != nil {
		t.Fatal(err)
	}
	for now, want := range map[time.Time]Reason{
		at: OK, at.Add(time.Hour - 1): OK, at.Add(time.Hour): Expired, at.Add(-1): Invalid,
	} {
		if got := New(secret, "joe", 0).Verify([]byte(token), now); got != want {
			t.Errorf("at %v: %v, want %v", now, got, want)
		}
		if got := slowVerify(secret, "joe", 0, token, now); got != want {
			t.Errorf("at %v, the slow way: %v, want %v", now, got, want)
		}
	}
	payload, _ := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
	var got map[string]any
	if err := json.Unmarshal(payload, &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"exp": 1554080400.0, "iat": 1554076800.0, "nbf": 1554076800.0, "iss": "joe", "sub": "7", "roles": []any{"a"}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("claims %v, want %v", got, want)
	}
}

func TestIssueWithoutIssuer(t *testing.T) {
	token, err := Issue(secret, "", -time.Second, at, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := New(secret, "", 0).Verify([]byte(token), at); got != Expired {
		t.Errorf("%v", got)
	}
	if strings.Contains(token, segment(`"iss"`)) {
		t.Error("has an issuer")
	}
}

func TestIssueRefuses(t *testing.T) {
	for _, c := range []struct {
		secret string
		extra  map[string]any
		want   string
	}{
		{"", nil, "the secret key is empty"},
		{secret, map[string]any{"exp": 1}, "the claim exp follows from ttl, now and issuer: leave it out"},
		{secret, map[string]any{"iat": 1}, "the claim iat follows from ttl, now and issuer: leave it out"},
		{secret, map[string]any{"iss": "eve"}, "the claim iss follows from ttl, now and issuer: leave it out"},
		{secret, map[string]any{"x": math.NaN()}, "sign the token: json: unsupported value: NaN"},
		{secret, map[string]any{"x": strings.Repeat("x", 8000)}, "the token has 10820 bytes, a gateway takes at most 8192: leave claims out"},
	} {
		token, err := Issue(c.secret, "joe", time.Hour, at, c.extra)
		if err == nil || err.Error() != c.want || token != "" {
			t.Errorf("%q %v, want %s", token, err, c.want)
		}
	}
}
