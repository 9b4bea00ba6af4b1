package report

import (
	"bytes"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "rewrite testdata/*.txt and *.md")

// golden holds what is written to a file of testdata.
func golden(t *testing.T, name string, write func(io.Writer) error) string {
	t.Helper()
	var out bytes.Buffer
	if err := write(&out); err != nil {
		t.Fatal(err)
	}
	got, file := out.String(), filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return got
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s is not what is written (go test -update rewrites it); now it is\n%s", file, got)
	}
	for line := range strings.Lines(got) {
		if strings.TrimRight(line, " \n")+"\n" != line {
			t.Errorf("the line %q ends with blanks", line)
		}
	}
	return got
}

// failingRun is a sample with a wrong count, and a peer that did not start.
func failingRun(t *testing.T) *Run {
	r := sampleRun(t, 1)
	r.Results = slices.DeleteFunc(r.Results, func(res Result) bool {
		return !slices.Contains([]string{"quota-end", "shared-quota", "deploy", "nodes"}, res.Scenario)
	})
	r.Commit = "cc558a7a8723bf00327a3abee6e5b71fd3d3f013+dirty"
	end := find(t, r, "quota-end")
	end.Exactness.Over = 3
	end.Failed = []string{"3 calls were admitted past the limit of 10000"}
	r.Results = append(r.Results, Result{
		Scenario: "shared-quota", System: "ratelimit", Load: "closed loop, 64 callers | 4 connections",
		Failed: []string{"ratelimit ended by itself: exit status 1", "its log says: bind: address already in use"},
	})
	r.Missing = nil
	return r
}

func find(t *testing.T, r *Run, name string) *Result {
	t.Helper()
	for i := range r.Results {
		if r.Results[i].Name() == name {
			return &r.Results[i]
		}
	}
	t.Fatalf("the sample has no result %s", name)
	return nil
}

func TestTable(t *testing.T) {
	text := golden(t, "table.txt", sampleRun(t, 1).WriteTable)
	for line := range strings.Lines(text) {
		if n := len([]rune(line)); n > 155 {
			t.Errorf("a line of %d characters: %s", n, line)
		}
	}
	golden(t, "table-failed.txt", failingRun(t).WriteTable)
}

func TestPage(t *testing.T) {
	var plots []string
	for _, name := range []string{"latency", "growth-nodes", "peers-proxy", "time-failover", "log"} {
		plots = append(plots, filepath.Join("results", "a run", name+".png"), filepath.Join("results", "a run", name+".svg"))
	}
	golden(t, "page.md", func(w io.Writer) error { return sampleRun(t, 1).WritePage(w, plots) })
	golden(t, "page-failed.md", func(w io.Writer) error { return failingRun(t).WritePage(w, []string{"latency.png"}) })
}

// fullWriter takes nothing.
type fullWriter struct{}

func (fullWriter) Write([]byte) (int, error) { return 0, os.ErrDeadlineExceeded }

func TestWriteNothing(t *testing.T) {
	empty := &Run{Began: time.Unix(1e9, 0)}
	var table, page strings.Builder
	if err := errors.Join(empty.WriteTable(&table), empty.WritePage(&page, nil)); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(table.String(), "\n0 results in 0s") || strings.Contains(page.String(), "## Scenarios") {
		t.Errorf("a run without results is written as\n%s\n%s", table.String(), page.String())
	}
}

func TestWriteErrors(t *testing.T) {
	r := sampleRun(t, 1)
	for what, write := range map[string]func(io.Writer) error{
		"table":      r.WriteTable,
		"page":       func(w io.Writer) error { return r.WritePage(w, nil) },
		"comparison": Compare(r, r).Write,
	} {
		if err := write(fullWriter{}); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("the %s was written to nowhere: %v", what, err)
		}
	}
}

func TestNumbers(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{digits(0), "0"}, {digits(24_149), "24,100"}, {digits(1_234_567), "1,230,000"}, {digits(999.6), "1,000"}, {digits(9.997), "10.0"}, {digits(99.94), "99.9"},
		{digits(0.12345), "0.123"}, {digits(0.00012345), "0.000123"}, {digits(-3.14159), "-3.14"},
		{percent(0), "0 %"}, {percent(0.0004), "<0.1 %"}, {percent(0.034), "3.4 %"}, {percent(0.41), "41 %"}, {percent(0.967), "96.7 %"}, {percent(0.99999), ">99.9 %"}, {percent(1), "100 %"},
		{plusMinus(0), "±0 %"}, {plusMinus(0.031), "±4 %"}, {plusMinus(0.05), "±5 %"}, {plusMinus(40), ">±999 %"},
		{plain(0.25), "0.25"}, {plain(12_500), "12,500"},
		{byteSize(0), "0 B"}, {byteSize(24_684_096 << 10), "23.5 GiB"}, {byteSize(800), "800 B"},
		{plural(1, "core"), "1 core"}, {plural(1200, "call"), "1,200 calls"},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
}
