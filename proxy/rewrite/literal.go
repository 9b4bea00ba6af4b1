package rewrite

import (
	"errors"
	"regexp"
	"strings"
	"unicode/utf8"
)

// escape takes an escape over, but not \12: to Java the second group, to RE2 a
// line end.
func (t *translator) escape(rest string) error {
	switch {
	case len(rest) < 2:
		return t.here(`a backslash ends the pattern`)
	case rest[1] >= '1' && rest[1] <= '9':
		return t.here(`the back-reference \%c: RE2 has none`, rest[1])
	case rest[1] == 'Q':
		// Text that is one piece to RE2 would hide its percent signs.
		quoted, _, _ := strings.Cut(rest[2:], `\E`)
		end := min(2+len(quoted)+2, len(rest))
		decoded, err := decodeText(quoted)
		if err != nil {
			return t.here("%w", err)
		}
		t.out.WriteString(regexp.QuoteMeta(decoded))
		t.at += end
		return nil
	case len(rest) > 2 && rest[2] == '{' && strings.IndexByte("pPx", rest[1]) >= 0:
		if end := strings.IndexByte(rest, '}'); end > 0 {
			t.copy(end + 1)
			return nil
		}
	}
	_, n := utf8.DecodeRuneInString(rest[1:])
	t.copy(1 + n)
	return nil
}

// class takes a character class over. Java joins and intersects classes within
// classes where RE2 sees plain characters.
func (t *translator) class(rest string) error {
	first := 1 // where a "]" would be an ordinary character of the class
	if strings.HasPrefix(rest, "[^") {
		first = 2
	}
	for i := first; i < len(rest); i++ {
		switch {
		case rest[i] == ']' && i > first:
			t.copy(i + 1)
			return nil
		case rest[i] == '[':
			return t.here(`"[" inside a character class: Java joins the two classes, RE2 does not; write \[ for the character, or one class`)
		case strings.HasPrefix(rest[i:], "&&"):
			return t.here(`"&&" inside a character class: Java intersects there, RE2 does not; spell the class out`)
		case rest[i] == '\\':
			if i++; i < len(rest) && rest[i] >= '1' && rest[i] <= '9' {
				return t.here(`\%c inside a character class means nothing to Java`, rest[i])
			}
		}
	}
	return t.here(`"[" is not closed`)
}

// percent translates a run of percent-encoded bytes into the characters they
// stand for, since a path is matched decoded.
func (t *translator) percent(rest string) error {
	n := 0
	for {
		if _, ok := unhex(rest[n:]); !ok {
			break
		}
		n += len("%XX")
	}
	if n == 0 {
		t.copy(1)
		return nil
	}
	decoded, err := decodeText(rest[:n])
	if err != nil {
		return t.here("%w", err)
	}
	t.out.WriteString(regexp.QuoteMeta(decoded))
	t.at += n
	return nil
}

// decodeText decodes percent-encoding in literal text of a pattern.
func decodeText(s string) (string, error) {
	if err := checkDecoded(s); err != nil {
		return "", err
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		c, ok := unhex(s[i:])
		switch {
		case !ok:
			c = s[i]
		case c == '/' || c == '\\':
			return "", errors.New("an encoded slash or backslash matches nothing: the gateway refuses such paths")
		default:
			i += 2
		}
		b.WriteByte(c)
	}
	return b.String(), nil
}

// repeatLen is the length of the {n}, {n,} or {n,m} at the start of s, or 0.
func repeatLen(s string) int {
	digits := func(i int) int {
		for i < len(s) && s[i] >= '0' && s[i] <= '9' {
			i++
		}
		return i
	}
	i := digits(1)
	if i == 1 {
		return 0
	}
	if i < len(s) && s[i] == ',' {
		i = digits(i + 1)
	}
	if i < len(s) && s[i] == '}' {
		return i + 1
	}
	return 0
}

func flagsLen(s string) int {
	i := 0
	for i < len(s) && (s[i] >= 'a' && s[i] <= 'z' || s[i] >= 'A' && s[i] <= 'Z') {
		i++
	}
	return i
}
