package envelope

import (
	"fmt"
	"slices"
	"testing"
)

// TestSealed: the bytes of every refusal, and that Codes knows it. The rows of
// spec section 2 are compared to the byte where they are provoked, in the
// package above.
func TestSealed(t *testing.T) {
	all := []*Sealed{
		QuotaExceeded,
		HMACTimestampEmpty, HMACTimestampFormat, HMACExpired, HMACAuthorizationEmpty, HMACInvalid,
		JWTAuthorizationEmpty, JWTExpired, JWTInvalid,
		PreAPIFailed, RewritePattern, RewriteForm,
		AddressNotAllowed, HTTPSRequired, PreflightOrigin, PreflightMethod, PreflightHeaders,
		KeyUnknown, UnknownDomain, NoEndpoint, BodyLate, BodyTooLarge, UnknownExpectation, TooManyConns, TooManyCalls,
		HeaderTooLarge, Internal, UnknownMethod, NoMemory,
		Unreachable, NoTarget, QuotaUndecided, NotReady, Full, AnswersFull, Loop, TimedOut, Malformed("a <b> & \"c\""),
	}
	seen := map[int]bool{}
	for _, e := range all {
		seen[e.Code] = true
		want := fmt.Sprintf(`{"header":{"resultCode":%d,"resultMessage":%q,"isSuccessful":false}}`, e.Code, e.Error())
		if e.Code != 40000 && string(e.Body) != want {
			t.Errorf("%s, want %s", e.Body, want)
		}
		if !slices.Contains(Codes, e.Code) {
			t.Errorf("Codes lacks %d", e.Code)
		}
		if ours := e.Code >= 40000; ours && e.Code/100 != e.Status {
			t.Errorf("code %d with status %d", e.Code, e.Status)
		}
	}
	for _, code := range Codes {
		if !seen[code] {
			t.Errorf("%d is in Codes and nowhere else", code)
		}
	}
}
