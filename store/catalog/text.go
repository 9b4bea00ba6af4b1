package catalog

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// This file reads a JSON text where it stands: documents are stored as their
// author wrote them, key order and number spellings included, which a trip
// through Go values would lose. encoding/json judges and compacts the text
// first (yaml_read.go makes JSON of YAML); what follows relies on that, and walks text without white space.

// readText checks that raw is JSON or YAML in UTF-8 and returns it as JSON
// without white space.
func readText(raw []byte) (text string, isYAML bool, err error) {
	if len(raw) > MaxDocumentBytes {
		return "", false, rootProblem("the document has %d bytes, at most %d are allowed", len(raw), MaxDocumentBytes)
	}
	raw = bytes.TrimPrefix(raw, []byte("\ufeff"))
	if len(bytes.TrimSpace(raw)) == 0 {
		return "", false, rootProblem("the document is empty: must be %s", wantDocument)
	}
	if at := firstInvalid(raw); at >= 0 {
		line, column := position(raw, at)
		return "", false, rootProblem("not UTF-8 at line %d, column %d: byte 0x%02x; must be JSON or YAML in UTF-8", line, column, raw[at])
	}
	if isYAML = !looksLikeJSON(raw); isYAML {
		text, err = yamlToJSON(raw)
	} else {
		text, err = compact(raw)
	}
	return text, isYAML, err
}

// Readable tells whether a text is JSON or YAML at all.
func Readable(raw []byte) bool {
	_, _, err := readText(raw)
	return err == nil
}

// looksLikeJSON tells which of the two the author meant, so that a slip in it
// is explained in its terms: nearly all JSON with a slip in it would be no YAML
// either, and some would be other YAML.
func looksLikeJSON(raw []byte) bool {
	raw = bytes.TrimLeft(raw, " \t\r\n")
	if raw[0] == '[' || json.Valid(raw) {
		return true
	}
	if raw[0] != '{' {
		return false
	}
	raw = bytes.TrimLeft(raw[1:], " \t\r\n")
	return len(raw) == 0 || raw[0] == '"' || raw[0] == '}'
}

// compact checks that raw is JSON and returns it without white space.
func compact(raw []byte) (string, error) {
	var whole json.RawMessage
	if err := json.Unmarshal(raw, &whole); err != nil {
		at := len(raw)
		if syntax, ok := err.(*json.SyntaxError); ok {
			at = int(syntax.Offset) - 1
		}
		line, column := position(raw, at)
		return "", rootProblem("not JSON at line %d, column %d: %v; must be %s", line, column, err, wantDocument)
	}
	var b bytes.Buffer
	b.Grow(len(raw))
	if err := json.Compact(&b, raw); err != nil { // it was valid a line ago
		return "", rootProblem("not JSON: %v", err)
	}
	return b.String(), nil
}

// firstInvalid is the offset of the first byte that is not UTF-8, or -1.
func firstInvalid(b []byte) int {
	for at := 0; at < len(b); {
		r, size := utf8.DecodeRune(b[at:])
		if r == utf8.RuneError && size == 1 {
			return at
		}
		at += size
	}
	return -1
}

func rootProblem(format string, args ...any) error {
	return Problems{{"$", fmt.Sprintf(format, args...)}}
}

// kind is the type of a JSON value, as people call it.
type kind string

const (
	kindObject  kind = "an object"
	kindArray   kind = "an array"
	kindString  kind = "a string"
	kindNumber  kind = "a number"
	kindBoolean kind = "a boolean"
	kindNull    kind = "null"
)

// value is one value of a compact JSON text.
type value struct {
	raw  string // its JSON text
	at   int    // offset of raw in the whole text
	path *path
}

// member is one member of an object, at its value.
type member struct {
	key    string // decoded
	keyAt  int    // offset of the key's opening quote in the whole text
	rawKey string // with quotes
	value
}

func (v value) kind() kind {
	switch v.raw[0] {
	case '{':
		return kindObject
	case '[':
		return kindArray
	case '"':
		return kindString
	case 't', 'f':
		return kindBoolean
	case 'n':
		return kindNull
	}
	return kindNumber
}

// text decodes a string value.
func (v value) text() string { return decodeString(v.raw) }

// members lists an object's members in document order.
func (v value) members() []member {
	var list []member
	for pos := 1; v.raw[pos] != '}'; {
		if v.raw[pos] == ',' {
			pos++
		}
		colon := skipString(v.raw, pos)
		end := skip(v.raw, colon+1)
		m := member{keyAt: v.at + pos, rawKey: v.raw[pos:colon], key: decodeString(v.raw[pos:colon])}
		m.value = value{v.raw[colon+1 : end], v.at + colon + 1, v.path.member(m.key)}
		list = append(list, m)
		pos = end
	}
	return list
}

// items lists an array's items.
func (v value) items() []value {
	var list []value
	for pos := 1; v.raw[pos] != ']'; {
		if v.raw[pos] == ',' {
			pos++
		}
		end := skip(v.raw, pos)
		list = append(list, value{v.raw[pos:end], v.at + pos, v.path.item(len(list))})
		pos = end
	}
	return list
}

// skip returns the end of the value that begins at pos.
func skip(s string, pos int) int {
	switch s[pos] {
	case '"':
		return skipString(s, pos)
	case '{', '[':
		for depth := 0; ; pos++ {
			switch s[pos] {
			case '"':
				pos = skipString(s, pos) - 1
			case '{', '[':
				depth++
			case '}', ']':
				if depth--; depth == 0 {
					return pos + 1
				}
			}
		}
	}
	for pos < len(s) && s[pos] != ',' && s[pos] != '}' && s[pos] != ']' {
		pos++
	}
	return pos
}

// skipString returns the end of the string whose opening quote is at pos.
func skipString(s string, pos int) int {
	for pos++; s[pos] != '"'; pos++ {
		if s[pos] == '\\' {
			pos++
		}
	}
	return pos + 1
}

func decodeString(raw string) string {
	if !strings.Contains(raw, `\`) {
		return raw[1 : len(raw)-1]
	}
	var s string
	if err := json.Unmarshal([]byte(raw), &s); err != nil {
		panic("catalog: text was not checked: " + err.Error())
	}
	return s
}

// quote spells s as a JSON string, without the escapes that only HTML needs.
func quote(s string) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(s); err != nil {
		panic(err) // a string always encodes
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// edit replaces text[from:to].
type edit struct {
	from, to int
	with     string
}

// apply makes the edits, which do not overlap.
func apply(text string, edits []edit) []byte {
	slices.SortStableFunc(edits, func(a, b edit) int { return a.from - b.from })
	b := make([]byte, 0, len(text)+64)
	pos := 0
	for _, e := range edits {
		b = append(append(b, text[pos:e.from]...), e.with...)
		pos = e.to
	}
	return append(b, text[pos:]...)
}

// position is the line and column of a byte, counted from 1, columns in
// characters.
func position(raw []byte, at int) (line, column int) {
	before := raw[:max(0, min(at, len(raw)))]
	start := bytes.LastIndexByte(before, '\n') + 1
	return bytes.Count(before, []byte("\n")) + 1, utf8.RuneCount(before[start:]) + 1
}
