package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// root is the module's, seen from here.
const root = "../.."

// block is a fenced block of a page.
type block struct {
	page string
	line int // where its text begins
	// language and note are what stands behind the fence: "sh", "sh by hand".
	language, note string
	// heading is the last one above it.
	heading string
	text    string
}

// readPage is a page of the repository.
func readPage(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// blocks are the fenced blocks of a page.
func blocks(t *testing.T, name string) []block {
	t.Helper()
	var all []block
	var open *block
	heading := ""
	number := 0
	for line := range strings.Lines(readPage(t, name)) {
		number++
		fence, isFence := strings.CutPrefix(strings.TrimRight(line, "\n"), "```")
		switch {
		case isFence && open == nil:
			language, note, _ := strings.Cut(fence, " ")
			open = &block{page: name, line: number + 1, language: language, note: note, heading: heading}
		case isFence:
			all = append(all, *open)
			open = nil
		case open != nil:
			open.text += line
		case strings.HasPrefix(line, "#"):
			heading = strings.TrimSpace(strings.TrimLeft(line, "#"))
		}
	}
	if open != nil {
		t.Fatalf("%s:%d: the fence is never closed", name, open.line)
	}
	return all
}

// code is text of a page between backquotes.
var code = regexp.MustCompile("`([^`\n]+)`")

// inlineCode is what stands between backquotes in a page, outside of its blocks.
func inlineCode(t *testing.T, name string) []string {
	t.Helper()
	fenced := false
	var all []string
	for line := range strings.Lines(readPage(t, name)) {
		if strings.HasPrefix(line, "```") {
			fenced = !fenced
			continue
		}
		if fenced {
			continue
		}
		for _, m := range code.FindAllStringSubmatch(line, -1) {
			all = append(all, m[1])
		}
	}
	return all
}
