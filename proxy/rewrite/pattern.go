package rewrite

import (
	"errors"
	"fmt"
	"regexp/syntax"
	"slices"
	"strings"
)

// translate turns a uriPattern into an expression of RE2 with the same groups,
// and lists their names, "" where one has none.
func translate(pattern string) (expr string, groups []string, err error) {
	if err := checkText(pattern); err != nil {
		return "", nil, err
	}
	t := translator{text: pattern}
	if err := t.regex(false); err != nil {
		return "", nil, err
	}
	// On its own, so that no parenthesis pairs with one put around it.
	if err := wellFormed(t.out.String()); err != nil {
		return "", nil, err
	}
	return t.out.String(), t.groups, nil
}

func wellFormed(expr string) error {
	_, err := syntax.Parse(expr, syntax.Perl)
	var bad *syntax.Error
	if errors.As(err, &bad) {
		return fmt.Errorf("%s: `%s` (RE2 syntax: no look-around, back-references or possessive quantifiers)", bad.Code, bad.Expr)
	}
	return err
}

// translator goes through a pattern once, from left to right.
type translator struct {
	text   string
	at     int
	out    strings.Builder
	groups []string
}

// regex translates up to the end of the text, or the end of the variable whose
// regex it is.
func (t *translator) regex(variable bool) error {
	for t.at < len(t.text) {
		var err error
		switch rest := t.text[t.at:]; rest[0] {
		case '\\':
			err = t.escape(rest)
		case '[':
			err = t.class(rest)
		case '(':
			err = t.open(rest, variable)
		case '{':
			err = t.brace(rest, variable)
		case '}':
			if variable {
				return nil
			}
			err = t.here(`"}" closes nothing: write \} for the character`)
		case '%':
			err = t.percent(rest)
		default:
			t.copy(1)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// copy takes n bytes over as they are.
func (t *translator) copy(n int) {
	t.out.WriteString(t.text[t.at : t.at+n])
	t.at += n
}

// here puts the place into an error.
func (t *translator) here(format string, args ...any) error {
	return fmt.Errorf("at byte %d: %w", t.at, fmt.Errorf(format, args...))
}

// open takes an opening parenthesis over and notes the group, if it is one.
func (t *translator) open(rest string, variable bool) error {
	if !strings.HasPrefix(rest, "(?") {
		t.groups = append(t.groups, "")
		t.copy(1)
		return nil
	}
	name := strings.TrimPrefix(rest[2:], "P") // RE2's older spelling
	if len(name) > 1 && name[0] == '<' && name[1] != '=' && name[1] != '!' {
		name, _, closed := strings.Cut(name[1:], ">")
		switch {
		case !closed:
			return t.here(`the name of the group is not closed: write (?<name>…)`)
		case variable:
			return t.here(`the group %q has a name inside a variable: names do not nest`, name)
		}
		if err := t.name(name); err != nil {
			return err
		}
		t.out.WriteByte('(')
		t.at += strings.IndexByte(rest, '>') + 1
		return nil
	}
	if flags := rest[2:][:flagsLen(rest[2:])]; strings.Contains(flags, "U") {
		return t.here(`the flag "U" means Unicode classes in Java and lazy matching in RE2: leave it out`)
	}
	t.copy(2)
	return nil
}

// brace translates a repetition or a variable.
func (t *translator) brace(rest string, variable bool) error {
	if n := repeatLen(rest); n > 0 {
		t.copy(n)
		return nil
	}
	if variable {
		return t.here(`"{" inside a variable is no repetition: variables do not nest, and the character is \{`)
	}
	end := strings.IndexAny(rest, ":}")
	if end < 0 {
		return t.here(`"{" is not closed: write {name}, {name:regex}, x{2} or \{ for the character`)
	}
	if err := t.name(rest[1:end]); err != nil {
		return err
	}
	t.at += end + 1
	if rest[end] == '}' {
		t.out.WriteString("([^/]+)")
		return nil
	}
	return t.variable(rest[1:end])
}

// variable translates the regex of a variable and its closing brace.
func (t *translator) variable(name string) error {
	before := t.out.Len()
	t.out.WriteByte('(')
	if err := t.regex(true); err != nil {
		return err
	}
	expr := t.out.String()[before+1:]
	switch {
	case t.at == len(t.text):
		return t.here("the variable {%s:…} is not closed", name)
	case expr == "":
		return t.here("the variable {%s:} has no regex: write {%s}", name, name)
	}
	if err := wellFormed(expr); err != nil {
		return t.here("the regex of {%s}: %w", name, err)
	}
	t.out.WriteByte(')')
	t.at++
	return nil
}

// name notes a group with a name.
func (t *translator) name(name string) error {
	if !isName(name) {
		return t.here(`%q is no name for a group or variable: a letter or "_", then letters, digits and any of "_-.", and braces are \{ and \} where they are characters`, name)
	}
	if slices.Contains(t.groups, name) {
		return t.here("the name %q stands twice: give each group its own", name)
	}
	t.groups = append(t.groups, name)
	return nil
}

func isName(s string) bool {
	for i, c := range s {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_'
		if !letter && (i == 0 || (c < '0' || c > '9') && c != '-' && c != '.') {
			return false
		}
	}
	return s != ""
}
