package node

import (
	"fmt"
	"strings"
)

// referenceHead is what stands above the table of docs/settings.md.
const referenceHead = "# Settings of a node\n\n" +
	"Made from the declaration in node/settingslist.go (`make docs`).\n\n" +
	"Each setting is the flag `--NAME` of `tollgate node`, an environment variable, `TOLLGATE_` and the name in capitals with `_`\n" +
	"for `-`, and a key of the YAML file that `--config` names. A flag overrules the environment, the environment the file.\n" +
	"`tollgate node --check` prints what a node would run with, and where each value comes from.\n\n" +
	"Durations are as `500ms`, `2s`, `1m30s`; sizes are bytes, or as `64KiB`, `10MiB`, `1GiB`.\n\n" +
	"| setting | kind | default | bounds | meaning |\n|---|---|---|---|---|\n"

// Reference is the table of all settings, in Markdown.
func Reference() string {
	var b strings.Builder
	b.WriteString(referenceHead)
	for _, s := range Settings {
		kind := string(s.Kind)
		if s.OneOf != nil {
			kind = "one of"
		}
		byDefault := ""
		if s.Default != nil && s.Default != false {
			byDefault = fmt.Sprint(s.Default)
		}
		meaning := s.Help
		if s.Note != "" {
			meaning += ". " + s.Note
		}
		fmt.Fprintf(&b, "| `--%s` | %s | %s | %s | %s |\n", s.Name, kind, byDefault, s.Bounds(), strings.ReplaceAll(meaning, "|", `\|`))
	}
	return b.String()
}
