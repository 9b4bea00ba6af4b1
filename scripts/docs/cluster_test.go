package docs

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tollgate/tollgate/bench/process"
)

// patience is how long a page may take, builds included.
const patience = 3 * time.Minute

// ports are what stands in a test for the ports that the pages name: those that nodes
// have by default, 700N, 800N and 900N, and 810N for endpoint servers. Anything may
// listen at these. They lie as far from each other as those, as make run has it, and the
// last digit stays, since a page may count it: 127.0.0.1:800$i.
type ports map[string]string

const portAttempts = 500

// taken are the ports that freePorts has given away: the pages run beside each other, and
// a node may not listen yet.
var taken struct {
	mu   sync.Mutex
	tens map[string]bool
}

// freePorts finds ports with nobody at them, which no other page has.
func freePorts(t *testing.T) ports {
	t.Helper()
	taken.mu.Lock()
	defer taken.mu.Unlock()
	if taken.tens == nil {
		taken.tens = map[string]bool{}
	}
	for range portAttempts {
		p := ports{}
		base := 1000 + rand.IntN(1600) // the last digit is the page's
		for leading, above := range map[string]int{":700": 0, ":800": 100, ":810": 110, ":900": 200} {
			p[leading] = fmt.Sprintf(":%d", base+above)
		}
		if p.free() {
			for _, tens := range p {
				taken.tens[tens] = true
			}
			return p
		}
	}
	t.Fatalf("no free ports in %d attempts", portAttempts)
	return nil
}

// free tells whether nobody has, or listens at, any of the ports.
func (p ports) free() bool {
	for _, leading := range p {
		if taken.tens[leading] {
			return false
		}
		for last := range 4 {
			ln, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1%s%d", leading, last))
			if err != nil {
				return false
			}
			ln.Close()
		}
	}
	return true
}

// base is the port that make run counts from.
func (p ports) base() string { return p[":700"][1:] + "0" }

// in puts the ports into a text.
func (p ports) in(text string) string {
	for from, to := range p {
		text = strings.ReplaceAll(text, from, to)
	}
	return text
}

// built is the file of the binary that the pages show.
func built(t *testing.T) string {
	t.Helper()
	file, err := filepath.Abs(filepath.Join(binaries, "tollgate"))
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// binaries is the directory that TestMain builds into.
var binaries string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		var err error
		if binaries, err = os.MkdirTemp("", "tollgate-docs-test-"); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(binaries)
		build := exec.Command("go", "build", "-trimpath", "-o", binaries, "./cmd/tollgate")
		build.Dir = root
		build.Env = append(os.Environ(), "CGO_ENABLED=0") // as `make build` has it
		if out, err := build.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "building the binary: %v\n%s", err, out)
			return 1
		}
		return m.Run()
	}())
}

// shell runs a script of bash to its end, in a directory that has bin/tollgate, and
// returns what it printed. What it leaves running is killed. The script is the shell's
// standard input, as what is pasted is: a command that reads it takes the rest away.
func shell(t *testing.T, dir, script string, env ...string) (string, error) {
	t.Helper()
	if err := os.MkdirAll(filepath.Join(dir, "bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(built(t), filepath.Join(dir, "bin", "tollgate")); err != nil && !errors.Is(err, os.ErrExist) {
		t.Fatal(err)
	}
	log := filepath.Join(dir, "output")
	if err := os.WriteFile(filepath.Join(dir, "script.sh"), []byte(script), 0o600); err != nil {
		t.Fatal(err)
	}
	p, err := process.Start(process.Command{Name: "bash", Path: "bash", Args: []string{"-c", "exec bash -s <script.sh"}, Env: env, Dir: dir, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	defer p.Kill()
	select {
	case <-p.Done():
	case <-ctx.Done():
		err = fmt.Errorf("it runs longer than %v", patience)
	}
	out, readErr := os.ReadFile(log)
	if err == nil && !p.State().Success() {
		said, _ := os.ReadFile(filepath.Join(dir, "errors.log"))
		err = fmt.Errorf("%v: %s", p.State(), said)
	}
	return string(out), errors.Join(err, readErr)
}
