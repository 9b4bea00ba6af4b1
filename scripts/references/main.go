// Command references fails if a comment or a page cites what is not there: a
// section of the contract ("spec section 10"), a row of the pitfalls ("pitfalls
// 2(a) 41"), a file (store/DESIGN.md), or, in Markdown, a relative link.
package main

import (
	"fmt"
	"os"
	"os/exec"
	"path"
	"strings"
)

// Where the cited documents are.
const (
	contractFile = "docs/contract.md"
	pitfallsFile = "docs/pitfalls.md"
)

func main() {
	bad, err := run(".")
	if err != nil {
		fmt.Fprintln(os.Stderr, "references:", err)
		os.Exit(1)
	}
	for _, line := range bad {
		fmt.Fprintln(os.Stderr, line)
	}
	if len(bad) > 0 {
		os.Exit(1)
	}
}

// run checks all files of the repository at root that git knows or would add.
func run(root string) ([]string, error) {
	cmd := exec.Command("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("git ls-files: %w", err)
	}
	return check(os.DirFS(root), strings.Split(strings.TrimRight(string(out), "\x00"), "\x00"))
}

// texts are the parts of a file in which something can be cited.
func texts(name string, content []byte) ([]text, error) {
	switch {
	case strings.Contains(name, "/testdata/"):
		return nil, nil
	case strings.HasSuffix(name, ".pb.go"):
		return nil, nil // made from a .proto file, with its comments
	case strings.HasSuffix(name, ".go"):
		return comments(name, content)
	case path.Ext(name) == ".md":
		return []text{{1, string(content)}}, nil
	case path.Ext(name) == ".proto" || path.Ext(name) == ".yaml" || path.Base(name) == "Makefile" || path.Base(name) == "Dockerfile":
		return []text{{1, string(content)}}, nil
	}
	return nil, nil
}
