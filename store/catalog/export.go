package catalog

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Export is a stored document as people read and keep it, in JSON: indented by
// two spaces, unless that made it larger than MaxDocumentBytes. Without secrets
// every secret of a plugin is replaced by SecretPlaceholder. What was not a stored
// document gives nil.
func Export(stored []byte, secrets bool) []byte {
	text, ok := exported(stored, secrets)
	if !ok {
		return nil
	}
	return indented(text)
}

// exported is what both formats of an export have in common.
func exported(stored []byte, secrets bool) (text string, ok bool) {
	text, isYAML, err := readText(stored)
	if err != nil || isYAML || !structure(text, &report{}) {
		return "", false
	}
	if edits := withoutFormat(value{raw: text}); edits != nil {
		text = string(apply(text, edits))
	}
	if !secrets {
		text = string(apply(text, redactions(value{raw: text})))
	}
	return text, true
}

// withoutFormat cuts the member that says how the document came.
func withoutFormat(root value) (edits []edit) {
	for _, ext := range find([]value{root}, []string{Extension}) {
		if ext.kind() != kindObject {
			continue
		}
		list := ext.members()
		for i, m := range list {
			switch {
			case m.key != memberFormat:
			case i+1 < len(list): // and the comma behind it
				edits = append(edits, edit{m.keyAt, list[i+1].keyAt, ""})
			case i > 0: // and the comma before it
				edits = append(edits, edit{list[i-1].at + len(list[i-1].raw), m.at + len(m.raw), ""})
			default:
				edits = append(edits, edit{m.keyAt, m.at + len(m.raw), ""})
			}
		}
	}
	return edits
}

// CameAsYAML tells whether a stored document was imported as YAML.
func CameAsYAML(stored []byte) bool {
	text, _, err := readText(stored)
	if err != nil {
		return false
	}
	for _, v := range find([]value{{raw: text}}, []string{Extension}, []string{memberFormat}) {
		return v.raw == quote(formatYAML)
	}
	return false
}

// TitleOf is the Title of a stored document.
func TitleOf(stored []byte) string {
	text, _, err := readText(stored)
	if err != nil {
		return ""
	}
	root := []value{{raw: text}}
	for _, v := range append(find(root, []string{"info"}, []string{"title"}), find(root, []string{Extension}, []string{memberName})...) {
		if v.kind() == kindString {
			return v.text()
		}
	}
	return ""
}

// indented is a compact text as people read it.
func indented(text string) []byte {
	if indentedSize(text) > MaxDocumentBytes {
		return []byte(text)
	}
	var b bytes.Buffer
	if err := json.Indent(&b, []byte(text), "", "  "); err != nil {
		return nil
	}
	b.WriteByte('\n')
	return b.Bytes()
}

// find goes from values to members of any of the names, or to all, where there are
// none, step by step.
func find(from []value, steps ...[]string) []value {
	for _, names := range steps {
		var next []value
		for _, v := range from {
			if v.kind() != kindObject {
				continue
			}
			for _, m := range v.members() {
				if len(names) == 0 || slices.Contains(names, m.key) {
					next = append(next, m.value)
				}
			}
		}
		from = next
	}
	return from
}

// indentedSize is what json.Indent would need, which nesting can make a
// hundred times what it is given.
func indentedSize(text string) int {
	size, depth := len(text)+1, 0
	line := func() { size += 1 + 2*depth }
	for pos := 0; pos < len(text); pos++ {
		switch text[pos] {
		case '"':
			pos = skipString(text, pos) - 1
		case ':':
			size++
		case ',':
			line()
		case '{', '[':
			if next := text[pos+1]; next == '}' || next == ']' {
				pos++
				continue
			}
			depth++
			line()
		case '}', ']':
			depth--
			line()
		}
	}
	return size
}

// Rename is a stored document under another key and name, for a clone. Its
// error is of type Problems, with the paths of a request to clone: "$.key" and
// "$.name".
func Rename(stored []byte, key, name string) ([]byte, error) {
	var problems Problems
	if fault := keyFault(key); fault != "" {
		problems = append(problems, Problem{"$.key", fault + "; must be " + wantKey})
	}
	if fault := nameFault(name); fault != "" {
		problems = append(problems, Problem{"$.name", fault + ": must be " + wantName})
	}
	if problems != nil {
		return nil, problems
	}
	text, _, err := readText(stored)
	if err != nil {
		return nil, err
	}
	p := &parser{}
	o, ok := p.object(value{raw: text}, wantDocument)
	if !ok {
		return nil, rootProblem("the stored document is no object")
	}
	ext, isExt := p.extension(o)
	if !isExt {
		ext = nil
	}
	said := func(name string) bool {
		if ext == nil {
			return false
		}
		_, ok := ext.take(name)
		return ok
	}
	p.version(o)
	b := p.basePath(o)
	switch old := p.key(o, ext, b); {
	case b.path == "/"+key && old != key:
		return nil, Problems{{"$.key", fmt.Sprintf("is the path of the document itself, %s, which goes before the path at the endpoint server and would not with this key: choose another", b.path)}}
	case b.path == "/"+old && b.said:
		// The path that names the domain goes on doing so: another one would
		// go before the path at the endpoint server.
		p.edits = append(p.edits, edit{b.at, b.at + len(b.raw), quote(withKey(b.text(), old, key))})
		if said(memberKey) {
			p.set(memberKey, quote(key))
		}
	default:
		p.set(memberKey, quote(key))
	}
	titles := find([]value{o.in}, []string{"info"}, []string{"title"})
	if said(memberName) || len(titles) == 0 {
		p.set(memberName, quote(name))
	} else {
		for _, v := range titles {
			p.edits = append(p.edits, edit{v.at, v.at + len(v.raw), quote(name)})
		}
	}
	p.store(o, ext)
	return apply(text, p.edits), nil
}

// withKey is a basePath or a server's URL with another key at the end of its
// path; a URL that does not spell it out becomes the path alone.
func withKey(url, old, key string) string {
	if rest, ok := strings.CutSuffix(strings.TrimRight(url, "/"), "/"+old); ok {
		return rest + "/" + key
	}
	return "/" + key
}
