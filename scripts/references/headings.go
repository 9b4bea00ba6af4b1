package main

import (
	"regexp"
	"strconv"
	"strings"
)

var (
	heading = regexp.MustCompile(`^#{1,6} +(.*?) *$`)
	// sectionNumber begins a heading: "12.", "0.2", "2(a)", "3.4".
	sectionNumber = regexp.MustCompile(`^(\d+(?:\.\d+)?(?:\([a-z]\))?)\.?(?: |$)`)
	tableRow      = regexp.MustCompile(`^\| *(\d+) *\|`)
	listItem      = regexp.MustCompile(`^(\d+)\. `)
	noSlug        = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
)

// sectionsOf are the numbers of a page's sections.
func sectionsOf(page string) map[string]bool {
	sections := map[string]bool{}
	for number := range rowsOf(page) {
		sections[number] = true
	}
	return sections
}

// rowsOf are the numbers of the rows and items in each numbered section of a
// page, those of the sections below it not counted.
func rowsOf(page string) map[string]map[int]bool {
	sections := map[string]map[int]bool{}
	var rows map[int]bool
	for line := range strings.Lines(page) {
		line = strings.TrimRight(line, "\n")
		if h := heading.FindStringSubmatch(line); h != nil {
			rows = nil
			if n := sectionNumber.FindStringSubmatch(h[1]); n != nil {
				rows = map[int]bool{}
				sections[n[1]] = rows
			}
			continue
		}
		if rows == nil {
			continue
		}
		for _, form := range []*regexp.Regexp{tableRow, listItem} {
			if m := form.FindStringSubmatch(line); m != nil {
				if n, err := strconv.Atoi(m[1]); err == nil {
					rows[n] = true
				}
			}
		}
	}
	return sections
}

// anchorsOf are the names by which links lead to a page's headings, as GitHub
// and others make them.
func anchorsOf(page string) map[string]bool {
	anchors := map[string]bool{}
	for line := range strings.Lines(page) {
		if h := heading.FindStringSubmatch(strings.TrimRight(line, "\n")); h != nil {
			slug := strings.ToLower(noSlug.ReplaceAllString(h[1], ""))
			anchors[strings.ReplaceAll(slug, " ", "-")] = true
		}
	}
	return anchors
}
