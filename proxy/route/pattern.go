// Package route decides which endpoint of a domain a request belongs to: Ant
// path patterns with the meaning that Spring 5.3's AntPathMatcher gives them
// (separator "/", case-sensitive, tokens not trimmed), and a table that finds
// the best match without trying every pattern.
//
// A path is matched as it is spelled; nothing is decoded here. Where Spring's
// behaviour surprises, this package keeps it and a comment says so.
package route

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// MaxPatternBytes is the longest pattern that Compile accepts.
const MaxPatternBytes = 2048

// Pattern is a compiled Ant path pattern. It is immutable and safe for
// concurrent use.
type Pattern struct {
	text     string
	segments []segment
	weight   weight
	// literal: no wildcard anywhere.
	literal bool
	// rest: at least one whole segment is "**"; restLast: the last one is.
	rest, restLast bool
	// lastStar: the last segment is "*" to the letter, which Spring lets stand
	// for the nothing behind a trailing slash. A variable does not do that.
	lastStar bool
}

// Compile parses a pattern. Its errors say where the pattern is wrong and what
// would be right.
func Compile(pattern string) (*Pattern, error) {
	if len(pattern) > MaxPatternBytes {
		return nil, fmt.Errorf("pattern %.40q…: %d bytes long, at most %d are allowed", pattern, len(pattern), MaxPatternBytes)
	}
	p, err := compile(pattern)
	if err != nil {
		return nil, fmt.Errorf("pattern %q: %w", pattern, err)
	}
	return p, nil
}

func compile(pattern string) (*Pattern, error) {
	if err := checkText(pattern); err != nil {
		return nil, err
	}
	p := &Pattern{text: pattern, weight: weigh(pattern), literal: true}
	names := make(map[string]bool)
	for start, end := nextToken(pattern, 0); start < end; start, end = nextToken(pattern, end) {
		s, err := parseSegment(pattern[start:end], start)
		if err != nil {
			return nil, err
		}
		for _, v := range s.variables {
			if names[v.name] {
				return nil, fmt.Errorf("the variable {%s} stands twice: give each variable its own name", v.name)
			}
			names[v.name] = true
		}
		p.literal = p.literal && s.kind == kindLiteral
		p.restLast = s.kind == kindRest
		p.rest = p.rest || p.restLast
		p.lastStar = pattern[start:end] == "*"
		p.segments = append(p.segments, s)
	}
	return p, nil
}

func checkText(pattern string) error {
	if pattern == "" {
		return errors.New(`empty: a pattern starts with "/", and "/**" matches every path`)
	}
	if pattern[0] != '/' {
		return fmt.Errorf(`does not start with "/": write %q`, "/"+pattern)
	}
	for i, r := range pattern {
		if r == utf8.RuneError {
			if _, width := utf8.DecodeRuneInString(pattern[i:]); width == 1 {
				return fmt.Errorf("byte %d is not UTF-8: write the character as the client spells it, such as %%%02X", i, pattern[i])
			}
		}
		if isControl(r) {
			return fmt.Errorf("control character %U at byte %d: a request path never has one, leave it out", r, i)
		}
	}
	return nil
}

// isControl counts the Unicode line and paragraph separators too: Java ends a
// line at them, so that they would mean something else to a wildcard than to
// the text beside it.
func isControl(r rune) bool {
	return r < 0x20 || r >= 0x7f && r < 0xa0 || r == 0x2028 || r == 0x2029
}

// String is the pattern as it was written.
func (p *Pattern) String() string { return p.text }

// nextToken finds the next token of s at or behind from. Empty tokens do not
// count, in patterns as in paths; start equals end where there is none left.
func nextToken(s string, from int) (start, end int) {
	for from < len(s) && s[from] == '/' {
		from++
	}
	if i := strings.IndexByte(s[from:], '/'); i >= 0 {
		return from, from + i
	}
	return from, len(s)
}

func endsWithSlash(s string) bool { return s != "" && s[len(s)-1] == '/' }
