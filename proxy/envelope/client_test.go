package envelope

import (
	"fmt"
	"slices"
	"testing"
)

// TestSealed: the bytes of every refusal, and that Codes knows it.
func TestSealed(t *testing.T) {
	all := []*Sealed{
		QuotaExceeded, UnknownDomain, NoEndpoint, BodyTooLarge, HeaderTooLarge, Internal,
		Unreachable, QuotaUndecided, NotReady, Full, TimedOut, Malformed("a <b> & \"c\""),
	}
	for _, e := range all {
		want := fmt.Sprintf(`{"header":{"resultCode":%d,"resultMessage":%q,"isSuccessful":false}}`, e.Code, e.Error())
		if e.Code != 40000 && string(e.Body) != want {
			t.Errorf("%s, want %s", e.Body, want)
		}
		if !slices.Contains(Codes, e.Code) {
			t.Errorf("Codes lacks %d", e.Code)
		}
		if e.Code != 20004 && e.Code/100 != e.Status {
			t.Errorf("code %d with status %d", e.Code, e.Status)
		}
	}
	if got, want := string(QuotaExceeded.Body), `{"header":{"resultCode":20004,"resultMessage":"20004 Usage quota exceeded","isSuccessful":false}}`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if QuotaExceeded.Status != 403 || QuotaExceeded.Closes {
		t.Errorf("20004: status %d, closes %v", QuotaExceeded.Status, QuotaExceeded.Closes)
	}
}
