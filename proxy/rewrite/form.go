package rewrite

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// piece is text as it goes out and the group whose content follows it, 0 for
// none.
type piece struct {
	text  string
	group int
}

// parseForm parses a rewriteUri for a pattern with these groups; groups[0] is
// the first group's name, "" where it has none.
func parseForm(form string, groups []string) ([]piece, error) {
	if err := checkText(form); err != nil {
		return nil, err
	}
	if form[0] != '/' {
		return nil, errors.New(`does not begin with "/": it is a path; scheme and host come from HTTP_PROXY alone`)
	}
	var pieces []piece
	var text strings.Builder
	for i := 0; i < len(form); {
		r, n := utf8.DecodeRuneInString(form[i:])
		group := 0
		var err error
		switch {
		case r == '\\':
			return nil, fmt.Errorf("has a backslash at byte %d: servers take it for a slash or refuse it", i)
		case r == ' ' || r == '?' || r == '#':
			return nil, fmt.Errorf("has %q at byte %d: it is a path without a query; write %%%%%02X for the character itself", r, i, r)
		case r == '}':
			return nil, fmt.Errorf(`"}" at byte %d closes nothing: write {name}`, i)
		case r == '{':
			group, n, err = namedReference(form[i:], groups)
		case r == '%':
			group, n, err = numberedReference(form[i:], groups)
		}
		if err != nil {
			return nil, fmt.Errorf("at byte %d: %w", i, err)
		}
		switch {
		case group > 0:
			pieces = append(pieces, piece{text.String(), group})
			text.Reset()
		case r == '%':
			text.WriteByte('%')
		default:
			writeEncoded(&text, form[i:i+n])
		}
		i += n
	}
	if text.Len() > 0 {
		pieces = append(pieces, piece{text: text.String()})
	}
	return pieces, checkPieces(pieces)
}

// namedReference reads the {name} at the start of s.
func namedReference(s string, groups []string) (group, length int, err error) {
	end := strings.IndexByte(s, '}')
	if end < 0 {
		return 0, 0, errors.New(`"{" is not closed: write {name}, or %%7B for the brace itself`)
	}
	name := s[1:end]
	at := slices.Index(groups, name)
	if name == "" || at < 0 {
		return 0, 0, fmt.Errorf("the pattern has no group {%s}", name)
	}
	return at + 1, end + 1, nil
}

// numberedReference reads the %1 or %% at the start of s; the group is 0 for %%.
func numberedReference(s string, groups []string) (group, length int, err error) {
	switch {
	case len(s) > 1 && s[1] == '%':
		return 0, 2, nil
	case len(s) < 2 || s[1] < '1' || s[1] > '9':
		return 0, 0, errors.New("the % is followed by no group's number, 1 to 9, and by no second %: write %% for a percent sign, %%20 for a space")
	}
	if group = int(s[1] - '0'); group > len(groups) {
		err = fmt.Errorf("there is no group %d: the pattern has %d", group, len(groups))
		if _, encoded := unhex(s); encoded {
			err = fmt.Errorf("%w; for the encoded character write %%%s", err, s[:3])
		}
		return 0, 0, err
	}
	return group, 2, nil
}

// writeEncoded writes a character of a rewriteUri; what is not ASCII goes out
// percent-encoded.
func writeEncoded(to *strings.Builder, character string) {
	if len(character) == 1 {
		to.WriteString(character)
		return
	}
	for _, c := range []byte(character) {
		fmt.Fprintf(to, "%%%02X", c)
	}
}

// checkPieces finds what would make every result malformed. In the place of
// groups it puts an x, which is no hex digit and no dot.
func checkPieces(pieces []piece) error {
	var sample []byte
	for _, p := range pieces {
		if err := checkDecoded(p.text); err != nil {
			return err
		}
		sample = append(sample, p.text...)
		if p.group > 0 {
			sample = append(sample, 'x')
		}
	}
	if fault := faultOf(sample); fault != "" {
		return errors.New(fault)
	}
	return nil
}
