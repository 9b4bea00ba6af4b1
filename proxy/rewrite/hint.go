package rewrite

import (
	"fmt"
	"regexp"
	"strings"
)

// antSegment is a segment that means something to an Ant pattern and something
// else, or nothing, to a regular expression.
var antSegment = regexp.MustCompile(`/\*{1,2}(/|$)`)

// Hint says what a rewrite does otherwise than people expect, and what to do; ""
// for nothing. wide tells that more than one path comes to it.
func Hint(uriPattern, rewriteURI string, wide bool) string {
	if antSegment.MatchString(uriPattern) {
		return "uriPattern looks like an Ant pattern and is a regular expression, in which * repeats what stands before it: write (.*) for **, {name} for one segment"
	}
	expr, _, err := translate(uriPattern)
	if err != nil {
		if strings.Contains(uriPattern, "(?=") || strings.Contains(uriPattern, "(?!") || strings.Contains(uriPattern, "(?<=") || strings.Contains(uriPattern, "(?<!") {
			return "uriPattern has a look-ahead or look-behind, which regular expressions have not here: give the paths that are meant endpoints of their own, each with its rewrite"
		}
		return ""
	}
	re, err := regexp.Compile(expr)
	if err != nil {
		return ""
	}
	anchored := strings.TrimSuffix(strings.TrimPrefix(expr, "^"), "$")
	if bare, err := regexp.Compile(anchored); err == nil {
		re = bare
	}
	prefix, whole := re.LiteralPrefix()
	switch {
	case prefix != "" && prefix[0] != '/':
		return fmt.Sprintf("uriPattern must match the whole path, which begins with a slash, and this one begins with %.40q: it matches no path; write /%.40s, or .* before it", prefix, prefix)
	case whole && wide && prefix != "":
		return fmt.Sprintf("uriPattern must match the whole path: it matches %.80s alone and nothing below it; write %.80s(.*) and %%1 in rewriteUri for all that begins so", prefix, prefix)
	}
	return ""
}
