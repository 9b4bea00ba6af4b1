package route

import (
	"cmp"
	"strings"
	"unicode/utf16"
)

// weight is what Spring counts in a pattern's text to rank it. It counts
// blindly: braces and stars inside a regex are counted like any others, so
// that {year:\d{4}} weighs as two variables.
type weight struct {
	variables, singles, doubles int
	// length in UTF-16 units, each variable one long.
	length int
	// catchAll is the pattern /** itself.
	catchAll bool
	// prefix: the text ends in /** but is more than that.
	prefix bool
}

func weigh(pattern string) weight {
	w := weight{catchAll: pattern == "/**"}
	w.prefix = !w.catchAll && strings.HasSuffix(pattern, "/**")
	for i := 0; i < len(pattern); i++ {
		switch pattern[i] {
		case '{':
			w.variables++
		case '*':
			switch {
			case strings.HasPrefix(pattern[i:], "**"):
				w.doubles++
				i++
			case i > 0 && pattern[i-1:] == ".*":
				// A ".*" that ends the pattern costs nothing.
			default:
				w.singles++
			}
		}
	}
	w.length = spelledLength(pattern)
	return w
}

// spelledLength counts a variable as one, up to its first closing brace:
// {year:\d{4}} counts as two, since a brace stays over.
func spelledLength(pattern string) int {
	n := 0
	for i := 0; i < len(pattern); i++ {
		if pattern[i] == '{' && i+2 < len(pattern) {
			if end := strings.IndexAny(pattern[i+2:], "/}"); end >= 0 && pattern[i+2+end] == '}' && pattern[i+1] != '/' {
				i += 2 + end
			}
		}
		n += unitsAt(pattern, i)
	}
	return n
}

// unitsAt is the number of UTF-16 units of the character that starts at byte i,
// 0 inside a character.
func unitsAt(s string, i int) int {
	if s[i] < 0x80 {
		return 1
	}
	if s[i]&0xc0 == 0x80 {
		return 0
	}
	for _, r := range s[i:] {
		return utf16.RuneLen(r)
	}
	return 0
}

func (w weight) total() int { return w.variables + w.singles + 2*w.doubles }

// rank puts false before true.
func rank(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}

// compareWeight is the part of Spring's AntPatternComparator that is the same for every
// path, and transitive. Patterns which Spring holds equal are ordered by their text, so
// that 0 means the same pattern.
//
// Spring's whole order is not transitive. A pattern without "**" always beats one
// that ends in "/**", of two that end so the longer wins, while a pattern with "**"
// elsewhere is ranked against all by its weight: for /x/b/c/d, /**/{d} beats
// /{a}/{b}/{c}/{d}, which beats /x/**, which beats /**/{d}. So the best of many is not
// found by sorting; an index tells the three kinds apart.
func compareWeight(a, b *Pattern) int {
	return cmp.Or(
		rank(a.weight.catchAll, b.weight.catchAll),
		cmp.Compare(a.weight.total(), b.weight.total()),
		cmp.Compare(b.weight.length, a.weight.length),
		cmp.Compare(a.weight.singles, b.weight.singles),
		cmp.Compare(a.weight.variables, b.weight.variables),
		strings.Compare(a.text, b.text),
	)
}

// comparePrefix ranks two patterns that end in "/**": the longer wins whatever it weighs,
// so that /v1/{tenant}/admin/** is reached beside /v1/** (Spring since 5.2).
func comparePrefix(a, b *Pattern) int {
	return cmp.Or(cmp.Compare(b.weight.length, a.weight.length), compareWeight(a, b))
}
