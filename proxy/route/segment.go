package route

import (
	"regexp"
	"strings"
	"unicode/utf8"
)

type segmentKind uint8

const (
	kindLiteral segmentKind = iota // equal to the text
	kindAny                        // * or {name}: any token
	kindGlob                       // text with * and ?
	kindRegex                      // a variable with a regex is in it
	kindRest                       // **: any number of tokens
)

// segment matches one token of a path, kindRest apart.
type segment struct {
	kind segmentKind
	// text is the literal; for kindGlob the pattern with every variable turned
	// into a "*" and neighbouring stars into one, which is unambiguous because
	// neither "*" nor "?" can be escaped; for kindRegex the expression. Two
	// segments with equal kind and text match the same tokens.
	text string
	// prefix and suffix are the literal ends of a glob, for a quick no.
	prefix, suffix string
	// re matches a kindRegex; else it only tells the variables apart in a
	// segment such as {name}.{extension}.
	re        *regexp.Regexp
	variables []variable
}

// variable is a template variable and its group in the segment's regex. Group
// 0, the whole token, is a variable that fills its segment.
type variable struct {
	name  string
	group int
}

func newSegment(parts []part) (segment, error) {
	var s segment
	var b strings.Builder
	for _, p := range parts {
		switch p.kind {
		case partText:
			b.WriteString(p.text)
			continue
		case partOne:
			b.WriteByte('?')
		case partRegex:
			s.kind = kindRegex
		case partStar, partVariable:
			if !strings.HasSuffix(b.String(), "*") {
				b.WriteByte('*')
			}
		}
		s.kind = max(s.kind, kindGlob)
	}
	s.text = b.String()
	if s.text == "*" && s.kind == kindGlob {
		s.kind = kindAny
	}
	if s.kind == kindGlob {
		s.prefix = s.text[:strings.IndexAny(s.text, "*?")]
		s.suffix = s.text[strings.LastIndexAny(s.text, "*?")+1:]
	}
	return s, s.bindVariables(parts)
}

func (s *segment) bindVariables(parts []part) error {
	if len(parts) == 1 && parts[0].kind == partVariable {
		s.variables = []variable{{name: parts[0].name}}
		return nil
	}
	named := false
	for _, p := range parts {
		named = named || p.name != ""
	}
	if !named {
		return nil
	}
	var err error
	s.re, s.variables, err = joinRegex(parts)
	if s.kind == kindRegex && err == nil {
		s.text = s.re.String()
	}
	return err
}

// match reports whether the segment matches a token. plain promises that the
// token has none of the characters at which Java ends a line, which no
// wildcard matches.
func (s *segment) match(token string, plain bool) bool {
	switch s.kind {
	case kindLiteral:
		return token == s.text
	case kindAny:
		return plain || !hasLineEnd(token)
	case kindGlob:
		return matchGlob(s, token)
	case kindRegex:
		return s.re.MatchString(token)
	}
	return true
}

func (s *segment) bind(token string, into map[string]string) {
	if len(s.variables) == 0 {
		return
	}
	groups := []string{token}
	if s.re != nil {
		groups = s.re.FindStringSubmatch(token)
	}
	for _, v := range s.variables {
		into[v.name] = groups[v.group]
	}
}

func matchGlob(s *segment, token string) bool {
	if !strings.HasPrefix(token, s.prefix) || !strings.HasSuffix(token, s.suffix) {
		return false
	}
	glob := s.text
	g, t := len(s.prefix), len(s.prefix)
	star, held := -1, 0 // behind the last star, and the end of what it holds
	for t < len(token) {
		if g < len(glob) {
			switch c := glob[g]; c {
			case '*':
				g++
				star, held = g, t
				continue
			case '?':
				if n := charLen(token[t:]); n > 0 {
					g, t = g+1, t+n
					continue
				}
			default:
				if token[t] == c {
					g, t = g+1, t+1
					continue
				}
			}
		}
		if star < 0 {
			return false
		}
		// Only the last star ever has to take more: an earlier one could but
		// repeat what this one tries.
		n := charLen(token[held:])
		if n == 0 {
			return false
		}
		held += n
		g, t = star, held
	}
	for g < len(glob) && glob[g] == '*' {
		g++
	}
	return g == len(glob)
}

// charLen is the length of the character at the start of s, as Java's "."
// sees it: 0 for a line end, and a stray byte counts as a character.
func charLen(s string) int {
	if s[0] < utf8.RuneSelf {
		if s[0] == '\n' || s[0] == '\r' {
			return 0
		}
		return 1
	}
	r, n := utf8.DecodeRuneInString(s)
	if r == 0x85 || r == 0x2028 || r == 0x2029 {
		return 0
	}
	return n
}

func hasLineEnd(s string) bool {
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\n' || c == '\r':
			return true
		case (c == 0xc2 || c == 0xe2) && charLen(s[i:]) == 0:
			return true
		}
	}
	return false
}
