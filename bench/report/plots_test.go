package report

import (
	"encoding/xml"
	"errors"
	"image/png"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// coarse is the resolution of pictures that nobody looks at: the race detector
// makes pixels dear.
const coarse = 12

// checkPicture reads a picture through.
func checkPicture(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if strings.HasSuffix(path, ".png") {
		_, err := png.Decode(f)
		return err
	}
	for dec := xml.NewDecoder(f); ; {
		if _, err := dec.Token(); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// checkPlots draws a run and gives the names of what was drawn.
func checkPlots(t *testing.T, r *Run) (names []string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "plots")
	paths, err := r.plots(dir, coarse)
	if err != nil {
		t.Fatal(err)
	}
	for i, path := range paths {
		if err := checkPicture(path); err != nil {
			t.Errorf("%s: %v", path, err)
		}
		name := strings.TrimSuffix(filepath.Base(path), filepath.Ext(path))
		if filepath.Dir(path) != dir || filepath.Ext(path) != []string{".png", ".svg"}[i%2] {
			t.Errorf("path %d is %s", i, path)
		}
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	if len(paths) != 2*len(names) {
		t.Errorf("%d files of %d pictures", len(paths), len(names))
	}
	return names
}

func TestPlots(t *testing.T) {
	want := []string{
		"latency", "growth-strict", "growth-connections", "growth-payload", "growth-counters", "growth-nodes", "growth-log",
		"peers-proxy", "peers-shared-exact", "time-deploy", "time-failover", "log",
	}
	if got := checkPlots(t, sampleRun(t, 1)); !slices.Equal(got, want) {
		t.Errorf("drawn are %v, want %v", got, want)
	}
}

// What a run lacks, or has of an odd kind, is left out and breaks nothing.
func TestPlotsOddRuns(t *testing.T) {
	slice := Slice{Seconds: 1, Calls: 100, P50: 1, P99: 2, CPUSeconds: 0.1}
	at := func(axis string, value float64) Result {
		return Result{Scenario: "s", System: tollgate, Point: &Point{Axis: axis, Value: value}, Slices: []Slice{slice}}
	}
	for _, c := range []struct {
		name    string
		results []Result
		want    []string
	}{
		{"none", nil, nil},
		{"one point", []Result{at("nodes", 3)}, nil},
		{"the same point twice", []Result{at("nodes", 3), at("nodes", 3)}, []string{"growth-s"}},
		{"from zero over decades", []Result{at("rate", 0), at("rate", 1e6)}, []string{"growth-s"}},
		{"downwards", []Result{at("rate", 1e6), at("rate", 10)}, []string{"growth-s"}},
		{"failed or never measured", []Result{
			{Scenario: "a", System: tollgate, Failed: []string{"over"}, Slices: []Slice{slice}, Latency: Latency{P50: 1, P90: 2}},
			{Scenario: "b", System: tollgate},
		}, nil},
		{"no histogram", []Result{{Scenario: "a", System: tollgate, Slices: []Slice{slice}, Latency: Latency{P50: 1, P90: 2, P99: 3, Histogram: "broken"}}}, []string{"latency"}},
		{"slices without calls, CPU time or length", []Result{
			{Scenario: "failover", System: tollgate, Slices: []Slice{{Seconds: 1}, {Seconds: 1, Calls: 3}, {}}, Cluster: &Cluster{}},
			{Scenario: "failover", System: "caddy", Slices: []Slice{{Seconds: 1}}},
		}, []string{"peers-failover", "time-failover", "log"}},
		{"a peer alone", []Result{{Scenario: "proxy", System: "caddy", Slices: []Slice{slice}}}, []string{"peers-proxy"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := &Run{Began: time.Unix(1e9, 0), Results: c.results}
			if got := checkPlots(t, r); !slices.Equal(got, c.want) {
				t.Errorf("drawn are %v, want %v", got, c.want)
			}
		})
	}
}

func TestPlotsResolution(t *testing.T) {
	r := sampleRun(t, 1)
	r.Results = r.Results[:1]
	paths, err := r.Plots(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(paths[0])
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	size, err := png.DecodeConfig(f)
	if err != nil || size.Width < 1000 || size.Height < 500 {
		t.Errorf("%s is %d × %d pixels, %v", paths[0], size.Width, size.Height, err)
	}
}

func TestPlotsErrors(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "latency.svg"), 0o755); err != nil {
		t.Fatal(err)
	}
	paths, err := sampleRun(t, 1).plots(dir, coarse)
	if err == nil || !strings.HasPrefix(err.Error(), "plot latency: ") || len(paths) != 1 {
		t.Errorf("with a folder where a file is to be: %v, %v", paths, err)
	}
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := sampleRun(t, 1).plots(file, coarse); err == nil {
		t.Error("a file was taken for a folder")
	}
}
