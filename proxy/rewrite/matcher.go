package rewrite

import (
	"fmt"
	"regexp"
	"regexp/syntax"
	"slices"
	"unicode/utf8"
)

const (
	// maxProgram bounds the instructions that an expression compiles to; the
	// time for a match is at most in proportion to it and to the path. Literal
	// text takes one a byte, {name} 4, \d{1,100} about 200. At this bound the
	// dearest patterns take some 10 ns for each byte of a path and each
	// instruction.
	maxProgram = 600
	// maxMarks bounds the bits of memory that a match may take, 32 KiB. Paths
	// that would take more are matched by package regexp, which allocates: with
	// n variables or stars, from about 260,000/n bytes on.
	maxMarks = 1 << 18
)

// matcher matches whole texts against an expression, as package regexp does
// with \A(?:…)\z. It runs the same program (package regexp/syntax) with the same
// preference, but without allocating: regexp makes a slice for every match.
//
// It goes down one way through the program after the other and never twice
// through the same instruction at the same place, so that its time is linear in
// the text. To know that, it is enough to look where ways meet; only those
// instructions have marks.
type matcher struct {
	program *syntax.Prog
	// marked gives each instruction where ways meet its number among them, -1
	// to all others.
	marked []int32
	marks  int
	slow   *regexp.Regexp
}

// job is a way still to be gone: from an instruction at a place in the text. A
// negative pc is ^i: bounds[i] gets back the value it had, at.
type job struct{ pc, at int32 }

func newMatcher(expr string) (*matcher, error) {
	tree, err := syntax.Parse(expr, syntax.Perl)
	if err != nil {
		return nil, err
	}
	program, err := syntax.Compile(tree.Simplify())
	if err != nil {
		return nil, err
	}
	if n := len(program.Inst); n > maxProgram {
		return nil, fmt.Errorf("compiles to %d instructions, at most %d are allowed: use smaller repetitions", n, maxProgram)
	}
	slow, err := regexp.Compile(`\A(?:` + expr + `)\z`)
	if err != nil {
		return nil, err
	}
	m := &matcher{program: program, slow: slow}
	m.mark()
	return m, nil
}

// mark numbers the instructions where ways meet.
func (m *matcher) mark() {
	ways := make([]int, len(m.program.Inst)) // that lead to each instruction
	ways[m.program.Start]++
	for i := range m.program.Inst {
		switch inst := &m.program.Inst[i]; inst.Op {
		case syntax.InstMatch, syntax.InstFail:
		case syntax.InstAlt, syntax.InstAltMatch:
			ways[inst.Arg]++
			fallthrough
		default:
			ways[inst.Out]++
		}
	}
	m.marked = make([]int32, len(ways))
	for i, n := range ways {
		m.marked[i] = -1
		if n > 1 {
			m.marked[i] = int32(m.marks)
			m.marks++
		}
	}
}

// match reports whether the whole of s.text matches, and leaves the groups in
// s.bounds.
func (m *matcher) match(s *scratch) bool {
	bits := m.marks * (len(s.text) + 1)
	if bits > maxMarks {
		return m.matchSlowly(s)
	}
	words := (bits + 63) / 64
	s.marks = slices.Grow(s.marks[:0], words)[:words]
	clear(s.marks)
	s.bounds = s.bounds[:0]
	for range m.program.NumCap {
		s.bounds = append(s.bounds, -1)
	}
	s.jobs = append(s.jobs[:0], job{int32(m.program.Start), 0})
	for len(s.jobs) > 0 {
		j := s.jobs[len(s.jobs)-1]
		s.jobs = s.jobs[:len(s.jobs)-1]
		if j.pc < 0 {
			s.bounds[^j.pc] = j.at
			continue
		}
		if m.follow(s, j) {
			return true
		}
	}
	return false
}

// follow goes a way to its end: true if that is a match of the whole text. The
// other ways it sees are left in s.jobs, the preferred ones on top.
func (m *matcher) follow(s *scratch, j job) bool {
	pc, at := j.pc, int(j.at)
	for {
		if n := m.marked[pc]; n >= 0 {
			bit := int(n)*(len(s.text)+1) + at
			if s.marks[bit/64]&(1<<(bit%64)) != 0 {
				return false
			}
			s.marks[bit/64] |= 1 << (bit % 64)
		}
		inst := &m.program.Inst[pc]
		switch inst.Op {
		case syntax.InstAlt, syntax.InstAltMatch:
			s.jobs = append(s.jobs, job{int32(inst.Arg), int32(at)})
		case syntax.InstCapture:
			s.jobs = append(s.jobs, job{^int32(inst.Arg), s.bounds[inst.Arg]})
			s.bounds[inst.Arg] = int32(at)
		case syntax.InstEmptyWidth:
			if syntax.EmptyOp(inst.Arg)&^around(s.text, at) != 0 {
				return false
			}
		case syntax.InstNop:
		case syntax.InstMatch:
			return at == len(s.text)
		case syntax.InstFail:
			return false
		default: // a character
			if at == len(s.text) {
				return false
			}
			r, n := rune(s.text[at]), 1
			if r >= utf8.RuneSelf {
				r, n = utf8.DecodeRune(s.text[at:])
			}
			if !inst.MatchRune(r) {
				return false
			}
			at += n
		}
		pc = int32(inst.Out)
	}
}

// around is what can be said of the place between two characters. Only line
// ends and ASCII letters make a difference, so that bytes do.
func around(text []byte, at int) syntax.EmptyOp {
	before, after := rune(-1), rune(-1)
	if at > 0 {
		before = rune(text[at-1])
	}
	if at < len(text) {
		after = rune(text[at])
	}
	return syntax.EmptyOpContext(before, after)
}

func (m *matcher) matchSlowly(s *scratch) bool {
	bounds := m.slow.FindSubmatchIndex(s.text)
	s.bounds = s.bounds[:0]
	for _, at := range bounds {
		s.bounds = append(s.bounds, int32(at))
	}
	return bounds != nil
}
