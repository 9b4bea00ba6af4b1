// Command arrows fails if a package imports another that the layout does not
// allow: cmd → node → {cluster, proxy} → store, and nothing sideways.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
)

const module = "github.com/tollgate/tollgate/"

// allowed lists which rooms a room may import from, beside itself.
var allowed = map[string][]string{
	"cmd":     {"node", "cluster", "proxy", "store", "bench"},
	"node":    {"cluster", "proxy", "store"},
	"cluster": {"store"},
	"proxy":   {"store"},
	"store":   {},
	"bench":   {"node", "cluster", "proxy", "store"},
	"scripts": {},
}

// narrow are packages that import, of ours, nothing but what is listed: the log and the
// state machine know nothing of the product around them, and the ledger cannot reach the
// store, whose locks come before its own. Statistics know what was counted, and not what
// counts or asks.
var narrow = map[string][]string{
	"store/log":       {},
	"store/wire":      {},
	"store/quota":     {"store/wire"},
	"cluster/ledger":  {"store/quota"},
	"proxy/callstats": {"proxy/envelope"},
	"node/stats":      {"proxy/callstats"},
}

// raftRoom is the one package that imports Raft.
const raftRoom = "store/log"

// shared are packages that scripts may use too: what people run beside make
// calls nodes and runs them as everything else does.
var shared = []string{"node/admin/api", "bench/process"}

// forbidden are rooms that a package, and what lies below it, does without,
// although its room may import them.
var forbidden = map[string]string{
	"cmd/tollgate": "bench", // the gateway links no library that draws plots
	"cmd/internal": "bench",
}

// goPackage is what go list tells of a package.
type goPackage struct {
	ImportPath           string
	Imports, TestImports []string
	XTestImports         []string
}

func main() {
	packages, err := list()
	if err != nil {
		fmt.Fprintln(os.Stderr, "arrows:", err)
		os.Exit(1)
	}
	bad := check(packages)
	for _, line := range bad {
		fmt.Fprintln(os.Stderr, line)
	}
	if len(bad) > 0 {
		os.Exit(1)
	}
}

// list asks go for all packages of the module.
func list() ([]goPackage, error) {
	out, err := exec.Command("go", "list", "-json", "./...").Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w", err)
	}
	var packages []goPackage
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p goPackage
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return packages, nil
		} else if err != nil {
			return nil, fmt.Errorf("go list: %w", err)
		}
		packages = append(packages, p)
	}
}

// check returns a line for each arrow that is not allowed. Tests may import
// node, as nothing else but cmd may; they may look at anything below them.
func check(packages []goPackage) (bad []string) {
	for _, p := range packages {
		from := strings.TrimPrefix(p.ImportPath, module)
		for _, imp := range p.Imports {
			to, ours := strings.CutPrefix(imp, module)
			few, isNarrow := narrow[from]
			switch {
			case isNarrow && ours && !slices.Contains(few, to):
				bad = append(bad, fmt.Sprintf("%s imports %s: of ours it may import %v only", from, imp, few))
			case from != raftRoom && strings.Contains(imp, "hashicorp/raft"):
				bad = append(bad, fmt.Sprintf("%s imports %s: %s alone knows Raft", from, imp, raftRoom))
			case ours && without(from, to):
				bad = append(bad, fmt.Sprintf("%s imports %s: it does without %s", from, to, room(to)))
			case ours && !may(from, to):
				bad = append(bad, fmt.Sprintf("%s imports %s: allowed for %s are %v", from, to, room(from), allowed[room(from)]))
			}
		}
		for _, imp := range append(p.TestImports, p.XTestImports...) {
			if to, ours := strings.CutPrefix(imp, module); ours && room(from) != "node" && room(to) != "node" && !may(from, to) {
				bad = append(bad, fmt.Sprintf("a test of %s imports %s: allowed for %s are %v and node", from, to, room(from), allowed[room(from)]))
			}
		}
	}
	return bad
}

func may(from, to string) bool {
	if room(from) == "scripts" && slices.Contains(shared, to) {
		return true
	}
	return room(from) == room(to) || slices.Contains(allowed[room(from)], room(to))
}

// without tells whether from does without the room of to.
func without(from, to string) bool {
	for pkg, not := range forbidden {
		if (from == pkg || strings.HasPrefix(from, pkg+"/")) && room(to) == not {
			return true
		}
	}
	return false
}

// room is the top-level directory of a package.
func room(pkg string) string {
	top, _, _ := strings.Cut(pkg, "/")
	return top
}
