package rewrite

import (
	"errors"
	"fmt"
	"unicode/utf8"
)

// checkDecoded refuses percent-encoded text that the gate would not let in.
func checkDecoded(text string) error {
	var decoded []byte
	for i := 0; i < len(text); i++ {
		c := text[i]
		if b, ok := unhex(text[i:]); ok {
			c = b
			i += 2
		}
		decoded = append(decoded, c)
	}
	if !utf8.Valid(decoded) {
		return errors.New("percent-encoded bytes are not UTF-8")
	}
	for _, r := range string(decoded) {
		if isControl(r) {
			return errors.New("has an encoded control character")
		}
	}
	return nil
}

// checkText is what uriPattern and rewriteUri have in common.
func checkText(s string) error {
	switch {
	case s == "":
		return errors.New("is empty")
	case len(s) > MaxBytes:
		return fmt.Errorf("is %d bytes long, at most %d are allowed", len(s), MaxBytes)
	case !utf8.ValidString(s):
		return errors.New("is not UTF-8")
	}
	for i, r := range s {
		if isControl(r) {
			return fmt.Errorf("has the control character %U at byte %d: a request path never has one", r, i)
		}
	}
	return nil
}

// isControl counts the line and paragraph separators too, as the gate does.
func isControl(r rune) bool {
	return r < 0x20 || r >= 0x7f && r < 0xa0 || r == 0x2028 || r == 0x2029
}
