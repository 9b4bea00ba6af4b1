package main

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/tollgate/tollgate/cmd/internal/cli"
	"github.com/tollgate/tollgate/proxy/jwtauth"
)

func TestToken(t *testing.T) {
	now := time.Now()
	for _, c := range []struct {
		args   string
		claims string // but for exp and iat
		late   time.Duration
		want   jwtauth.Reason
	}{
		{"token --issuer me", `{"iss":"me"}`, 0, jwtauth.OK},
		{"token --issuer me", `{"iss":"me"}`, time.Hour - time.Minute, jwtauth.OK},
		{"token --issuer me", `{"iss":"me"}`, time.Hour + time.Minute, jwtauth.Expired},
		{"token --issuer me --ttl 10m", `{"iss":"me"}`, 11 * time.Minute, jwtauth.Expired},
		{"token --issuer me --ttl -1s", `{"iss":"me"}`, 0, jwtauth.Expired},
		{"token", `{}`, 0, jwtauth.Invalid}, // me is wanted
		{"token --issuer me --claim sub=7 --claim a=b=c,d --claim empty= --claim n:=12345678901234567890 --claim roles:=[\"x\",{}] --claim t:=true",
			`{"iss":"me","sub":"7","a":"b=c,d","empty":"","n":12345678901234567890,"roles":["x",{}],"t":true}`, 0, jwtauth.OK},
		{"token --issuer me --claim nbf:=9e9", `{"iss":"me","nbf":9e9}`, 0, jwtauth.Invalid},
	} {
		got := command{args: words(c.args), env: []string{"TOLLGATE_SECRET_KEY=k"}}.run(t.Context())
		token := strings.TrimSuffix(got.out, "\n")
		if reason := jwtauth.New("k", "me", 0).Verify([]byte(token), now.Add(c.late)); got.status != cli.Done || got.err != "" || reason != c.want {
			t.Errorf("tollgate %s: %+v, %v late: %v, want %v", c.args, got, c.late, reason, c.want)
		}
		if claims := claimsOf(t, token); claims != canonical(t, c.claims) {
			t.Errorf("tollgate %s: claims %s, want %s", c.args, claims, c.claims)
		}
	}
}

// claimsOf is a token's payload without exp and iat.
func claimsOf(t *testing.T, token string) string {
	t.Helper()
	parts := strings.Split(token, ".")
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	var claims map[string]json.RawMessage
	if err := json.Unmarshal(payload, &claims); err != nil {
		t.Fatal(err)
	}
	if claims["exp"] == nil || claims["iat"] == nil {
		t.Errorf("no exp or iat: %s", payload)
	}
	delete(claims, "exp")
	delete(claims, "iat")
	return canonical(t, claims)
}

// canonical is JSON with the members of objects in order.
func canonical(t *testing.T, v any) string {
	t.Helper()
	if text, ok := v.(string); ok {
		var members map[string]json.RawMessage
		if err := json.Unmarshal([]byte(text), &members); err != nil {
			t.Fatal(err)
		}
		v = members
	}
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestTokenJSON(t *testing.T) {
	got := command{args: words("token --secret-key k --ttl 24h --json")}.run(t.Context())
	var issued issuedToken
	if err := json.Unmarshal([]byte(got.out), &issued); err != nil || got.status != cli.Done || got.err != "" {
		t.Fatalf("%+v: %v", got, err)
	}
	at, err := time.Parse(time.RFC3339, issued.ExpiresAt)
	if err != nil {
		t.Fatal(err)
	}
	v := jwtauth.New("k", "", 0)
	if early, late := v.Verify([]byte(issued.Token), at.Add(-1)), v.Verify([]byte(issued.Token), at); early != jwtauth.OK || late != jwtauth.Expired {
		t.Errorf("%s: before %v, then %v", issued.ExpiresAt, early, late)
	}
}

func TestTokenRefuses(t *testing.T) {
	for _, c := range []struct {
		args   string
		status int
		want   string // of the first line of stderr
	}{
		{"token x --secret-key k", cli.Usage, `unexpected argument "x"; it takes no arguments`},
		{"token", cli.Usage, "the domain's secret key is missing: --secret-key-file or TOLLGATE_SECRET_KEY gives it"},
		{"token --secret-key k --ttl 0s", cli.Usage, "--ttl 0s: must be at least 1s, or at most -1s for a token that has expired"},
		{"token --secret-key k --ttl 999ms", cli.Usage, "--ttl 999ms: must be at least 1s, or at most -1s for a token that has expired"},
		{"token --secret-key k --ttl -999ms", cli.Usage, "--ttl -999ms: must be at least 1s, or at most -1s for a token that has expired"},
		{"token --secret-key k --claim sub", cli.Usage, `--claim "sub": must be NAME=TEXT or NAME:=JSON`},
		{"token --secret-key k --claim =x", cli.Usage, `--claim "=x": must be NAME=TEXT or NAME:=JSON`},
		{"token --secret-key k --claim :=1", cli.Usage, `--claim ":=1": must be NAME=TEXT or NAME:=JSON`},
		{"token --secret-key k --claim a=1 --claim a:=1", cli.Usage, "--claim a is given twice"},
		{"token --secret-key k --claim a:=x", cli.Usage, "--claim a: x is not JSON; a=x would be text"},
		{"token --secret-key k --claim exp:=1", cli.Usage, "--claim exp: --ttl sets it"},
		{"token --secret-key k --claim iss=me", cli.Usage, "--claim iss: --issuer sets it"},
		{"token --secret-key k --claim iat:=1", cli.Usage, "--claim iat: it is the present"},
	} {
		got := command{args: words(c.args)}.run(t.Context())
		if want := (outcome{c.status, "", "tollgate token: " + c.want + "\nSee: tollgate token --help\n"}); got != want {
			t.Errorf("tollgate %s\n got %+v\nwant %+v", c.args, got, want)
		}
	}
	got := command{args: words("token --secret-key k --claim x=" + strings.Repeat("x", 8192))}.run(t.Context())
	if got.status != cli.Failed || !strings.HasPrefix(got.err, "tollgate token: the token has 1") {
		t.Errorf("too long: %+v", got)
	}
}

func TestHelpOfSigning(t *testing.T) {
	got := command{args: words("--help")}.run(t.Context())
	for _, name := range []string{"sign", "token"} {
		if !strings.Contains(got.out, "\n  "+name+" ") {
			t.Errorf("help does not list %s:\n%s", name, got.out)
		}
		help := command{args: []string{name, "--help"}}.run(t.Context())
		if !strings.Contains(help.out, "--secret-key-file is safer (env TOLLGATE_SECRET_KEY)") {
			t.Errorf("help of %s says nothing of safer ways:\n%s", name, help.out)
		}
	}
}
