package catalog

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// This file turns YAML into the JSON text that the rest of the package reads:
// keys in the author's order, numbers as they are spelled, anchors and merge
// keys written out. Comments are lost.

// yamlToJSON is the one document of a YAML text as compact JSON.
func yamlToJSON(raw []byte) (string, error) {
	decoder := yaml.NewDecoder(bytes.NewReader(raw))
	var document, more yaml.Node
	if err := decoder.Decode(&document); errors.Is(err, io.EOF) {
		return "", rootProblem("the document is empty: must be %s", wantDocument)
	} else if err != nil {
		return "", notYAML(err)
	}
	switch err := decoder.Decode(&more); {
	case err == nil:
		return "", rootProblem("the text holds more than one document: line %d begins a second one; keep one", more.Line)
	case !errors.Is(err, io.EOF):
		return "", notYAML(err)
	}
	y := yamlReader{}
	if err := y.value(&document, 0); err != nil {
		return "", err
	}
	return y.out.String(), nil
}

func notYAML(err error) error {
	return rootProblem("not YAML: %s; must be %s", strings.TrimPrefix(err.Error(), "yaml: "), wantDocument)
}

// yamlReader writes nodes as JSON.
type yamlReader struct {
	out strings.Builder
	// steps counts visited nodes and merged members: anchors can make a small
	// text a large tree, and much work of one that comes to nothing.
	steps int
}

// check bounds what anchors come to: a document is at most as large with them
// written out as without.
func (y *yamlReader) check(n *yaml.Node, depth int) error {
	y.steps++
	switch {
	case depth > MaxDepth+1:
		return rootProblem("line %d is nested too deep: at most %d levels of objects and arrays are allowed", n.Line, MaxDepth)
	case y.steps > MaxDocumentBytes || y.out.Len() > MaxDocumentBytes:
		return rootProblem("the document has more than %d bytes as JSON with its anchors written out, at most %d are allowed", MaxDocumentBytes, MaxDocumentBytes)
	}
	return nil
}

func (y *yamlReader) value(n *yaml.Node, depth int) error {
	if err := y.check(n, depth); err != nil {
		return err
	}
	switch n.Kind {
	case yaml.DocumentNode:
		return y.value(n.Content[0], depth)
	case yaml.AliasNode:
		return y.value(n.Alias, depth+1) // an alias may lead to itself
	case yaml.MappingNode:
		return y.mapping(n, depth)
	case yaml.SequenceNode:
		y.out.WriteByte('[')
		for i, item := range n.Content {
			if i > 0 {
				y.out.WriteByte(',')
			}
			if err := y.value(item, depth+1); err != nil {
				return err
			}
		}
		y.out.WriteByte(']')
		return nil
	}
	y.out.WriteString(scalarJSON(n))
	return nil
}

func (y *yamlReader) mapping(n *yaml.Node, depth int) error {
	pairs, err := y.pairs(n, depth)
	if err != nil {
		return err
	}
	y.out.WriteByte('{')
	for i, pair := range pairs {
		if i > 0 {
			y.out.WriteByte(',')
		}
		y.out.WriteString(quote(pair.key))
		y.out.WriteByte(':')
		if err := y.value(pair.value, depth+1); err != nil {
			return err
		}
	}
	y.out.WriteByte('}')
	return nil
}

type yamlPair struct {
	key   string
	value *yaml.Node
}

// pairs lists the members of a mapping, those that its merge keys bring in
// among them. What stands in the mapping itself goes before what is merged.
func (y *yamlReader) pairs(n *yaml.Node, depth int) ([]yamlPair, error) {
	if err := y.check(n, depth); err != nil {
		return nil, err
	}
	var list []yamlPair
	seen := map[string]bool{}
	y.steps += len(n.Content)
	for i := 0; i+1 < len(n.Content); i += 2 {
		if !isMerge(n.Content[i]) {
			key, err := yamlKey(n.Content[i])
			if err != nil {
				return nil, err
			}
			seen[key] = true
		}
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if isMerge(n.Content[i]) {
			merged, err := y.merged(n.Content[i+1], depth+1)
			if err != nil {
				return nil, err
			}
			y.steps += len(merged)
			for _, pair := range merged {
				if !seen[pair.key] {
					seen[pair.key] = true
					list = append(list, pair)
				}
			}
			continue
		}
		key, err := yamlKey(n.Content[i])
		if err != nil {
			return nil, err
		}
		list = append(list, yamlPair{key, n.Content[i+1]})
	}
	return list, nil
}

// merged lists what the value of a merge key brings in: a mapping, or several
// of which the first goes before.
func (y *yamlReader) merged(n *yaml.Node, depth int) ([]yamlPair, error) {
	if err := y.check(n, depth); err != nil {
		return nil, err
	}
	switch n.Kind {
	case yaml.AliasNode:
		return y.merged(n.Alias, depth+1)
	case yaml.MappingNode:
		return y.pairs(n, depth)
	case yaml.SequenceNode:
		var list []yamlPair
		for _, item := range n.Content {
			pairs, err := y.merged(item, depth+1)
			if err != nil {
				return nil, err
			}
			list = append(list, pairs...)
		}
		return list, nil
	}
	return nil, rootProblem("not YAML: line %d: a merge key << takes a mapping or a list of them", n.Line)
}

func isMerge(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!merge" }

// yamlKey is a key as JSON has it: the text as it is spelled, 200 as "200".
func yamlKey(n *yaml.Node) (string, error) {
	for range MaxDepth {
		if n.Kind != yaml.AliasNode {
			break
		}
		n = n.Alias
	}
	if n.Kind != yaml.ScalarNode {
		return "", rootProblem("not YAML that JSON can hold: line %d: a key must be a text, not a list or a mapping", n.Line)
	}
	return n.Value, nil
}

// jsonNumber is RFC 8259's number.
var jsonNumber = regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$`)

// scalarJSON is a scalar as JSON has it. A date is a text there, and so is a
// number that JSON cannot hold.
func scalarJSON(n *yaml.Node) string {
	switch tag := n.ShortTag(); tag {
	case "!!null":
		return "null"
	case "!!bool":
		return strconv.FormatBool(strings.EqualFold(n.Value, "true"))
	case "!!int", "!!float":
		if jsonNumber.MatchString(n.Value) {
			return n.Value
		}
		var number any
		if err := n.Decode(&number); err == nil {
			if text := fmt.Sprint(number); jsonNumber.MatchString(text) {
				return text
			}
		}
	}
	return quote(n.Value)
}
