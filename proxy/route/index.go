package route

import (
	"math"
	"slices"
)

// none is no entry: worse than any.
const none int32 = math.MaxInt32

// unbounded is a number of tokens that no path reaches.
const unbounded int32 = math.MaxInt32 / 2

// entry is a pattern and the Index of its route.
type entry struct {
	pattern *Pattern
	index   int
}

// index holds the patterns of one method as a trie over their segments. Two
// segments that match the same tokens are one edge: /a/{id}/b and /a/*/c share
// their first two.
type index struct {
	entries  []entry          // by weight, so that of two the smaller place is better
	byText   map[string]int32 // places in entries
	catchAll int32            // the entry of /**, or none
	prefixes []int32          // places of those that end in "/**", the longest first
	nodes    []node           // nodes[0] is the root
}

// node is what the segments from the root to it have matched. Node numbers of
// 0 mean "no node", for nothing leads back to the root.
type node struct {
	literals map[string]int32
	any      int32
	globs    []edge // tried one after the other
	rest     int32  // behind a "**"
	// accept is what matches when the path ends here: [1] if it does so with a
	// slash, [0] if not. A rest node has the same in both.
	accept [2]found
	// With fewer than min or more than max tokens to go nothing below can
	// match. kidMin and kidMax are the same for the nodes one token on.
	min, max, kidMin, kidMax int32
}

type edge struct {
	segment *segment
	to      int32
}

// found is the best entry of each of the three kinds of pattern that have
// to be told apart.
type found struct {
	plain  int32 // the place of one without "**" in the text
	prefix int32 // of one that ends in "/**", as an index into prefixes
	other  int32 // the place of any other
}

var foundNothing = found{none, none, none}

// add takes in the entry at a place; rank is its index in prefixes, if it has one.
func (f *found) add(at, rank int32, p *Pattern) {
	switch {
	case p.weight.doubles == 0:
		f.plain = min(f.plain, at)
	case p.weight.prefix:
		f.prefix = min(f.prefix, rank)
	default:
		f.other = min(f.other, at)
	}
}

func (f *found) merge(g found) {
	f.plain = min(f.plain, g.plain)
	f.prefix = min(f.prefix, g.prefix)
	f.other = min(f.other, g.other)
}

// best: a pattern that ends in "/**" loses to any without "**"; of several such
// patterns the longest stands for them; else the weights decide.
func (ix *index) best(f found) int32 {
	switch {
	case f.plain != none:
		return min(f.plain, f.other)
	case f.prefix != none:
		return min(ix.prefixes[f.prefix], f.other)
	}
	return f.other
}

// newIndex takes entries in the order of their weight.
func newIndex(entries []entry) *index {
	ix := &index{entries: entries, byText: make(map[string]int32, len(entries)), catchAll: none}
	ix.newNode()
	globs := make(map[globKey]int32)
	ranks := ix.rankPrefixes()
	for at, e := range entries {
		ix.byText[e.pattern.text] = int32(at)
		if e.pattern.weight.catchAll {
			ix.catchAll = int32(at)
			continue
		}
		ix.insert(int32(at), ranks[int32(at)], e.pattern, globs)
	}
	ix.measure()
	return ix
}

// rankPrefixes fills in prefixes and returns the index of each place in it.
func (ix *index) rankPrefixes() map[int32]int32 {
	for at, e := range ix.entries {
		if e.pattern.weight.prefix {
			ix.prefixes = append(ix.prefixes, int32(at))
		}
	}
	slices.SortFunc(ix.prefixes, func(a, b int32) int {
		return comparePrefix(ix.entries[a].pattern, ix.entries[b].pattern)
	})
	ranks := make(map[int32]int32, len(ix.prefixes))
	for rank, at := range ix.prefixes {
		ranks[at] = int32(rank)
	}
	return ranks
}

func (ix *index) newNode() int32 {
	ix.nodes = append(ix.nodes, node{accept: [2]found{foundNothing, foundNothing}})
	return int32(len(ix.nodes) - 1)
}

// globKey finds the edge for a segment without a search among its siblings.
type globKey struct {
	from int32
	kind segmentKind
	text string
}

func (ix *index) insert(at, rank int32, p *Pattern, globs map[globKey]int32) {
	cur, wasRest := int32(0), false
	for i := range p.segments {
		s := &p.segments[i]
		if s.kind == kindRest {
			if !wasRest { // ** and **/** match the same
				cur = ix.restChild(cur)
			}
			wasRest = true
			continue
		}
		if i == len(p.segments)-1 && p.lastStar && !p.rest {
			ix.nodes[cur].accept[1].add(at, rank, p) // see Pattern.match
		}
		cur, wasRest = ix.child(cur, s, globs), false
	}
	accept := &ix.nodes[cur].accept
	if p.restLast || !endsWithSlash(p.text) {
		accept[0].add(at, rank, p)
	}
	if p.restLast || endsWithSlash(p.text) {
		accept[1].add(at, rank, p)
	}
}

func (ix *index) restChild(cur int32) int32 {
	if ix.nodes[cur].rest == 0 {
		to := ix.newNode()
		ix.nodes[cur].rest = to
	}
	return ix.nodes[cur].rest
}

func (ix *index) child(cur int32, s *segment, globs map[globKey]int32) int32 {
	var to int32
	switch n := &ix.nodes[cur]; s.kind {
	case kindLiteral:
		to = n.literals[s.text]
	case kindAny:
		to = n.any
	default:
		to = globs[globKey{cur, s.kind, s.text}]
	}
	if to != 0 {
		return to
	}
	to = ix.newNode()
	switch n := &ix.nodes[cur]; s.kind {
	case kindLiteral:
		if n.literals == nil {
			n.literals = make(map[string]int32)
		}
		n.literals[s.text] = to
	case kindAny:
		n.any = to
	default:
		globs[globKey{cur, s.kind, s.text}] = to
		n.globs = append(n.globs, edge{s, to})
	}
	return to
}

// measure fills in the bounds, from the leaves up: a child always has a higher
// number than its parent.
func (ix *index) measure() {
	for i := len(ix.nodes) - 1; i >= 0; i-- {
		n := &ix.nodes[i]
		n.kidMin, n.kidMax = unbounded, -1
		kid := func(k int32) {
			n.kidMin = min(n.kidMin, ix.nodes[k].min)
			n.kidMax = max(n.kidMax, ix.nodes[k].max)
		}
		for _, k := range n.literals {
			kid(k)
		}
		if n.any != 0 {
			kid(n.any)
		}
		for _, e := range n.globs {
			kid(e.to)
		}
		n.min, n.max = n.kidMin+1, n.kidMax+1
		if n.accept[0] != foundNothing || n.accept[1] != foundNothing {
			n.min = 0
		}
		if n.rest != 0 {
			n.min = min(n.min, ix.nodes[n.rest].min)
			n.max = unbounded
		}
		n.max = min(n.max, unbounded)
	}
}
