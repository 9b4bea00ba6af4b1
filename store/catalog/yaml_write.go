package catalog

import (
	"bytes"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"
)

// ExportYAML is Export in YAML. Where YAML would be larger than
// MaxDocumentBytes, or would not be read back as the same document, it is the
// JSON that Export gives, which is YAML as well.
func ExportYAML(stored []byte, secrets bool) []byte {
	text, ok := exported(stored, secrets)
	if !ok {
		return nil
	}
	text = respell(text)
	var b bytes.Buffer
	encoder := yaml.NewEncoder(&b)
	encoder.SetIndent(2)
	err := encoder.Encode(yamlNode(value{raw: text}))
	if err == nil {
		err = encoder.Close()
	}
	if err == nil && b.Len() <= MaxDocumentBytes {
		if again, err := yamlToJSON(b.Bytes()); err == nil && again == text {
			return b.Bytes()
		}
	}
	return indented(text)
}

// respell gives every string of a JSON text the spelling that quote gives it.
func respell(text string) string {
	if !strings.Contains(text, `\`) {
		return text
	}
	var b strings.Builder
	for pos := 0; pos < len(text); {
		if text[pos] != '"' {
			b.WriteByte(text[pos])
			pos++
			continue
		}
		end := skipString(text, pos)
		b.WriteString(quote(decodeString(text[pos:end])))
		pos = end
	}
	return b.String()
}

func yamlNode(v value) *yaml.Node {
	switch v.kind() {
	case kindObject:
		n := &yaml.Node{Kind: yaml.MappingNode}
		for _, m := range v.members() {
			n.Content = append(n.Content, yamlText(m.key), yamlNode(m.value))
		}
		if n.Content == nil {
			n.Style = yaml.FlowStyle
		}
		return n
	case kindArray:
		n := &yaml.Node{Kind: yaml.SequenceNode}
		for _, item := range v.items() {
			n.Content = append(n.Content, yamlNode(item))
		}
		if n.Content == nil {
			n.Style = yaml.FlowStyle
		}
		return n
	case kindString:
		return yamlText(v.text())
	}
	return &yaml.Node{Kind: yaml.ScalarNode, Value: v.raw}
}

// elsewhere are texts that readers of YAML 1.1 take for something else.
var elsewhere = regexp.MustCompile(`^(?i:y|yes|n|no|on|off)$|^[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+`)

// yamlText is a text, in quotes where it could be taken for something else.
func yamlText(s string) *yaml.Node {
	n := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: s}
	switch {
	case elsewhere.MatchString(s):
		n.Style = yaml.SingleQuotedStyle
	case !strings.Contains(s, "\n"):
	case strings.ContainsAny(s, "\r\t\u0085\u2028\u2029\ufeff") || strings.HasPrefix(s, " ") || strings.HasPrefix(s, "\n") ||
		strings.Contains(s, " \n") || strings.TrimSpace(s) == "":
		n.Style = yaml.DoubleQuotedStyle
	default:
		n.Style = yaml.LiteralStyle
	}
	return n
}
