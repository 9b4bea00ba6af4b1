package catalog

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// MaxProblems bounds how many problems of one document are listed; a last one
// tells how many more there are.
const MaxProblems = 1000

// Problem is one thing wrong at one place of a document.
type Problem struct {
	// Path is a JSON path such as "$.paths['/x'].get".
	Path string `json:"path"`
	// Message says what is wrong and what would be right.
	Message string `json:"message"`
}

// Problems is everything wrong with a document, in document order. It is the
// type of every error that Parse and Rename return.
type Problems []Problem

// Error lists the problems, one a line.
func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.Path + ": " + p.Message
	}
	return strings.Join(lines, "\n")
}

// path is a place in a document, from the place up to the root; nil is the
// root itself.
type path struct {
	parent *path
	key    string
	index  int // of an array; -1 where key counts
}

func (p *path) member(key string) *path { return &path{parent: p, key: key, index: -1} }

func (p *path) item(i int) *path { return &path{parent: p, index: i} }

// String spells the path as in "$.paths['/x'].get['x-a'].list[0]".
func (p *path) String() string {
	var steps []*path
	for ; p != nil; p = p.parent {
		steps = append(steps, p)
	}
	var b strings.Builder
	b.WriteByte('$')
	for _, s := range slices.Backward(steps) {
		switch {
		case s.index >= 0:
			b.WriteString("[" + strconv.Itoa(s.index) + "]")
		case isIdentifier(s.key):
			b.WriteString("." + shorten(s.key, maxPathKey))
		default:
			b.WriteString("['" + quotePathKey(shorten(s.key, maxPathKey)) + "']")
		}
	}
	return b.String()
}

// exact tells two places apart, whatever their names; our extension has one name.
func (p *path) exact() string {
	var b strings.Builder
	for ; p != nil; p = p.parent {
		key := p.key
		if key == extensionAlias {
			key = Extension
		}
		if p.index >= 0 {
			key = strconv.Itoa(p.index)
		}
		fmt.Fprintf(&b, "%d %d %s", p.index, len(key), key)
	}
	return b.String()
}

// maxPathKey and maxShown bound, in bytes, what a problem repeats of a
// document, so that a hostile document cannot make a huge list.
const (
	maxPathKey = 200
	maxShown   = 80
)

func shorten(s string, max int) string {
	if len(s) <= max {
		return s
	}
	for max > 0 && !utf8.RuneStart(s[max]) {
		max--
	}
	return s[:max] + "…"
}

func isIdentifier(s string) bool {
	for i, c := range []byte(s) {
		letter := c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return s != ""
}

func quotePathKey(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case r == '\'' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case unicode.IsControl(r):
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// report collects problems, or warnings, and brings them into document order.
type report struct {
	list []placed
	more int // beyond MaxProblems
}

type placed struct {
	Problem
	at int // offset in the document
}

func (r *report) add(at int, p *path, message string) {
	if len(r.list) == MaxProblems {
		r.more++
		return
	}
	r.list = append(r.list, placed{Problem{p.String(), message}, at})
}

func (r *report) problems() Problems {
	slices.SortStableFunc(r.list, func(a, b placed) int { return cmp.Compare(a.at, b.at) })
	var ps Problems
	for _, p := range r.list {
		ps = append(ps, p.Problem)
	}
	if r.more > 0 {
		ps = append(ps, Problem{"$", fmt.Sprintf("%d more problems are not listed", r.more)})
	}
	return ps
}
