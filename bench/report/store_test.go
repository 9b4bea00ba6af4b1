package report

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestSaveAndLoad(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "bench-results", "one")
	r := sampleRun(t, 1)
	r.Format = 0 // Save says it
	if err := r.Save(dir); err != nil {
		t.Fatal(err)
	}
	r.Format = Format
	want, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{dir, filepath.Join(dir, File)} {
		back, err := Load(path)
		if err != nil {
			t.Fatal(err)
		}
		got, err := json.Marshal(back)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s is another run than was saved", path)
		}
	}
}

func TestSaveKeepsTheOld(t *testing.T) {
	dir := t.TempDir()
	r := &Run{Began: time.Unix(1e9, 0).UTC(), Commit: "cc558a7"}
	if err := r.Save(dir); err != nil {
		t.Fatal(err)
	}
	bad := &Run{Results: []Result{{Speed: math.NaN()}}}
	if err := bad.Save(dir); err == nil {
		t.Error("a run that cannot be encoded was saved")
	}
	if back, err := Load(dir); err != nil || back.Commit != r.Commit {
		t.Errorf("after a failed Save: %v, %v", back, err)
	}
	r.Commit = "a2f2480"
	if err := r.Save(dir); err != nil {
		t.Fatal(err)
	}
	if back, err := Load(dir); err != nil || back.Commit != r.Commit {
		t.Errorf("after a second Save: %v, %v", back, err)
	}
	// A folder in the way of the file makes the renaming fail.
	blocked := t.TempDir()
	if err := os.MkdirAll(filepath.Join(blocked, File, "full"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := r.Save(blocked); err == nil {
		t.Error("a run was saved over a folder")
	}
	for _, d := range []string{dir, blocked} {
		files, err := os.ReadDir(d)
		if err != nil {
			t.Fatal(err)
		}
		if len(files) != 1 || files[0].Name() != File {
			t.Errorf("beside the report, %s has %v", d, files)
		}
	}
}

func TestSavedFileIsForAll(t *testing.T) {
	dir := t.TempDir()
	if err := new(Run).Save(dir); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(filepath.Join(dir, File))
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode().Perm(); got&0o444 != 0o444 && os.PathSeparator == '/' {
		t.Errorf("the report's mode is %v, so that others cannot read it", fs.FileMode(got))
	}
}

func TestLoadErrors(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{`{"format":2,"results":"something else by then"}`, "has format 2, which is newer than format 1 that this version of tollgate reads"},
		{`{"format":-1}`, "has format -1, which is older than format 1 that this version of tollgate reads"},
		{`{"results":[]}`, "is no report of a benchmark: it has no format"},
		{`benchmark`, "is no report of a benchmark: invalid character"},
		{`{"format":1,"results":[{"scenario":7}]}`, "cannot be read: json: cannot unmarshal number"},
		{`{"format":1`, "is no report of a benchmark: unexpected end"},
	} {
		path := filepath.Join(t.TempDir(), "r.json")
		if err := os.WriteFile(path, []byte(c.text), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := Load(path); err == nil || !strings.HasPrefix(err.Error(), path+" "+c.want) {
			t.Errorf("%s: got %v, want %s %s", c.text, err, path, c.want)
		}
	}
	for _, path := range []string{t.TempDir(), filepath.Join(t.TempDir(), "none")} {
		if _, err := Load(path); !os.IsNotExist(err) {
			t.Errorf("loading %s: %v", path, err)
		}
	}
}

func TestLoadToleratesMore(t *testing.T) {
	path := filepath.Join(t.TempDir(), "r.json")
	if err := os.WriteFile(path, []byte(`{"format":1,"weather":"mild","results":[{"scenario":"proxy","mood":1}]}`), 0o644); err != nil {
		t.Fatal(err)
	}
	r, err := Load(path)
	if err != nil || len(r.Results) != 1 || r.Results[0].Scenario != "proxy" {
		t.Errorf("got %v, %v", r, err)
	}
}

func TestFolderName(t *testing.T) {
	began := time.Date(2026, 11, 22, 18, 45, 24, 999, time.FixedZone("CET", 3600))
	for commit, want := range map[string]string{
		"cc558a7": "2026-11-22T17-45-24Z-cc558a7",
		"cc558a7a8723bf00327a3abee6e5b71fd3d3f013":       "2026-11-22T17-45-24Z-cc558a7a8723",
		"cc558a7a8723bf00327a3abee6e5b71fd3d3f013+dirty": "2026-11-22T17-45-24Z-cc558a7a8723-dirty",
		"unknown":  "2026-11-22T17-45-24Z-unknown",
		"":         "2026-11-22T17-45-24Z-unknown",
		"../a b\\": "2026-11-22T17-45-24Z-.._a_b_",
	} {
		if got := FolderName(began, commit); got != want {
			t.Errorf("%q: got %s, want %s", commit, got, want)
		}
	}
}
