package main

import (
	"bytes"
	"fmt"

	"go.yaml.in/yaml/v3"

	"github.com/tollgate/tollgate/cmd/internal/cli"
	"github.com/tollgate/tollgate/node"
)

// flagCheck has a node's settings checked and shown instead of run.
const flagCheck = "check"

// maskedSecret stands for a secret where settings are shown.
const maskedSecret = "********"

// checkNode looks for what would keep the node from starting, and prints what it
// would run with: a file that --config takes, each line with where it comes from.
func (a *app) checkNode(all *settings, cfg node.Config) error {
	if err := node.Check(&cfg); err != nil {
		return &cli.UsageError{Err: headline(err)}
	}
	var rows [][2]string
	widest := 0
	for _, s := range node.Settings {
		at, ok := all.given[s.Name]
		switch {
		case !ok: // the key came by another way
			rows = append(rows, [2]string{"# the cluster's key: " + maskedSecret, envClusterKey})
			continue
		case s.Value(&cfg) != nil:
			at.value = s.Value(&cfg) // with what a default follows from
		}
		text, err := yamlLine(s, at.value)
		if err != nil {
			return err
		}
		if text == "" {
			continue
		}
		widest = max(widest, len(text))
		rows = append(rows, [2]string{text, at.from})
	}
	var out bytes.Buffer
	for _, row := range rows {
		fmt.Fprintf(&out, "%-*s  # %s\n", widest, row[0], row[1])
	}
	return a.Print(out.Bytes())
}

// yamlLine is a setting as the configuration file has it, "" where it is empty.
func yamlLine(s node.Setting, value any) (string, error) {
	switch v := value.(type) {
	case nil:
		return "", nil
	case string:
		if v == "" {
			return "", nil
		}
	case []string:
		if len(v) == 0 {
			return "", nil
		}
		item, err := flowList(v)
		return s.Name + ": " + item, err
	case bool:
	default:
		value = fmt.Sprint(v) // a duration or a number as people write it
		return fmt.Sprintf("%s: %s", s.Name, value), nil
	}
	line, err := yaml.Marshal(map[string]any{s.Name: value})
	return string(bytes.TrimSpace(line)), err
}

// flowList is a list in one line of YAML.
func flowList(list []string) (string, error) {
	var node yaml.Node
	if err := node.Encode(list); err != nil {
		return "", err
	}
	node.Style = yaml.FlowStyle
	line, err := yaml.Marshal(&node)
	return string(bytes.TrimSpace(line)), err
}
