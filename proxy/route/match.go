package route

// Match reports whether the pattern matches the whole path.
func (p *Pattern) Match(path string) bool { return p.match(path, nil) }

// Variables returns the template variables of a path that matches. They come
// as in Spring: of several ways to match, each "**" takes as little as it can
// and each variable as much as it can, from left to right.
func (p *Pattern) Variables(path string) (map[string]string, bool) {
	tokens := make([]string, len(p.segments))
	if !p.match(path, tokens) {
		return nil, false
	}
	variables := make(map[string]string)
	for i := range p.segments {
		p.segments[i].bind(tokens[i], variables)
	}
	return variables, true
}

// match also notes which token each segment took, unless tokens is nil.
func (p *Pattern) match(path string, tokens []string) bool {
	if path == "" || path[0] != '/' {
		return false
	}
	if p.rest {
		return p.slashMatches(path) && p.matchRest(path, tokens)
	}
	end := 0
	for i := range p.segments {
		var start int
		start, end = nextToken(path, end)
		if start == end {
			// Spring: a lone * at the end matches the nothing behind a
			// trailing slash, so that /a/* matches /a/ but not /a, and
			// /a/*/ matches /a/ as well.
			return p.lastStar && i == len(p.segments)-1 && endsWithSlash(path)
		}
		token := path[start:end]
		if !p.segments[i].match(token, false) {
			return false
		}
		if tokens != nil {
			tokens[i] = token
		}
	}
	if start, end := nextToken(path, end); start < end {
		return false
	}
	return p.slashMatches(path)
}

// slashMatches compares the trailing slashes. Doubled slashes do not count, a
// trailing one does, except where a "**" at the end takes it in. (Spring before
// 5.3 never looked at it where there was a "**" anywhere.)
func (p *Pattern) slashMatches(path string) bool {
	return p.restLast || endsWithSlash(p.text) == endsWithSlash(path)
}

// matchRest matches the segments of a pattern that has a "**".
//
// When a segment fails, only the last "**" has to take one token more: what an
// earlier one could take instead leads to the same place or further right. So
// the cost is at most tokens times segments, however many "**" there are.
func (p *Pattern) matchRest(path string, tokens []string) bool {
	at, end := 0, 0     // the next segment; the end of the last token
	rest, held := -1, 0 // behind the last "**"; the end of what it holds
	last := len(p.segments) - 1
	for start, stop := nextToken(path, end); start < stop; start, stop = nextToken(path, end) {
		switch {
		case at <= last && p.segments[at].kind == kindRest:
			if at == last {
				return true
			}
			at++
			rest, held = at, end
		case at <= last && p.segments[at].match(path[start:stop], false):
			if tokens != nil {
				tokens[at] = path[start:stop]
			}
			at, end = at+1, stop
		case rest < 0:
			return false
		default:
			_, held = nextToken(path, held)
			at, end = rest, held
		}
	}
	for at <= last && p.segments[at].kind == kindRest {
		at++
	}
	return at > last
}
