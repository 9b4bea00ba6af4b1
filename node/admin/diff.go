package admin

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/tollgate/tollgate/node/admin/api"
	"github.com/tollgate/tollgate/store/catalog"
)

const (
	// maxChanges bounds how many changes of a diff are listed.
	maxChanges = 1000
	// maxPathKey bounds, in bytes, how much of a name stands in a path: each
	// change repeats the names above it.
	maxPathKey = 200
)

// diffDomain compares the draft with what is live, or two revisions.
func (s *server) diffDomain(r *request) (any, error) {
	entry, err := s.entry(r)
	if err != nil {
		return nil, err
	}
	if r.query["from"] != "" || r.query["to"] != "" {
		return diffRevisions(r, &entry)
	}
	return difference(entry)
}

// difference compares an entry's draft with what is live of it.
func difference(entry catalog.Entry) (api.Diff, error) {
	out := api.Diff{Key: entry.Key, DraftRevision: entry.Draft.Number, Changes: []api.Change{}}
	if entry.Deployed.Number == 0 {
		return out, nil
	}
	out.DeployedRevision = &entry.Deployed.Number
	c, err := compareRevisions(entry.Key, entry.Draft, entry.Deployed)
	if err != nil {
		return out, err
	}
	out.Changes, out.Truncated, out.Equal = c.changes, c.truncated, len(c.changes) == 0
	return out, nil
}

// compareRevisions compares two revisions of a domain.
func compareRevisions(key string, draft, deployed catalog.Revision) (comparison, error) {
	c := comparison{changes: []api.Change{}}
	if bytes.Equal(draft.Document, deployed.Document) && draft.Size == deployed.Size {
		return c, nil
	}
	a, err := tree(key, draft)
	if err != nil {
		return c, err
	}
	b, err := tree(key, deployed)
	if err != nil {
		return c, err
	}
	c.compare("$", false, "", a, b)
	return c, nil
}

// tree is a stored document as Go values, its numbers as they are written.
func tree(key string, rev catalog.Revision) (root any, err error) {
	stored, err := storedDocument(key, rev)
	if err != nil {
		return nil, err
	}
	dec := json.NewDecoder(bytes.NewReader(stored))
	dec.UseNumber()
	if err := dec.Decode(&root); err != nil {
		return nil, fmt.Errorf("domain %q, revision %d: the stored document is not readable: %w", key, rev.Number, err)
	}
	return root, nil
}

// absent is what one document has where only the other has a value; null is a
// value.
type absent struct{}

// comparison gathers changes up to maxChanges.
type comparison struct {
	changes   []api.Change
	truncated bool
}

// compare goes through two documents side by side. secret tells that what
// stands at path, in the field owner, must not be shown.
func (c *comparison) compare(path string, secret bool, owner string, draft, deployed any) {
	if c.truncated {
		return
	}
	if !secret {
		switch a := draft.(type) {
		case map[string]any:
			if b, ok := deployed.(map[string]any); ok {
				c.objects(path, owner, a, b)
				return
			}
		case []any:
			if b, ok := deployed.([]any); ok {
				c.arrays(path, owner, a, b)
				return
			}
		}
	}
	switch {
	case same(draft, deployed):
	case len(c.changes) == maxChanges:
		c.truncated = true
	default:
		c.changes = append(c.changes, api.Change{Path: path, Draft: shown(secret, owner, draft), Deployed: shown(secret, owner, deployed)})
	}
}

func (c *comparison) objects(path, owner string, draft, deployed map[string]any) {
	names := slices.AppendSeq(slices.Collect(maps.Keys(draft)), maps.Keys(deployed))
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		c.compare(path+step(name), catalog.IsSecret(owner, name), name, member(draft, name), member(deployed, name))
	}
}

func (c *comparison) arrays(path, owner string, draft, deployed []any) {
	for i := range max(len(draft), len(deployed)) {
		c.compare(path+"["+strconv.Itoa(i)+"]", false, owner, item(draft, i), item(deployed, i))
	}
}

func member(o map[string]any, name string) any {
	if v, ok := o[name]; ok {
		return v
	}
	return absent{}
}

func item(list []any, i int) any {
	if i < len(list) {
		return list[i]
	}
	return absent{}
}

// same compares what is not a pair of objects or of arrays, unless it is a
// secret of a form that no stored document has.
func same(a, b any) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return a != absent{} && b != absent{} && errX == nil && errY == nil && bytes.Equal(x, y)
}

// shown is a value as it may be shown, nil for none.
func shown(secret bool, owner string, v any) json.RawMessage {
	if v == (absent{}) {
		return nil
	}
	if secret {
		v = catalog.SecretPlaceholder
	}
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)                 // as the answer around it
	if enc.Encode(masked(owner, v)) != nil { // what JSON was read from it can be written to
		return nil
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n"))
}

// masked is the value of a field without the secrets in it, wherever they are. It
// changes v.
func masked(owner string, v any) any {
	switch v := v.(type) {
	case map[string]any:
		for name, value := range v {
			if catalog.IsSecret(owner, name) {
				v[name] = catalog.SecretPlaceholder
			} else {
				v[name] = masked(name, value)
			}
		}
	case []any:
		for i := range v {
			v[i] = masked(owner, v[i])
		}
	}
	return v
}

var pathQuoter = strings.NewReplacer(`\`, `\\`, `'`, `\'`)

// step is a member's part of a path.
func step(name string) string {
	if plainName.MatchString(name) && len(name) <= maxPathKey {
		return "." + name
	}
	if len(name) > maxPathKey {
		name = strings.ToValidUTF8(name[:maxPathKey], "") + "…"
	}
	return "['" + pathQuoter.Replace(name) + "']"
}
