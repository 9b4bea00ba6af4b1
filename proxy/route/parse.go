package route

import (
	"errors"
	"fmt"
	"strings"
)

type partKind uint8

const (
	partText     partKind = iota // the text itself
	partOne                      // ?
	partStar                     // *
	partVariable                 // {name}
	partRegex                    // {name:regex}
)

// part is one piece of a segment as it was written.
type part struct {
	kind partKind
	text string // the text, or the regex
	name string // of a variable
}

// parseSegment parses one token of a pattern; at is its place in the pattern.
func parseSegment(token string, at int) (segment, error) {
	if token == "**" {
		return segment{kind: kindRest}, nil
	}
	parts, err := splitParts(token, at)
	if err != nil {
		return segment{}, err
	}
	return newSegment(parts)
}

// splitParts takes a token apart. Anything that Spring would quietly read as
// text although it has braces is an error here.
func splitParts(token string, at int) ([]part, error) {
	var parts []part
	var ends []int
	text := 0
	flush := func(i int) {
		if text < i {
			parts = append(parts, part{kind: partText, text: token[text:i]})
		}
	}
	for i := 0; i < len(token); i++ {
		var next part
		end := i
		switch token[i] {
		default:
			continue
		case '?':
			next = part{kind: partOne}
		case '*':
			next = part{kind: partStar}
		case '}':
			return nil, fmt.Errorf(`"}" at byte %d closes nothing: variables are {name} or {name:regex}, and a brace inside a regex is \x7B or \x7D`, at+i)
		case '{':
			if ends == nil {
				ends = variableEnds(token)
			}
			if end = bodyEnd(token, i+1, ends); end < 0 {
				return nil, unclosed(token[i:], at+i)
			}
			v, err := parseVariable(token[i+1 : end])
			if err != nil {
				return nil, fmt.Errorf("at byte %d: %w", at+i, err)
			}
			next = v
		}
		flush(i)
		parts = append(parts, next)
		i, text = end, end+1
	}
	flush(len(token))
	return parts, nil
}

func unclosed(rest string, at int) error {
	if strings.HasPrefix(rest, "{}") {
		return fmt.Errorf("the variable at byte %d has no name: write {name}", at)
	}
	return fmt.Errorf(`"{" at byte %d is not closed in its own segment: write {name} or {name:regex}; no variable reaches past a "/", so that its regex needs none, not even as [^/]`, at)
}

// parseVariable reads what stands between the braces.
func parseVariable(body string) (part, error) {
	name, expr, hasRegex := strings.Cut(body, ":")
	switch {
	case name == "":
		return part{}, fmt.Errorf("the variable {%s} has no name: write {name} or {name:regex}", body)
	case strings.ContainsAny(name, `*?{}\`):
		// Spring takes any name. These are slips: {*name} is the syntax of
		// its newer PathPattern, which would cross segments.
		return part{}, fmt.Errorf(`the variable name %q has one of * ? { } \ in it: for any number of segments write "**", for a regex {name:regex}`, name)
	case !hasRegex, expr == ".*":
		return part{kind: partVariable, name: name}, nil
	}
	if err := checkRegex(expr); err != nil {
		return part{}, fmt.Errorf("the regex of {%s}: %w", name, err)
	}
	return part{kind: partRegex, text: expr, name: name}, nil
}

// Spring finds a variable with a backtracking regex whose body is a series of
// items, as few as possible: first choice a "{" with the shortest text to a
// "}" that works out, then any character but a brace, then a backslash with a
// brace. Whether a "}" inside a regex closes the variable depends on all that
// follows, so the choice is computed from the right: ends[p] is the place of
// the closing brace if the body goes on at p, or -1.
func variableEnds(token string) []int {
	ends := make([]int, len(token)+1)
	ends[len(token)] = -1
	for p := len(token) - 1; p >= 0; p-- {
		if token[p] == '}' {
			ends[p] = p
		} else {
			ends[p] = bodyEnd(token, p, ends)
		}
	}
	return ends
}

// bodyEnd is the place of the closing brace if an item of the body starts at p.
func bodyEnd(token string, p int, ends []int) int {
	switch {
	case p >= len(token) || token[p] == '}':
		return -1
	case token[p] == '{':
		for k := p + 2; k < len(token); k++ {
			if token[k] == '}' && ends[k+1] >= 0 {
				return ends[k+1]
			}
		}
		return -1
	case ends[p+1] >= 0:
		return ends[p+1]
	case token[p] == '\\' && p+1 < len(token) && (token[p+1] == '{' || token[p+1] == '}'):
		return ends[p+2]
	}
	return -1
}

var errNoRepeat = errors.New(`"{" is no repetition there: write x{2}, x{2,} or x{2,3}, or \x7B for the brace itself`)
