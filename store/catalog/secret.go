package catalog

import (
	"fmt"
	"slices"
	"strings"
)

// SecretPlaceholder stands for every secret in an export without secrets. Parse
// takes it for the secret that is stored in its place, and refuses it where there
// is none, so that no domain ends up with a secret that is public.
const SecretPlaceholder = "********"

// secretFields are the fields of plugins that hold secrets: by their name alone, or by
// that of the field that they are in, a dot and their own. What hides secrets, an export
// or a diff, goes by this list, and only what is in it can be read as a secret.
var secretFields = []string{"secretKey", "clientCertificate.key"}

// IsSecret reports whether a plugin's field of this name, in a field named owner, holds
// a secret, however their letters are spelled.
func IsSecret(owner, field string) bool {
	return slices.ContainsFunc(secretFields, func(f string) bool {
		in, name, isIn := strings.Cut(f, ".")
		if !isIn {
			return strings.EqualFold(f, field)
		}
		return strings.EqualFold(in, owner) && strings.EqualFold(name, field)
	})
}

// maxSecretBytes bounds a secret key.
const maxSecretBytes = 4096

// secret reads a secret, one of secretFields, which no message ever repeats.
func (o *object) secret(name string) string { return o.secretUpTo(name, maxSecretBytes) }

// secretUpTo is secret for one of at most so many bytes.
func (o *object) secretUpTo(name string, most int) string {
	if !IsSecret(ownerOf(o.in.path), name) {
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
		kept, ok := o.p.keptSecret(v.path)
		if !ok {
			o.p.fail(v, "stands for a secret that was left out on export, and none is stored in this place: export with secrets, or put the secret here")
			return ""
		}
		o.p.edits = append(o.p.edits, edit{v.at, v.at + len(v.raw), kept})
		return strings.Clone(decodeString(kept))
	case len(s) > most:
		o.p.fail(v, "has %d bytes, at most %d are allowed", len(s), most)
	}
	return s
}

// ownerOf is the field that the members at a path are in; items of a list have none of
// their own.
func ownerOf(at *path) string {
	for ; at != nil; at = at.parent {
		if at.index < 0 {
			return at.key
		}
	}
	return ""
}

// keptSecret is the JSON of the secret that the stored document has at a place.
func (p *parser) keptSecret(at *path) (raw string, ok bool) {
	if p.kept == nil {
		p.kept = map[string]string{}
		var stored []byte
		if p.opts.Stored != nil {
			stored = p.opts.Stored(p.domain)
		}
		if text, _, err := readText(stored); err == nil {
			for _, v := range secretsOf(value{raw: text}) {
				if v.kind() == kindString {
					p.kept[v.path.exact()] = v.raw
				}
			}
		}
	}
	raw, ok = p.kept[at.exact()]
	return raw, ok
}

// redactions replaces the secrets of a document's plugins, those of its operations
// included.
func redactions(root value) []edit {
	var edits []edit
	for _, v := range secretsOf(root) {
		edits = append(edits, edit{v.at, v.at + len(v.raw), quote(SecretPlaceholder)})
	}
	return edits
}

// secretsOf lists the secrets of a document's plugins.
func secretsOf(root value) (list []value) {
	roots := append(find([]value{root}, []string{"paths"}, nil, nil), root)
	for _, plugins := range find(roots, []string{Extension, extensionAlias}, []string{"plugins"}) {
		list = append(list, hidden(plugins)...)
	}
	return list
}

// hidden lists the secrets in a value, however deep.
func hidden(v value) (list []value) {
	switch v.kind() {
	case kindObject:
		for _, m := range v.members() {
			if IsSecret(ownerOf(v.path), m.key) {
				list = append(list, m.value)
			} else {
				list = append(list, hidden(m.value)...)
			}
		}
	case kindArray:
		for _, item := range v.items() {
			list = append(list, hidden(item)...)
		}
	}
	return list
}
