package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"go.yaml.in/yaml/v3"
)

// maxConfigBytes bounds a configuration file: a bigger one is the wrong file.
const maxConfigBytes = 1 << 20

// fromFile reads a YAML file of settings. A key that is none is refused: a
// misspelt setting must not quietly keep its default.
func fromFile(path string) (source, error) {
	src := source{func(s setting) string { return s.name + " in " + path }, map[string]any{}}
	if path == "" {
		return src, nil
	}
	root, err := readYAML(path)
	if err != nil {
		return src, fmt.Errorf("--config %s: %w", path, err)
	}
	if root == nil {
		return src, nil
	}
	var errs []error
	bad := func(at *yaml.Node, format string, args ...any) {
		errs = append(errs, fmt.Errorf("%s:%d: %s", path, at.Line, fmt.Sprintf(format, args...)))
	}
	for i := 0; i+1 < len(root.Content); i += 2 {
		key, node := root.Content[i], root.Content[i+1]
		s, known := settingNamed(key.Value)
		if !known {
			bad(key, "unknown setting %q%s", key.Value, didYouMean(key.Value))
			continue
		}
		if _, twice := src.values[s.name]; twice {
			bad(key, "%s is given twice", s.name)
			continue
		}
		value, err := s.fromYAML(node)
		if err != nil {
			bad(node, "%s %v", s.name, err)
			continue
		}
		src.values[s.name] = value
	}
	return src, errors.Join(errs...)
}

// readYAML is the mapping at the root of a file, nil if the file is empty.
func readYAML(path string) (*yaml.Node, error) {
	f, err := os.Open(path)
	if err != nil {
		var at *os.PathError
		if errors.As(err, &at) {
			err = at.Err // the path is in the caller's message
		}
		return nil, err
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, maxConfigBytes+1))
	if err != nil {
		return nil, err
	}
	if len(raw) > maxConfigBytes {
		return nil, fmt.Errorf("is larger than %d bytes: is it the right file?", maxConfigBytes)
	}
	dec := yaml.NewDecoder(bytes.NewReader(raw))
	var doc, second yaml.Node
	if err := dec.Decode(&doc); errors.Is(err, io.EOF) {
		return nil, nil
	} else if err != nil {
		return nil, fmt.Errorf("is not YAML: %s", strings.TrimPrefix(err.Error(), "yaml: "))
	}
	if err := dec.Decode(&second); !errors.Is(err, io.EOF) {
		return nil, errors.New("must be one YAML document")
	}
	root := doc.Content[0]
	if root.Kind == yaml.ScalarNode && root.Tag == "!!null" {
		return nil, nil
	}
	if root.Kind != yaml.MappingNode {
		return nil, errors.New("must be lines of \"setting: value\", such as \"id: n1\"")
	}
	return root, nil
}

// fromYAML reads the setting from a node of a file. Where text is wanted a
// number will do: it stands there as it was written.
func (s setting) fromYAML(node *yaml.Node) (any, error) {
	if node.Kind == yaml.AliasNode {
		node = node.Alias
	}
	if node.Kind == yaml.SequenceNode && s.kind == kindList {
		return listFromYAML(node)
	}
	if node.Kind != yaml.ScalarNode {
		return nil, fmt.Errorf("must be %s, is %s", s.noun(), nounOf(node))
	}
	switch node.Tag {
	case "!!null":
		return nil, errors.New("has no value; leave the line out, or give one")
	case "!!bool":
		if s.kind != kindToggle {
			return nil, fmt.Errorf("must be %s, is true or false; put it in quotes if it is meant", s.noun())
		}
	default:
		if s.kind == kindToggle {
			return nil, fmt.Errorf("must be true or false, is %q", node.Value)
		}
	}
	return s.parse(node.Value)
}

func listFromYAML(node *yaml.Node) (any, error) {
	list := make([]string, len(node.Content))
	for i, item := range node.Content {
		if item.Kind != yaml.ScalarNode || item.Tag != "!!str" || item.Value == "" {
			return nil, fmt.Errorf("must be a list of texts; item %d is none", i+1)
		}
		list[i] = item.Value
	}
	return list, nil
}

// noun is what the setting wants, in words.
func (s setting) noun() string {
	switch s.kind {
	case kindToggle:
		return "true or false"
	case kindDuration:
		return "a duration such as 2s"
	case kindNumber:
		return "a whole number"
	case kindSize:
		return "a size such as 10MiB"
	case kindList:
		return "a list"
	}
	return "a text"
}

func nounOf(node *yaml.Node) string {
	if node.Kind == yaml.SequenceNode {
		return "a list"
	}
	return "a group of settings"
}

// didYouMean helps where only the spelling of a name differs.
func didYouMean(key string) string {
	plain := func(s string) string {
		return strings.ToLower(strings.NewReplacer("-", "", "_", "", ".", "").Replace(s))
	}
	for _, s := range nodeSettings {
		if plain(s.name) == plain(key) {
			return fmt.Sprintf("; did you mean %q?", s.name)
		}
	}
	names := make([]string, len(nodeSettings))
	for i, s := range nodeSettings {
		names[i] = s.name
	}
	return "; known are " + strings.Join(names, ", ")
}
