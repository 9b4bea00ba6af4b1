package process

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// roleVariable says what the test binary is when it is run as a child.
const roleVariable = "PROCESS_TEST_ROLE"

// quickExit has a child not wait for a second as it ends, as programs do that
// are built with the race detector.
const quickExit = "GORACE=atexit_sleep_ms=0"

// patience bounds the wait for a state.
const patience = time.Minute

// roles are what children do, with the arguments they were given. A child that
// says "ready" has come so far that it can be tested.
var roles = map[string]func(args []string){
	"busy":  func([]string) { burn() },
	"sleep": func([]string) { say("ready"); select {} },
	// polite stops on SIGTERM, stubborn does not, untidy does it wrongly.
	"polite":   func([]string) { onTerm(func() { say("bye"); os.Exit(0) }) },
	"stubborn": func([]string) { onTerm(func() { say("no") }) },
	"untidy":   func([]string) { onTerm(func() { say("lost my files"); os.Exit(3) }) },
	// fails ends by itself.
	"fails": func([]string) { say("the disk is full"); os.Exit(1) },
	// serves answers HTTP at an address: 503, then 200.
	"serves": func(args []string) { serve(args[0]) },
	// parent has a child of its own, in its process group, in another role.
	"parent": func(args []string) { say("ready"); _ = grandchild(args).Wait() },
	// leaver ends once its child serves, and leaves it behind.
	"leaver": func(args []string) { grandchild(args); awaitServing(args[1]); os.Exit(1) },
	// starter starts a child as the benchmark does.
	"starter": func(args []string) { start(args) },
	// hungry has memory, and writes to a file.
	"hungry": func(args []string) { devour(args[0]) },
	"environment": func([]string) {
		say(strings.Join(os.Environ(), "\n"))
		wd, _ := os.Getwd()
		say("in " + wd)
	},
}

func TestMain(m *testing.M) {
	if role, ok := roles[os.Getenv(roleVariable)]; ok {
		go func() { // should a test leave it behind
			time.Sleep(2 * patience)
			os.Exit(9)
		}()
		role(os.Args[1:])
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func say(line string) { fmt.Println(line) }

func onTerm(then func()) {
	terms := make(chan os.Signal, 1)
	signal.Notify(terms, syscall.SIGTERM)
	say("ready")
	for range terms {
		then()
	}
}

func burn() {
	say("ready")
	for n := uint64(1); ; n = n*6364136223846793005 + 1 {
		if n == 0 {
			say("never")
		}
	}
}

func serve(address string) {
	ln, err := net.Listen("tcp", address)
	if err != nil {
		say(err.Error())
		os.Exit(1)
	}
	calls := 0
	_ = http.Serve(ln, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if calls++; calls < 3 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
}

// grandchild starts the test binary in the role that is args' first.
func grandchild(args []string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], args[1:]...)
	cmd.Env = append(os.Environ(), roleVariable+"="+args[0])
	cmd.Stdout = os.Stdout
	if err := cmd.Start(); err != nil {
		say(err.Error())
		os.Exit(1)
	}
	return cmd
}

func awaitServing(address string) {
	for {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			conn.Close()
			return
		}
		time.Sleep(pollPause)
	}
}

func start(args []string) {
	_, err := Start(Command{Name: "its child", Path: os.Args[0], Args: args[1:], Env: []string{roleVariable + "=" + args[0]}, Log: os.DevNull})
	if err != nil {
		say(err.Error())
		os.Exit(1)
	}
	say("ready")
	select {}
}

// devour takes 64 MiB of memory and has 1 MiB written, then says how much the
// system takes it to have written.
func devour(file string) {
	memory := make([]byte, 64<<20)
	for i := 0; i < len(memory); i += 4 << 10 { // a byte of every page
		memory[i] = 1
	}
	err := os.WriteFile(file, memory[:1<<20], 0o600)
	own, ioErr := os.ReadFile("/proc/self/io")
	say(fmt.Sprint(err, ioErr))
	_, written, _ := strings.Cut(string(own), "\nwrite_bytes: ")
	written, _, _ = strings.Cut(written, "\n")
	say("written " + written)
	say("ready")
	time.Sleep(2 * patience)
	runtime.KeepAlive(memory)
}

// child starts the test binary in a role and waits until it is ready, if it is
// to be. It ends with the test.
func child(t *testing.T, role string, ready bool, args ...string) *Process {
	t.Helper()
	p, err := Start(Command{
		Name: "the child", Path: os.Args[0], Args: args, Env: []string{roleVariable + "=" + role, quickExit},
		Log: filepath.Join(t.TempDir(), "log"),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Kill)
	if ready {
		err := p.Await(t.Context(), patience, role+" is ready", func(context.Context) error {
			if !strings.Contains(output(t, p), "ready\n") {
				return fmt.Errorf("it is not")
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return p
}

// output is all that the child has printed.
func output(t *testing.T, p *Process) string {
	t.Helper()
	text, err := os.ReadFile(p.log)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// await polls a state.
func await(t *testing.T, what string, state func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !state(); time.Sleep(pollPause) {
		if time.Now().After(deadline) {
			t.Fatalf("waited %v until %s", patience, what)
		}
	}
}

// refused tells whether nothing listens at an address any more.
func refused(address string) func() bool {
	return func() bool {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			conn.Close()
		}
		return err != nil
	}
}
