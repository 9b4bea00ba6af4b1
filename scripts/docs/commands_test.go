package docs

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/tollgate/tollgate/bench/process"
)

// guides are the pages that say what the program does. The contract, the pitfalls
// and the design of quotas are ahead of it, and say so.
var guides = []string{
	"README.md", "docs/start.md", "docs/reference.md", "docs/quotas.md", "docs/integrate.md",
	"docs/operate.md", "docs/measure.md", "docs/faq.md",
}

// byHand is the note of a block of commands that no test can run, such as one
// that needs three machines. It is looked up all the same.
const byHand = "by hand"

// ownTerminal is the note of a block that goes on running while the next ones do:
// make run.
const ownTerminal = "terminal"

// inOwnTerminal runs such a block until it says that it is there.
const inOwnTerminal = `{ %s
} >terminal.log 2>&1 &
until grep -q 'Ctrl-C stops' terminal.log; do kill -0 $! || { cat terminal.log; exit 1; }; sleep 0.1; done
`

// prelude is what a page's commands find: make builds where they run, and the
// commands of tollgate ask the first node.
// What they say on standard error is kept apart from what they print.
const prelude = `set -euo pipefail
exec 2>errors.log
here=$PWD
make() {
	command make -s -C "$ROOT" BIN="$here/bin/tollgate" BASE_PORT="$BASE_PORT" "$@"
	ln -sf "$ROOT/bin/tollgate-bench" bin/
}
mkdir tmp
export TMPDIR=$here/tmp
export TOLLGATE_ADMIN_URL=http://127.0.0.1:9001
`

// TestCommands runs the commands of each page, in its order, in one shell, as a
// reader does who pastes them all at once: against a cluster that has just started.
// A block of text behind the commands is what they print.
func TestCommands(t *testing.T) {
	for _, page := range guides {
		run := runnable(blocks(t, page))
		if len(run) == 0 {
			continue
		}
		t.Run(filepath.Base(page), func(t *testing.T) {
			starts := slices.ContainsFunc(run, func(b block) bool {
				return b.note == ownTerminal || strings.Contains(b.text, "tollgate node")
			})
			if !starts {
				run = append(threeNodes(t), run...)
			}
			runBlocks(t, run)
		})
	}
}

// runnable are the blocks of commands that a test can run, and what they print.
func runnable(all []block) []block {
	var run []block
	printed := false // the block before is one of commands
	for _, b := range all {
		commands := b.language == "sh" && b.note != byHand
		if commands || b.language == "text" && printed {
			run = append(run, b)
		}
		printed = commands
	}
	return run
}

// threeNodes are the blocks that start the cluster of docs/start.md.
func threeNodes(t *testing.T) []block {
	t.Helper()
	for _, b := range blocks(t, "docs/start.md") {
		if b.language == "sh" && strings.Contains(b.text, "tollgate node") {
			return []block{b}
		}
	}
	t.Fatal("docs/start.md starts no nodes")
	return nil
}

// runBlocks runs the commands among the blocks in one shell.
func runBlocks(t *testing.T, run []block) {
	t.Helper()
	p := freePorts(t)
	var script strings.Builder
	script.WriteString(p.in(prelude))
	for i, b := range run {
		switch {
		case b.note == ownTerminal:
			fmt.Fprintf(&script, inOwnTerminal, p.in(b.text))
		case b.language == "sh":
			fmt.Fprintf(&script, "echo '%s'\n%s\n", mark(i), p.in(b.text))
		}
	}
	absolute, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	out, err := shell(t, dir, script.String(), "ROOT="+absolute, "BASE_PORT="+p.base())
	if err != nil {
		t.Errorf("%v; it printed\n%s", err, out)
	}
	for i, b := range run {
		if b.language == "text" {
			checkOutput(t, b, outputOf(out, i-1), p)
		}
	}
	if t.Failed() {
		showLogs(t, dir)
	}
}

// showLogs shows what the nodes of a page logged.
func showLogs(t *testing.T, dir string) {
	t.Helper()
	logs, err := filepath.Glob(filepath.Join(dir, "tmp", "*", "*.log"))
	if err != nil {
		t.Fatal(err)
	}
	for _, log := range logs {
		t.Logf("%s\n%s", filepath.Base(log), process.Tail(log))
	}
}

// mark stands in the output in front of what block i prints.
func mark(i int) string { return fmt.Sprintf("--- block %d ---", i) }

// outputOf is what block i printed.
func outputOf(out string, i int) string {
	_, out, _ = strings.Cut(out, mark(i)+"\n")
	out, _, _ = strings.Cut(out, "--- block ")
	return out
}

// checkOutput looks for the lines of a block in what was printed, in their order.
// An ellipsis stands for anything.
func checkOutput(t *testing.T, want block, got string, p ports) {
	t.Helper()
	rest := got
	for line := range strings.Lines(p.in(want.text)) {
		line = strings.TrimRight(line, "\n")
		pattern := strings.ReplaceAll(regexp.QuoteMeta(line), "…", ".*")
		pattern = regexp.MustCompile(` +`).ReplaceAllString(pattern, " +")
		at := regexp.MustCompile(`(?m)^` + pattern + `$`).FindStringIndex(rest)
		if at == nil {
			t.Errorf("%s:%d: the commands do not print, behind the lines before,\n%s\nbut\n%s", want.page, want.line, line, got)
			return
		}
		rest = rest[at[1]:]
	}
}

// TestNoComments: some shells take a # that is pasted for a command, and what stands
// behind it for its arguments.
func TestNoComments(t *testing.T) {
	for _, page := range guides {
		for _, b := range blocks(t, page) {
			for line := range strings.Lines(b.text) {
				if b.language == "sh" && strings.HasPrefix(strings.TrimSpace(line), "#") {
					t.Errorf("%s:%d: a block of commands has a comment: %s", page, b.line, line)
				}
			}
		}
	}
}

// TestREADMEWords: the first page stays one that is read to its end.
func TestREADMEWords(t *testing.T) {
	const most = 1200
	if n := len(strings.Fields(readPage(t, "README.md"))); n > most {
		t.Errorf("README.md has %d words, at most %d", n, most)
	}
}

// TestOursOnce: which decisions are ours stands in the contract, and nowhere else.
func TestOursOnce(t *testing.T) {
	pages, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	if err != nil || len(pages) == 0 {
		t.Fatal(err)
	}
	for _, page := range append(pages, filepath.Join(root, "README.md")) {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(string(text), "[ours]"); n > 0 && filepath.Base(page) != "contract.md" {
			t.Errorf("%s says [ours] %d times: docs/contract.md does", page, n)
		}
	}
}
