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
// the first group's name, "" where it has none. query is what stands behind the
// first question mark, nil where there is none.
func parseForm(form string, groups []string) (path, query []piece, err error) {
	if err := checkText(form); err != nil {
		return nil, nil, err
	}
	before, after, hasQuery := strings.Cut(form, "?")
	if path, err = parsePieces(before, 0, groups); err != nil {
		return nil, nil, err
	}
	if !strings.HasPrefix(before, "/") && (len(path) == 0 || path[0].text != "" || path[0].group == 0) {
		return nil, nil, errors.New(`does not begin with "/" or a group: it is a path; scheme and host come from HTTP_PROXY alone`)
	}
	if err := checkPieces(path); err != nil || !hasQuery {
		return path, nil, err
	}
	if after == "" {
		return nil, nil, errors.New("has an empty query: leave the ? out; the client's query is kept without it")
	}
	if query, err = parsePieces(after, len(before)+1, groups); err != nil {
		return nil, nil, err
	}
	return path, query, checkQuery(query)
}

// parsePieces parses a part of a form that begins at byte from of it.
func parsePieces(form string, from int, groups []string) ([]piece, error) {
	var pieces []piece
	var text strings.Builder
	for i := 0; i < len(form); {
		r, n := utf8.DecodeRuneInString(form[i:])
		group := 0
		var err error
		switch {
		case r == '\\':
			return nil, fmt.Errorf("has a backslash at byte %d: servers take it for a slash or refuse it", from+i)
		case r == ' ' || r == '#':
			return nil, fmt.Errorf("has %q at byte %d: it is a path, with a query where it has one; write %%%%%02X for the character itself", r, from+i, r)
		case r == '}':
			return nil, fmt.Errorf(`"}" at byte %d closes nothing: write {name}`, from+i)
		case r == '{':
			group, n, err = namedReference(form[i:], groups)
		case r == '%':
			group, n, err = numberedReference(form[i:], groups)
		}
		if err != nil {
			return nil, fmt.Errorf("at byte %d: %w", from+i, err)
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
	return pieces, nil
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
			if len(sample) == 0 { // it has to bring the slash
				sample = append(sample, '/')
			}
			sample = append(sample, 'x')
		}
	}
	if fault := faultOf(sample); fault != "" {
		return errors.New(fault)
	}
	return nil
}

// checkQuery finds what no query may hold, whatever the groups do.
func checkQuery(pieces []piece) error {
	for _, p := range pieces {
		if err := checkDecoded(p.text); err != nil {
			return err
		}
		for i := 0; i < len(p.text); i++ {
			if _, ok := unhex(p.text[i:]); p.text[i] == '%' && !ok {
				return errors.New("has a percent sign that encodes nothing")
			}
		}
	}
	return nil
}

// appendQueryText appends what a group holds, as the client spelled it in a path,
// as a value of a query: it adds no field and ends none.
func appendQueryText(dst, text []byte) []byte {
	const hex = "0123456789ABCDEF"
	for _, c := range text {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '.', c == '_', c == '~',
			c == '%': // of an encoded character
			dst = append(dst, c)
		default:
			dst = append(dst, '%', hex[c>>4], hex[c&15])
		}
	}
	return dst
}
