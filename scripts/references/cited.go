package main

import (
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"regexp"
	"strconv"
	"strings"
)

// text is a piece of a file that begins at a line.
type text struct {
	line int
	text string
}

// comments are the groups of comments of a Go file, each in one piece: what they
// cite may go over the end of a line.
func comments(name string, source []byte) ([]text, error) {
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, name, source, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	var all []text
	for _, group := range file.Comments {
		all = append(all, text{files.Position(group.Pos()).Line, group.Text()})
	}
	return all, nil
}

const (
	number = `\d+(?:\.\d+)?`
	// rows are "41", "10 to 13, 20 to 22", "4 and 5".
	rows = `\d+(?: to \d+)?(?:(?:, | and )\d+(?: to \d+)?)*`
)

var (
	specSection = regexp.MustCompile(`\bspec sections? (\d+(?:(?:, | and | to )\d+)*)`)
	pitfall     = regexp.MustCompile(`\bpitfalls (?:section )?(` + number + `(?:\([a-z]\))?)(?:,? (?:injections? |rows? )?(` + rows + `))?`)
	document    = regexp.MustCompile(`(?:[\w.-]+/)*[\w.-]+\.md\b|\bdocs/[\w./-]*\w`)
	link        = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	// loose is a row that does not say of which page.
	loose  = regexp.MustCompile(`\((?:rows? \d|pitfall \d)`)
	digits = regexp.MustCompile(`\d+`)
)

// checker knows the documents that are cited.
type checker struct {
	files    fs.FS
	sections map[string]bool         // of the contract
	pitfalls map[string]map[int]bool // rows of each section
	bad      []string
}

// check lists what the named files cite that is not there.
func check(files fs.FS, names []string) ([]string, error) {
	contract, err := fs.ReadFile(files, contractFile)
	if err != nil {
		return nil, err
	}
	pitfalls, err := fs.ReadFile(files, pitfallsFile)
	if err != nil {
		return nil, err
	}
	c := &checker{files: files, sections: sectionsOf(string(contract)), pitfalls: rowsOf(string(pitfalls))}
	for _, name := range names {
		content, err := fs.ReadFile(files, name)
		if err != nil {
			continue // removed, and not yet out of git's index
		}
		pieces, err := texts(name, content)
		if err != nil {
			return nil, err
		}
		for _, piece := range pieces {
			c.look(name, piece)
		}
	}
	return c.bad, nil
}

// look checks one piece of a file.
func (c *checker) look(name string, piece text) {
	fail := func(at int, format string, args ...any) {
		line := piece.line + strings.Count(piece.text[:at], "\n")
		c.bad = append(c.bad, fmt.Sprintf("%s:%d: ", name, line)+fmt.Sprintf(format, args...))
	}
	// A line end is as good as a space, and as long.
	flat := strings.ReplaceAll(piece.text, "\n", " ")
	for _, m := range specSection.FindAllStringSubmatchIndex(flat, -1) {
		for _, n := range digits.FindAllString(flat[m[2]:m[3]], -1) {
			if !c.sections[n] {
				fail(m[0], "%s has no section %s", contractFile, n)
			}
		}
	}
	for _, m := range pitfall.FindAllStringSubmatchIndex(flat, -1) {
		section := flat[m[2]:m[3]]
		known, ok := c.pitfalls[section]
		if !ok {
			fail(m[0], "%s has no section %s", pitfallsFile, section)
			continue
		}
		if m[4] < 0 {
			continue
		}
		for _, n := range digits.FindAllString(flat[m[4]:m[5]], -1) {
			if row, err := strconv.Atoi(n); err != nil || !known[row] {
				fail(m[0], "section %s of %s has no row %s", section, pitfallsFile, n)
			}
		}
	}
	for _, m := range loose.FindAllStringIndex(flat, -1) {
		fail(m[0], "say of what: pitfalls SECTION ROW")
	}
	if path.Ext(name) == ".md" {
		c.lookLinks(name, piece.text, fail)
		return
	}
	for _, m := range document.FindAllStringIndex(flat, -1) {
		file := flat[m[0]:m[1]]
		if m[0] > 0 && (strings.ContainsRune("/*$", rune(flat[m[0]-1])) || strings.Contains(flat[max(0, m[0]-8):m[0]], "://")) {
			continue // of a URL or a pattern
		}
		if !c.exists(path.Join(path.Dir(name), file)) && !c.exists(file) {
			fail(m[0], "there is no %s", file)
		}
	}
}

// lookLinks checks the relative links of a page.
func (c *checker) lookLinks(name, page string, fail func(int, string, ...any)) {
	for _, m := range link.FindAllStringSubmatchIndex(page, -1) {
		target, anchor, _ := strings.Cut(page[m[2]:m[3]], "#")
		if strings.Contains(target, "://") || strings.HasPrefix(target, "mailto:") {
			continue
		}
		file := name
		if target != "" {
			file = path.Join(path.Dir(name), target)
		}
		if !c.exists(file) {
			fail(m[0], "there is no %s", file)
			continue
		}
		if anchor == "" || path.Ext(file) != ".md" {
			continue
		}
		if content, err := fs.ReadFile(c.files, file); err != nil || !anchorsOf(string(content))[anchor] {
			fail(m[0], "%s has no heading #%s", file, anchor)
		}
	}
}

func (c *checker) exists(name string) bool {
	_, err := fs.Stat(c.files, path.Clean(name))
	return err == nil
}
