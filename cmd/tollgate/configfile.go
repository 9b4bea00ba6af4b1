package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/tollgate/tollgate/cmd/internal/cli"
	"github.com/tollgate/tollgate/node"
)

// maxConfigBytes bounds a configuration file: a bigger one is the wrong file.
const maxConfigBytes = 1 << 20

// fromFile reads a YAML file of settings. A key that is none is refused: a
// misspelt setting must not quietly keep its default.
func fromFile(path string) (source, error) {
	src := source{func(s node.Setting) string { return s.Name + " in " + path }, map[string]any{}}
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
	bad := func(where *yaml.Node, format string, args ...any) {
		errs = append(errs, fmt.Errorf("%s:%d: %s", path, where.Line, fmt.Sprintf(format, args...)))
	}
	for i := 0; i+1 < len(root.Content); i += 2 {
		key, at := root.Content[i], root.Content[i+1]
		s, known := node.SettingNamed(key.Value)
		if slices.Contains(formerSettings, key.Value) {
			bad(key, "%s %s", key.Value, formerText)
			continue
		}
		if !known {
			bad(key, "unknown setting %q%s", key.Value, didYouMean(key.Value))
			continue
		}
		if _, twice := src.values[s.Name]; twice {
			bad(key, "%s is given twice", s.Name)
			continue
		}
		value, err := fromYAML(s, at)
		if err != nil {
			bad(at, "%s %v", s.Name, err)
			continue
		}
		src.values[s.Name] = value
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
func fromYAML(s node.Setting, at *yaml.Node) (any, error) {
	if at.Kind == yaml.AliasNode {
		at = at.Alias
	}
	if at.Kind == yaml.SequenceNode && s.Kind.IsList() {
		return listFromYAML(at)
	}
	if at.Kind != yaml.ScalarNode {
		return nil, fmt.Errorf("must be %s, is %s", nounFor(s), nounOf(at))
	}
	switch at.Tag {
	case "!!null":
		return nil, errors.New("has no value; leave the line out, or give one")
	case "!!bool":
		if s.Kind != node.Toggle {
			return nil, fmt.Errorf("must be %s, is true or false; put it in quotes if it is meant", nounFor(s))
		}
	default:
		if s.Kind == node.Toggle {
			return nil, fmt.Errorf("must be true or false, is %q", at.Value)
		}
	}
	return s.Parse(at.Value)
}

func listFromYAML(at *yaml.Node) (any, error) {
	list := make([]string, len(at.Content))
	for i, item := range at.Content {
		if item.Kind != yaml.ScalarNode || item.Tag != "!!str" || item.Value == "" {
			return nil, fmt.Errorf("must be a list of texts; item %d is none", i+1)
		}
		list[i] = item.Value
	}
	return list, nil
}

// nounFor is what the setting wants, in words.
func nounFor(s node.Setting) string {
	switch s.Kind {
	case node.Toggle:
		return "true or false"
	case node.Duration:
		return "a duration such as 2s"
	case node.Number:
		return "a whole number"
	case node.Ratio:
		return "a number from 0 to 1"
	case node.Bytes:
		return "a size such as 10MiB"
	}
	if s.Kind.IsList() {
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

// didYouMean names the setting that a key is nearest to, or all of them.
func didYouMean(key string) string {
	if near := cli.Nearest(key, node.SettingNames()); near != "" {
		return fmt.Sprintf("; did you mean %q?", near)
	}
	return "; known are " + strings.Join(node.SettingNames(), ", ")
}
