package catalog

import (
	"bytes"
	"encoding/json"
	"slices"
)

// Export is a stored document as people read and keep it: indented by two
// spaces, unless that made it larger than MaxDocumentBytes. Without secrets
// every secret of a plugin is replaced by SecretPlaceholder. What was not a stored
// document gives nil.
func Export(stored []byte, secrets bool) []byte {
	text, err := compact(stored)
	if err != nil || !structure(text, &report{}) {
		return nil
	}
	if !secrets {
		text = string(apply(text, redactions(value{raw: text})))
	}
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
	text, err := compact(stored)
	if err != nil {
		return nil, err
	}
	root := []value{{raw: text}}
	var edits []edit
	for _, v := range find(root, []string{"basePath"}) {
		edits = append(edits, edit{v.at, v.at + len(v.raw), quote("/" + key)})
	}
	for _, v := range find(root, []string{"info"}, []string{"title"}) {
		edits = append(edits, edit{v.at, v.at + len(v.raw), quote(name)})
	}
	return apply(text, edits), nil
}
