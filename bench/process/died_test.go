package process

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestDied: an end that nobody asked for is told of, once, and no other is.
func TestDied(t *testing.T) {
	for role, end := range map[string]func(*Process){
		"fails":  func(p *Process) { <-p.Done() },
		"sleep":  (*Process).Kill,
		"polite": func(p *Process) { _ = p.Stop(t.Context()) },
	} {
		deaths := make(chan *Process, 2)
		log := filepath.Join(t.TempDir(), "log")
		p, err := Start(Command{
			Name: "the child", Path: os.Args[0], Env: []string{roleVariable + "=" + role, quickExit}, Log: log,
			Died: func(p *Process) { deaths <- p },
		})
		if err != nil {
			t.Fatal(err)
		}
		if p.State() != nil {
			t.Errorf("%s: a state before the end", role)
		}
		end(p)
		if p.State() == nil {
			t.Errorf("%s: no state after the end", role)
		}
		if role == "fails" {
			select {
			case died := <-deaths:
				if died != p || died.State().ExitCode() != 1 {
					t.Errorf("%v died", died.State())
				}
			case <-time.After(patience):
				t.Error("its death was not told of")
			}
		}
		if len(deaths) > 0 {
			t.Errorf("%s: it was told of a death that was asked for, or twice", role)
		}
	}
}

// TestOutput: a command runs to its end, and is killed when it is not waited
// for any more.
func TestOutput(t *testing.T) {
	out, err := Output(t.Context(), Command{Path: os.Args[0], Env: []string{roleVariable + "=fails", quickExit}})
	if err == nil || string(out) != "the disk is full\n" {
		t.Errorf("%q, %v", out, err)
	}
}
