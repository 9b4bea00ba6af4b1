package jwtauth

import (
	"encoding/base64"
	"fmt"
	"testing"
)

// TestClaims: a claim is what the token says as text; what is no text, number or truth
// value is none.
func TestClaims(t *testing.T) {
	payload := base64.RawURLEncoding.EncodeToString([]byte(`{"sub":"k\u0069m","n":17,"big":12345678901234567890,"ok":true,"nil":null,"list":[1],"own":{"a":1},"empty":""}`))
	for _, scheme := range []string{"", "Bearer ", "bearer   "} {
		found := Claims([]byte(scheme+"e30."+payload+".sig"), []string{"sub", "n", "big", "ok", "nil", "list", "own", "empty", "none"})
		if got, want := fmt.Sprintf("%s", found), `map[big:12345678901234567890 empty: n:17 ok:true sub:kim]`; got != want {
			t.Errorf("%q: %s, want %s", scheme, got, want)
		}
	}
	for _, bad := range []string{"", "a.b.c", "a." + base64.RawURLEncoding.EncodeToString([]byte("[1]")) + ".c"} {
		if found := Claims([]byte(bad), []string{"sub"}); len(found) > 0 {
			t.Errorf("%q: %s", bad, found)
		}
	}
}
