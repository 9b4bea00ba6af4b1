package route

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// slowMatch is Match written down as the rules say it, with a regular
// expression for each segment.
func slowMatch(pattern, path string) bool {
	if path == "" || path[0] != '/' {
		return false
	}
	words := func(s string) []string {
		return slices.DeleteFunc(strings.Split(s, "/"), func(w string) bool { return w == "" })
	}
	p, tokens := words(pattern), words(path)
	slash := strings.HasSuffix(path, "/")
	last := ""
	if len(p) > 0 {
		last = p[len(p)-1]
	}
	if last == "*" && !slices.Contains(p, "**") && slash && len(tokens) == len(p)-1 && slowWords(p[:len(p)-1], tokens) {
		return true // a lone * takes the nothing behind a slash
	}
	return slowWords(p, tokens) && (last == "**" || strings.HasSuffix(pattern, "/") == slash)
}

func slowWords(p, tokens []string) bool {
	switch {
	case len(p) == 0:
		return len(tokens) == 0
	case p[0] == "**":
		return slowWords(p[1:], tokens) || len(tokens) > 0 && slowWords(p, tokens[1:])
	case len(tokens) == 0 || !slowSegment(p[0]).MatchString(tokens[0]):
		return false
	}
	return slowWords(p[1:], tokens[1:])
}

var wildcards = regexp.MustCompile(`\?|\*|\{[^/{}]+\}`)

func slowSegment(segment string) *regexp.Regexp {
	expr, from := "", 0
	for _, at := range wildcards.FindAllStringIndex(segment, -1) {
		expr += regexp.QuoteMeta(segment[from:at[0]])
		w := segment[at[0]:at[1]]
		from = at[1]
		_, own, isRegex := strings.Cut(strings.TrimSuffix(w, "}"), ":")
		switch {
		case w == "?":
			expr += dot
		case isRegex && own != ".*":
			expr += "(?:" + own + ")"
		default:
			expr += dot + "*"
		}
	}
	return regexp.MustCompile(`\A` + expr + regexp.QuoteMeta(segment[from:]) + `\z`)
}

// TestAgainstSlowMatcher is the large table: patterns of few words against
// paths of few words, each matched and found both ways.
func TestAgainstSlowMatcher(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		for _, pattern := range rapid.SliceOfN(draw(patternSegments, 6), 20, 60).Draw(rt, "patterns") {
			p, err := Compile(pattern)
			if err != nil {
				continue
			}
			for _, path := range rapid.SliceOfN(draw(pathSegments, 6), 10, 20).Draw(rt, "paths") {
				if got, want := p.Match(path), slowMatch(pattern, path); got != want {
					rt.Errorf("%s matches %q: %t, want %t", pattern, path, got, want)
				}
			}
		}
	})
}
