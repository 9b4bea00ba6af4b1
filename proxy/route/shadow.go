package route

import (
	"regexp/syntax"
	"slices"
	"strings"
)

// Shadowed finds the routes that no path reaches, since another one of their
// method matches all the same paths and wins each time. It returns the Index of
// each and that of its winner. It tells no untruth, but not every truth: a
// route that several others together leave nothing to is not found. A path that
// spells out a pattern's own wildcards does not count; nobody sends it.
// Routes that are wrong are left out.
func Shadowed(routes []Route) map[int]int {
	methods := map[string][]entry{}
	for _, r := range routes {
		if p, err := Compile(r.Pattern); err == nil {
			methods[r.Method] = append(methods[r.Method], entry{p, r.Index})
		}
	}
	shadowed := map[int]int{}
	for _, list := range methods {
		slices.SortStableFunc(list, func(a, b entry) int { return compareWeight(a.pattern, b.pattern) })
		list = slices.CompactFunc(list, func(a, b entry) bool { return a.pattern.text == b.pattern.text })
		r := newRivals(newIndex(list))
		for place, e := range list {
			at := r.find(e.pattern.sample())
			if at == none || int(at) == place {
				continue
			}
			if winner := list[at]; winner.pattern.covers(e.pattern) && r.alwaysBeats(at, int32(place)) {
				shadowed[e.index] = winner.index
			}
		}
	}
	return shadowed
}

// rivals is an index with what is needed to tell whether one pattern always beats
// another. Patterns are named by their places, which are in the order of weight.
type rivals struct {
	*index
	lastPlain int32 // the heaviest without "**", -1 for none
	// heaviest is, for each pattern that ends in "/**", the heaviest of those that
	// are longer, -1 for none.
	heaviest map[int32]int32
}

func newRivals(ix *index) *rivals {
	r := &rivals{index: ix, lastPlain: -1, heaviest: map[int32]int32{}}
	for place, e := range ix.entries {
		if e.pattern.weight.doubles == 0 {
			r.lastPlain = int32(place)
		}
	}
	heaviest := int32(-1)
	for _, place := range ix.prefixes {
		r.heaviest[place] = heaviest
		heaviest = max(heaviest, place)
	}
	return r
}

// alwaysBeats reports whether p never wins where q matches too, whichever
// others match beside them.
func (r *rivals) alwaysBeats(q, p int32) bool {
	a, b := r.entries[q].pattern, r.entries[p].pattern
	switch {
	case a.weight.catchAll || b.weight.catchAll:
		return b.weight.catchAll && !a.weight.catchAll
	case a.weight.prefix && b.weight.prefix:
		return comparePrefix(a, b) < 0
	case a.weight.prefix && b.weight.doubles == 0:
		return false
	case b.weight.prefix && a.weight.doubles == 0:
		return true
	case q > p:
		return false
	case !a.weight.prefix:
		return true
	}
	// Whatever puts q out of the running may itself lose to p.
	return r.lastPlain < p && r.heaviest[q] < p
}

// covers reports whether every path that p matches is one that q matches. It
// says no where that is not plain to see.
func (q *Pattern) covers(p *Pattern) bool {
	switch {
	case q.restLast:
	case p.restLast || endsWithSlash(q.text) != endsWithSlash(p.text):
		return false
	}
	if p.lastStar && !p.rest { // the nothing behind a trailing slash
		last := len(p.segments) - 1
		switch {
		case q.restLast && coversAll(q.segments, p.segments[:last]):
		case q.lastStar && !q.rest:
		default:
			return false
		}
	}
	return coversAll(q.segments, p.segments)
}

// coversAll does so for segments. In a pattern of a hundred segments with a
// "**" at each second one this takes some thousand steps.
func coversAll(q, p []segment) bool {
	// row[j] says whether q[i:] covers p[j:].
	row := make([]bool, len(p)+1)
	row[len(p)] = true
	for i := len(q) - 1; i >= 0; i-- {
		next := make([]bool, len(p)+1)
		rest := q[i].kind == kindRest
		next[len(p)] = rest && row[len(p)]
		for j := len(p) - 1; j >= 0; j-- {
			if rest {
				next[j] = row[j] || next[j+1]
			} else {
				next[j] = p[j].kind != kindRest && row[j+1] && q[i].covers(&p[j])
			}
		}
		row = next
	}
	return row[0]
}

func (s *segment) covers(p *segment) bool {
	switch {
	case s.kind == kindAny:
		return true
	case p.kind == kindLiteral:
		return s.match(p.text, false)
	}
	return s.kind == p.kind && s.text == p.text
}

// sample is a path that the pattern matches, of words that no other pattern is
// likely to name.
func (p *Pattern) sample() string {
	const word = "q7f3"
	var b strings.Builder
	for i := range p.segments {
		b.WriteByte('/')
		switch s := &p.segments[i]; s.kind {
		case kindLiteral:
			b.WriteString(s.text)
		case kindRegex:
			if tree, err := syntax.Parse(s.text, syntax.Perl); err == nil {
				sampleRegex(&b, tree)
			}
		case kindRest:
			b.WriteString(word + "/" + word)
		default:
			b.WriteString(strings.NewReplacer("*", word, "?", "q").Replace(s.text))
		}
	}
	if len(p.segments) == 0 || endsWithSlash(p.text) {
		b.WriteByte('/')
	}
	return b.String()
}

// sampleRegex writes a text that the expression matches, if it is a plain one.
func sampleRegex(b *strings.Builder, re *syntax.Regexp) {
	switch re.Op {
	case syntax.OpLiteral:
		b.WriteString(string(re.Rune))
	case syntax.OpCharClass:
		if len(re.Rune) > 0 {
			b.WriteRune(max(re.Rune[0], min(re.Rune[len(re.Rune)-1], 'q')))
		}
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		b.WriteByte('q')
	case syntax.OpAlternate:
		sampleRegex(b, re.Sub[0])
	case syntax.OpRepeat:
		for range max(re.Min, 1) {
			sampleRegex(b, re.Sub[0])
		}
	default:
		for _, sub := range re.Sub {
			sampleRegex(b, sub)
		}
	}
}
