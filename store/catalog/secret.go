package catalog

import (
	"fmt"
	"slices"
	"strings"
)

// SecretPlaceholder stands for every secret in an export without secrets.
// Parse refuses it, so that no domain ends up with a secret that is public.
const SecretPlaceholder = "********"

// secretFields are the fields of plugins that hold secrets. What hides secrets, an
// export or a diff, goes by this list, and only what is in it can be read as a secret.
var secretFields = []string{"secretKey"}

// IsSecret reports whether a plugin's field of this name holds a secret, however its
// letters are spelled.
func IsSecret(field string) bool {
	return slices.ContainsFunc(secretFields, func(f string) bool { return strings.EqualFold(f, field) })
}

// maxSecretBytes bounds a secret key.
const maxSecretBytes = 4096

// secret reads a secret, one of secretFields, which no message ever repeats.
func (o *object) secret(name string) string {
	if !slices.Contains(secretFields, name) {
		panic(fmt.Sprintf("catalog: the field %s is read as a secret and is none of secretFields: an export would show it", name))
	}
	const want = "the secret, a string of at least one character"
	v, ok := o.need(name, want)
	if !ok {
		return ""
	}
	if v.kind() != kindString {
		o.p.fail(v, "must be %s, not %s", want, v.kind())
		return ""
	}
	s, ok := o.p.text(v, want)
	switch {
	case ok && s == "":
		o.p.fail(v, "is empty: must be %s", want)
	case s == SecretPlaceholder:
		o.p.fail(v, "stands for a secret that was left out on export: export with secrets, or put the secret here")
	case len(s) > maxSecretBytes:
		o.p.fail(v, "has %d bytes, at most %d are allowed", len(s), maxSecretBytes)
	}
	return s
}

// redactions replaces the secrets of a document's plugins, those of its operations
// included.
func redactions(root value) []edit {
	roots := append(find([]value{root}, []string{"paths"}, nil, nil), root)
	var edits []edit
	for _, plugins := range find(roots, []string{Extension, extensionAlias}, []string{"plugins"}) {
		edits = append(edits, hidden(plugins)...)
	}
	return edits
}

// hidden replaces the secrets in a value, however deep.
func hidden(v value) (edits []edit) {
	switch v.kind() {
	case kindObject:
		for _, m := range v.members() {
			if IsSecret(m.key) {
				edits = append(edits, edit{m.value.at, m.value.at + len(m.value.raw), quote(SecretPlaceholder)})
			} else {
				edits = append(edits, hidden(m.value)...)
			}
		}
	case kindArray:
		for _, item := range v.items() {
			edits = append(edits, hidden(item)...)
		}
	}
	return edits
}
