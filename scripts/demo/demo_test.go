package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
)

// envChild makes the test binary be the demo.
const envChild = "TOLLGATE_DEMO_TEST_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(envChild) != "" {
		main()
	}
	status := m.Run()
	if built.dir != "" {
		os.RemoveAll(built.dir)
	}
	os.Exit(status)
}

// built is the binary that is shown, made once for all tests.
var built struct {
	once      sync.Once
	dir, path string
	err       error
}

func tollgate(t *testing.T) string {
	t.Helper()
	built.once.Do(func() {
		if built.dir, built.err = os.MkdirTemp("", "tollgate-demo-test-"); built.err != nil {
			return
		}
		built.path = filepath.Join(built.dir, "tollgate")
		// As `make build` has it, so that most is in the build cache.
		cmd := exec.Command("go", "build", "-trimpath", "-o", built.path, "./cmd/tollgate")
		cmd.Dir = root
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			built.err = fmt.Errorf("%w\n%s", err, out)
		}
	})
	if built.err != nil {
		t.Fatalf("building the binary: %v", built.err)
	}
	if err := readSources(); err != nil {
		t.Fatal(err)
	}
	return built.path
}

// root is the module's, seen from here.
const root = "../.."

// readSources looks at the directories that the binary is made from. go test
// keeps a test's result while the files it looked at are the same, and it
// does not see what the go command that builds the binary looks at.
func readSources() error {
	for _, room := range []string{"cmd", "node", "cluster", "proxy", "store"} {
		err := filepath.WalkDir(filepath.Join(root, room), func(path string, entry fs.DirEntry, err error) error {
			if err == nil && !entry.IsDir() {
				_, err = os.Stat(path)
			}
			if errors.Is(err, fs.ErrNotExist) {
				return nil // gone since: what somebody else is at work on
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	_, err := os.Stat(filepath.Join(root, "go.mod"))
	return err
}

// runHere runs the demo in this process, in a temporary directory that must be
// empty afterwards.
func runHere(t *testing.T, stop context.Context, args ...string) (status int, out, errs string) {
	t.Helper()
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	var stdout, stderr strings.Builder
	status = run(stop, t.Context(), args, &stdout, &stderr)
	nothingIn(t, dir)
	return status, stdout.String(), stderr.String()
}

func nothingIn(t *testing.T, dir string) {
	t.Helper()
	left, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// TestCheck is `make demo`.
func TestCheck(t *testing.T) {
	t.Setenv("TOLLGATE_LISTEN", "192.0.2.1:1") // must not reach the nodes
	status, out, errs := runHere(t, t.Context(), "-tollgate", tollgate(t), "-check")
	if status != 0 || errs != "" {
		t.Fatalf("status %d\n%s\n%s", status, out, errs)
	}
	for _, want := range []string{
		"\n   1  n1  200  answered by the endpoint server\n",
		"\n  10  n1  200  answered by the endpoint server\n  11  n2  403  20004 Usage quota exceeded; retry after ",
		"\n  20  n2  403  20004 Usage quota exceeded; retry after ",
		"\nall   20     10        10     0\n",
		"\n10 calls reached the endpoint server.",
		"\n(whole domain)     10    0       0     10   60s  exhausted  ",
		"\nOK: exactly 10 of 20 calls were admitted, and every node refused with 20004.\n",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q", want)
		}
	}
	if t.Failed() {
		t.Log(out)
	}
}

func TestStoppedWhileItStarts(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if status, _, errs := runHere(t, ctx, "-tollgate", tollgate(t), "-base-port", "0"); status != 0 || errs != "" {
		t.Errorf("status %d, %s", status, errs)
	}
	if status, _, errs := runHere(t, ctx, "-tollgate", tollgate(t), "-check"); status != 1 || errs != "demo: stopped before the check was over\n" {
		t.Errorf("a check: status %d, %s", status, errs)
	}
}

func TestNodeThatEndsEarly(t *testing.T) {
	bad := filepath.Join(t.TempDir(), "bad")
	if err := os.WriteFile(bad, []byte("#!/bin/sh\nseq 20 >&2\nexit 3\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	status, _, errs := runHere(t, t.Context(), "-tollgate", bad, "-check")
	first := regexp.MustCompile(`^demo: n[123] has ended: exit status 3\n  6\n  7\n`) // whichever it is
	if status != 1 || !first.MatchString(errs) || !strings.HasSuffix(errs, "\n  20\n") {
		t.Errorf("status %d, %s", status, errs)
	}
}

func TestNoBinary(t *testing.T) {
	status, _, errs := runHere(t, t.Context(), "-tollgate", "./nowhere")
	if status != 1 || errs != "demo: -tollgate ./nowhere: no such file or directory; `make build` makes bin/tollgate\n" {
		t.Errorf("status %d, %s", status, errs)
	}
}

// adminAddresses are those that a node table names.
func adminAddresses(t *testing.T, out string) []string {
	t.Helper()
	var list []string
	for line := range strings.Lines(out) {
		columns := strings.Fields(line)
		if len(columns) != 5 || !strings.HasPrefix(columns[3], "http://") {
			continue
		}
		u, err := url.Parse(columns[3])
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, u.Host)
	}
	if len(list) != nodeCount {
		t.Fatalf("%d nodes in\n%s", len(list), out)
	}
	return list
}
