package catalog

import "fmt"

// structure reports what is wrong with the JSON itself, wherever it stands:
// keys that appear twice in one object, of which readers would pick different
// ones, and nesting beyond MaxDepth. ok is false when it nests too deep to be
// read on.
func structure(text string, r *report) (ok bool) {
	s := structureWalk{text: text, report: r}
	s.walk(0, 1, nil)
	return !s.tooDeep
}

type structureWalk struct {
	text    string
	report  *report
	tooDeep bool
}

// walk checks the value at pos and returns its end.
func (s *structureWalk) walk(pos, depth int, p *path) int {
	c := s.text[pos]
	if c != '{' && c != '[' {
		return skip(s.text, pos)
	}
	if depth > MaxDepth {
		if !s.tooDeep {
			s.report.add(pos, p, fmt.Sprintf("is nested too deep: at most %d levels of objects and arrays are allowed", MaxDepth))
		}
		s.tooDeep = true
		return skip(s.text, pos)
	}
	if c == '[' {
		return s.walkArray(pos, depth, p)
	}
	return s.walkObject(pos, depth, p)
}

func (s *structureWalk) walkArray(pos, depth int, p *path) int {
	pos++
	for i := 0; s.text[pos] != ']'; i++ {
		if s.text[pos] == ',' {
			pos++
		}
		if s.text[pos] == '{' || s.text[pos] == '[' {
			pos = s.walk(pos, depth+1, p.item(i))
		} else {
			pos = skip(s.text, pos)
		}
	}
	return pos + 1
}

func (s *structureWalk) walkObject(pos, depth int, p *path) int {
	var seen map[string]int // how often
	first := ""
	pos++
	for n := 0; s.text[pos] != '}'; n++ {
		if s.text[pos] == ',' {
			pos++
		}
		keyAt := pos
		pos = skipString(s.text, pos)
		key := decodeString(s.text[keyAt:pos])
		at := p.member(key)
		switch n {
		case 0:
			first = key
		case 1:
			seen = map[string]int{first: 1}
			fallthrough
		default:
			if seen[key]++; seen[key] == 2 {
				s.report.add(keyAt, at, fmt.Sprintf("the key %s stands more than once in this object: keep one", shorten(s.text[keyAt:pos], maxShown)))
			}
		}
		pos = s.walk(pos+1, depth+1, at)
	}
	return pos + 1
}
