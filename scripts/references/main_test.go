package main

import (
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

// TestReferences: what is cited is found where it is, also over the end of a
// line, and told of with its line where it is not.
func TestReferences(t *testing.T) {
	pages := map[string]string{
		contractFile:      "# The contract\n\n## 1. Words\n\n## 12. More\n",
		pitfallsFile:      "## 0.2 Findings\n1. one\n\n### 2(a) HTTP\n| 1 | x |\n| 2 | y |\n\n### 2(c) JWT\n\n## 4. Inputs\n| 9 | z |\n",
		"store/DESIGN.md": "# store\n",
	}
	for name, c := range map[string]struct {
		file, content string
		want          []string
	}{
		"all there":          {"store/a.go", "package a // spec sections 1 and 12; pitfalls 2(a) 1 to 2; pitfalls 2(c); pitfalls section 4, rows 9; pitfalls 0.2 1. See DESIGN.md, store/DESIGN.md and docs/contract.md.\n", nil},
		"no section":         {"store/a.go", "package a\n\n// A is (spec\n// section 13).\nconst A = 1\n", []string{"store/a.go:3: docs/contract.md has no section 13"}},
		"one of two":         {"store/a.go", "package a // spec section 1 and 3\n", []string{"store/a.go:1: docs/contract.md has no section 3"}},
		"no row":             {"store/a.go", "package a\n\n// See pitfalls 2(a) 1, 2 and\n// 3.\n", []string{"store/a.go:3: section 2(a) of docs/pitfalls.md has no row 3"}},
		"no pitfalls":        {"store/a.go", "package a // pitfalls 2(b) 1\n", []string{"store/a.go:1: docs/pitfalls.md has no section 2(b)"}},
		"a row of what":      {"store/a.go", "package a // (row 9)\n", []string{"store/a.go:1: say of what: pitfalls SECTION ROW"}},
		"no file":            {"cluster/a.go", "package a // see DESIGN.md\n", []string{"cluster/a.go:1: there is no DESIGN.md"}},
		"no page":            {"cluster/a.go", "package a // see docs/seed.txt\n", []string{"cluster/a.go:1: there is no docs/seed.txt"}},
		"a string":           {"store/a.go", "package a\n\nconst x = \"spec section 99, NONE.md\"\n", nil},
		"elsewhere":          {"store/a.go", "package a // https://example.com/x/README.md\n", nil},
		"Makefile":           {"Makefile", "x: ## see docs/none.md\n", []string{"Makefile:1: there is no docs/none.md"}},
		"links":              {"docs/x.md", "[a](contract.md) [b](../store/DESIGN.md#store) [c](#top) [d](https://e.example/x.md)\n\n# Top\n", nil},
		"broken link":        {"docs/x.md", "ok\n[a](design.md)\n", []string{"docs/x.md:2: there is no docs/design.md"}},
		"broken anchor":      {"docs/x.md", "[a](contract.md#12-less)\n", []string{"docs/x.md:1: docs/contract.md has no heading #12-less"}},
		"an anchor of many":  {"docs/x.md", "[a](contract.md#12-more)\n", nil},
		"a page that cites":  {"docs/x.md", "See spec section 13.\n", []string{"docs/x.md:1: docs/contract.md has no section 13"}},
		"made by a compiler": {"store/a.pb.go", "package a // spec section 99\n", nil},
	} {
		files := fstest.MapFS{}
		for file, content := range pages {
			files[file] = &fstest.MapFile{Data: []byte(content)}
		}
		files[c.file] = &fstest.MapFile{Data: []byte(c.content)}
		got, err := check(files, []string{c.file, "gone.go"})
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%s:\n got %s, %v\nwant %s", name, strings.Join(got, "\n"), err, strings.Join(c.want, "\n"))
		}
	}
}

func TestNothingToCiteFrom(t *testing.T) {
	if _, err := check(fstest.MapFS{}, nil); err == nil {
		t.Error("a repository without the contract passes")
	}
}

// TestRepository: nothing that is cited here is missing.
func TestRepository(t *testing.T) {
	bad, err := run("../..")
	if err != nil {
		t.Skipf("no git here: %v", err)
	}
	for _, line := range bad {
		t.Error(line)
	}
}
