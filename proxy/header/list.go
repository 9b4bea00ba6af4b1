// Package header holds header fields as a client spelled them and knows which
// of them end at a gateway.
//
// fasthttp's own header is not used for that: it merges trailers into the
// header, keeps the last of two Content-Type fields and rewrites cookies
// (pitfalls 2(a) 13, 17, 18).
package header

import "bytes"

// Field is one header field. Its slices belong to whoever filled the list.
type Field struct {
	Name, Value []byte
	// Rules is what Lookup says about Name, and what was found out later, such
	// as Hop for a name that Connection lists.
	Rules Rules
}

// List is header fields in the order of the wire.
type List []Field

// First returns the value of the first field to which one of the rules
// applies; ok is false when there is none.
func (l List) First(rules Rules) (value []byte, ok bool) {
	for i := range l {
		if l[i].Rules&rules != 0 {
			return l[i].Value, true
		}
	}
	return nil, false
}

// Value is the first value of a name, in whatever case that stands.
func (l List) Value(name []byte) (value []byte, ok bool) {
	if i := l.index(name); i >= 0 {
		return l[i].Value, true
	}
	return nil, false
}

// Only is the value of a name, in whatever case that stands, unless it stands there
// more than once.
func (l List) Only(name []byte) (value []byte, ok bool) {
	if i := l.index(name); i >= 0 && l[i+1:].index(name) < 0 {
		return l[i].Value, true
	}
	return nil, false
}

func (l List) index(name []byte) int {
	for i := range l {
		if f := &l[i]; len(f.Name) == len(name) && bytes.EqualFold(f.Name, name) {
			return i
		}
	}
	return -1
}

// Without returns the list without the fields to which one of the rules
// applies, in the same array.
func (l List) Without(rules Rules) List {
	kept := l[:0]
	for _, f := range l {
		if f.Rules&rules == 0 {
			kept = append(kept, f)
		}
	}
	return kept
}

// Mark adds rules to all fields with a name, which is compared without regard
// to case.
func (l List) Mark(name []byte, rules Rules) {
	for i := range l {
		if len(l[i].Name) == len(name) && bytes.EqualFold(l[i].Name, name) {
			l[i].Rules |= rules
		}
	}
}

// AppendEndToEnd appends the fields that go through a gateway to dst, each as
// a line of the wire, without those to which one of the rules applies.
func (l List) AppendEndToEnd(dst []byte, without Rules) []byte {
	without |= Withheld
	for i := range l {
		if l[i].Rules&without != 0 {
			continue
		}
		dst = AppendLine(dst, l[i].Name, l[i].Value)
	}
	return dst
}

// AppendLine appends one field as a line of the wire.
func AppendLine(dst, name, value []byte) []byte {
	dst = append(dst, name...)
	dst = append(dst, ": "...)
	dst = append(dst, value...)
	return append(dst, "\r\n"...)
}

// Line is a configured value as it may stand in a field: on one line.
func Line(value string) []byte {
	line := []byte(value)
	for i, c := range line {
		if c == '\r' || c == '\n' || c == 0 {
			line[i] = ' '
		}
	}
	return line
}

// NextToken cuts the first element off a comma-separated value such as that of
// Connection; done is true when nothing was left. Elements may be empty.
func NextToken(value []byte) (token, rest []byte, done bool) {
	if len(value) == 0 {
		return nil, nil, true
	}
	token, rest, _ = bytes.Cut(value, []byte{','})
	return Trim(token), rest, false
}

// Trim cuts spaces and tabs off both ends.
func Trim(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t') {
		b = b[1:]
	}
	for len(b) > 0 && (b[len(b)-1] == ' ' || b[len(b)-1] == '\t') {
		b = b[:len(b)-1]
	}
	return b
}

// IsToken reports whether b is a token (RFC 9110 5.6.2), as field names are.
func IsToken(b []byte) bool {
	for _, c := range b {
		if !tokenChars[c] {
			return false
		}
	}
	return len(b) > 0
}

var tokenChars = func() (t [256]bool) {
	for c := '0'; c <= '9'; c++ {
		t[c] = true
	}
	for c := 'a'; c <= 'z'; c++ {
		t[c], t[c-'a'+'A'] = true, true
	}
	for _, c := range "!#$%&'*+-.^_`|~" {
		t[c] = true
	}
	return t
}()
