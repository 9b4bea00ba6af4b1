package catalog

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// parser reads one document and collects what is wrong with it. Its readers
// return zero values where they report a problem: nothing of a document with
// problems is used.
type parser struct {
	opts     ParseOptions
	yaml     bool // the document came so
	openapi  bool // it is OpenAPI 3
	domain   string
	endpoint string // the pattern whose plugins are read; "" for the domain's
	problems report
	warnings report
	edits    []edit      // what the stored document spells otherwise
	sets     [][2]string // members of Extension, and the JSON they get
	// kept are the stored secrets by their place, read when one is asked for.
	kept map[string]string
	// method is the ID of the endpoint whose plugins are read; required and costs are
	// checked when all plugins have been.
	method   string
	required []requirement
	costs    []costAt
}

func (p *parser) warn(v value, format string, args ...any) {
	p.warnings.add(v.at, v.path, fmt.Sprintf(format, args...))
}

func (p *parser) fail(v value, format string, args ...any) {
	p.problems.add(v.at, v.path, fmt.Sprintf(format, args...))
}

// wrong reports a value that is not what it must be.
func (p *parser) wrong(v value, want string) {
	p.fail(v, "must be %s, not %s", want, show(v))
}

// show is a value as a message repeats it.
func show(v value) string {
	switch k := v.kind(); k {
	case kindObject, kindArray:
		return string(k)
	}
	return shorten(v.raw, maxShown)
}

// object reads the members of one JSON object by name. It remembers which
// names were asked for, so that done can report the others.
type object struct {
	p     *parser
	in    value
	list  []member
	names []string
}

// object opens v; of anything but an object it reports that it must be want,
// and opens nothing.
func (p *parser) object(v value, want string) (*object, bool) {
	if v.kind() != kindObject {
		p.wrong(v, want)
		return nil, false
	}
	return &object{p: p, in: v, list: v.members()}, true
}

// take is the member of that name, if there is one.
func (o *object) take(name string) (value, bool) {
	if !slices.Contains(o.names, name) {
		o.names = append(o.names, name)
	}
	for _, m := range o.list {
		if m.key == name {
			return m.value, true
		}
	}
	return value{}, false
}

// need is take for a member that must be there.
func (o *object) need(name, want string) (value, bool) {
	v, ok := o.take(name)
	if !ok {
		o.missing(name, want)
	}
	return v, ok
}

func (o *object) missing(name, want string) {
	o.p.problems.add(o.in.at, o.in.path.member(name), "is missing: must be "+want)
}

// done reports every member that nobody asked for.
func (o *object) done(owner string) {
	for _, m := range o.list {
		if !slices.Contains(o.names, m.key) {
			o.p.fail(m.value, "is unknown: %s has %s", owner, strings.Join(o.names, ", "))
		}
	}
}

// text decodes a string that the gateway acts on.
func (p *parser) text(v value, want string) (string, bool) {
	if v.kind() != kindString {
		p.wrong(v, want)
		return "", false
	}
	s := v.text()
	if strings.ContainsRune(s, utf8.RuneError) {
		p.fail(v, "contains U+FFFD, which broken text turns into: must be %s", want)
		return "", false
	}
	return strings.Clone(s), true // the text itself need not stay in memory
}

// integer reads a whole number of least to most that must be there.
func (o *object) integer(name string, least, most int64) int64 {
	want := fmt.Sprintf("a whole number from %d to %d", least, most)
	v, ok := o.need(name, want)
	if !ok {
		return 0
	}
	n, ok := wholeNumber(v, least, most)
	if !ok {
		o.p.wrong(v, want)
	}
	return n
}

// wholeNumber is a number of least to most; 0 if v is none.
func wholeNumber(v value, least, most int64) (n int64, ok bool) {
	n, err := strconv.ParseInt(v.raw, 10, 64)
	if v.kind() != kindNumber || err != nil || n < least || n > most {
		return 0, false
	}
	return n, true
}

// integerOrZero is integer for a number that may be missing, which is zero.
func (o *object) integerOrZero(name string, most int64) int64 {
	if _, ok := o.take(name); !ok {
		return 0
	}
	return o.integer(name, 0, most)
}

// boolean reads true or false; a missing one is false, or a problem if it is
// needed.
func (o *object) boolean(name string, needed bool, want string) bool {
	v, ok := o.take(name)
	switch {
	case !ok && needed:
		o.missing(name, want)
	case ok && v.kind() != kindBoolean:
		o.p.wrong(v, want)
	case ok:
		return v.raw == "true"
	}
	return false
}

// array reads an array; needed asks for one item at least.
func (o *object) array(name string, needed bool, want string) []value {
	v, ok := o.take(name)
	switch {
	case !ok && needed:
		o.missing(name, want)
	case ok && v.kind() != kindArray:
		o.p.wrong(v, want)
	case ok:
		items := v.items()
		if needed && len(items) == 0 {
			o.p.fail(v, "is empty: must be %s", want)
		}
		return items
	}
	return nil
}
