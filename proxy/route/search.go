package route

// inline is how many nodes a list holds without allocating.
const inline = 32

// list is a list of nodes. The array is in it, since a slice of a local array
// kept in a struct would move the array to the heap.
type list struct {
	n    int
	few  [inline]int32
	many []int32 // from the one after few on
}

func (l *list) add(at int32) {
	if l.n < inline {
		l.few[l.n] = at
	} else {
		l.many = append(l.many, at)
	}
	l.n++
}

func (l *list) get(i int) int32 {
	if i < inline {
		return l.few[i]
	}
	return l.many[i-inline]
}

func (l *list) clear() { l.n, l.many = 0, l.many[:0] }

// search walks the trie along all branches at once, a token at a time, so that
// no token is looked at twice from one node and the cost stays below tokens
// times nodes, whatever the patterns.
type search struct {
	ix *index
	// fronts[next] collects the nodes reached by exactly the tokens so far,
	// the other one those of the token before. A node is in there once, since
	// only one edge leads to it.
	fronts [2]list
	next   int
	// rests are the rest nodes reached. Once reached they stay.
	rests list
	// seen marks rests, one bit a node, once there are too many to look
	// through.
	seen []uint64
	best found
}

// find returns the best entry for a path that starts with "/", or none.
func (ix *index) find(path string) int32 {
	if at, ok := ix.byText[path]; ok && at != ix.catchAll {
		// A pattern spelled like the path comes first, even one with wildcards.
		if p := ix.entries[at].pattern; p.literal || p.Match(path) {
			return at
		}
	}
	tokens, plain := survey(path)
	s := search{ix: ix, best: foundNothing}
	s.run(path, tokens, plain)
	// /** is not in the trie: it matches everything, and anything is better.
	return min(ix.best(s.best), ix.catchAll)
}

// survey counts the tokens and looks for the characters at which Java ends a
// line.
func survey(path string) (tokens int32, plain bool) {
	plain = true
	before := byte('/')
	for i := 0; i < len(path); i++ {
		c := path[i]
		if before == '/' && c != '/' {
			tokens++
		}
		if c < 0x20 || c >= 0x80 {
			plain = false
		}
		before = c
	}
	return tokens, plain || !hasLineEnd(path)
}

func (s *search) run(path string, left int32, plain bool) {
	s.enter(0, left)
	for end := 0; left > 0 && s.fronts[s.next].n+s.rests.n > 0; {
		var start int
		start, end = nextToken(path, end)
		token := path[start:end]
		left--
		front := &s.fronts[s.next]
		s.next = 1 - s.next
		s.fronts[s.next].clear()
		rests := s.rests.n // without those that this token leads to
		for i := range front.n {
			s.step(&s.ix.nodes[front.get(i)], token, left, plain)
		}
		for i := range rests {
			s.step(&s.ix.nodes[s.rests.get(i)], token, left, plain)
		}
	}
	if left > 0 {
		return
	}
	slash := 0
	if endsWithSlash(path) {
		slash = 1
	}
	last := &s.fronts[s.next]
	for i := range last.n {
		s.best.merge(s.ix.nodes[last.get(i)].accept[slash])
	}
}

// step goes from a node over a token behind which left more follow.
func (s *search) step(n *node, token string, left int32, plain bool) {
	if left < n.kidMin || left > n.kidMax {
		return
	}
	if n.literals != nil {
		if to := n.literals[token]; to != 0 {
			s.enter(to, left)
		}
	}
	if n.any != 0 && (plain || !hasLineEnd(token)) {
		s.enter(n.any, left)
	}
	for i := range n.globs {
		e := &n.globs[i]
		if to := &s.ix.nodes[e.to]; left >= to.min && left <= to.max && e.segment.match(token, plain) {
			s.enter(e.to, left)
		}
	}
}

func (s *search) enter(at, left int32) {
	n := &s.ix.nodes[at]
	if left < n.min || left > n.max {
		return
	}
	s.fronts[s.next].add(at)
	if n.rest == 0 {
		return
	}
	rest := &s.ix.nodes[n.rest]
	s.best.merge(rest.accept[0]) // whatever follows
	if left > rest.kidMin && !s.reached(n.rest) {
		s.rests.add(n.rest)
	}
}

// reached reports whether a rest node is among rests, and expects it to be put
// there if not.
func (s *search) reached(at int32) bool {
	if s.seen == nil {
		for i := range s.rests.n {
			if s.rests.get(i) == at {
				return true
			}
		}
		if s.rests.n < inline {
			return false
		}
		s.seen = make([]uint64, len(s.ix.nodes)/64+1)
		for i := range s.rests.n {
			r := s.rests.get(i)
			s.seen[r/64] |= 1 << (r % 64)
		}
	}
	word, bit := &s.seen[at/64], uint64(1)<<(at%64)
	old := *word&bit != 0
	*word |= bit
	return old
}
