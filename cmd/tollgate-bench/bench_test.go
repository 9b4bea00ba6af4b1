package main

import (
	"bytes"
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/valyala/fasthttp"

	"github.com/tollgate/tollgate/bench/report"
	"github.com/tollgate/tollgate/cmd/internal/cli"
)

// outcome is what a run leaves behind.
type outcome struct {
	status   int
	out, err string
}

// execute is one run of the program.
func execute(t *testing.T, args []string) outcome {
	t.Helper()
	var out, errs bytes.Buffer
	a := &app{&cli.Process{Stdin: strings.NewReader(""), Stdout: &out, Stderr: &errs}}
	status := a.run(t.Context(), args)
	return outcome{status, out.String(), errs.String()}
}

// words makes arguments of a line.
func words(line string) []string { return strings.Fields(line) }

// TestBench measures real nodes, in slices that are too short to say anything
// but that all of it works: a quota under load, deploys under load, and the
// death of a leader.
func TestBench(t *testing.T) {
	dir := t.TempDir()
	binary := filepath.Join(dir, "tollgate")
	if out, err := exec.Command("go", "build", "-o", binary, "../tollgate").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	results, scratch, page := filepath.Join(dir, "results"), filepath.Join(dir, "scratch"), filepath.Join(dir, "page.md")
	if err := os.Mkdir(scratch, 0o700); err != nil {
		t.Fatal(err)
	}
	args := words("run --peers none --slices 2 --slice 100ms --warmup 100ms --json shared-exact deploy failover")
	args = append(args, "--binary", binary, "--out", results, "--dir", scratch, "--page", page)
	got := execute(t, args)
	if got.status != cli.Done {
		t.Fatalf("status %d\n%s", got.status, got.err)
	}
	var run report.Run
	if err := json.Unmarshal([]byte(got.out), &run); err != nil {
		t.Fatal(err)
	}
	var names []string
	entries := 0.0
	for _, r := range run.Results {
		names = append(names, r.Name())
		if len(r.Failed) > 0 || r.Counts.Admitted == 0 || r.Exactness == nil || r.Exactness.Over+r.Exactness.Late > 0 || r.Cluster == nil || r.Cluster.Nodes != 3 {
			t.Errorf("%+v\n%+v\n%+v", r, r.Exactness, r.Cluster)
		} else {
			entries += r.Cluster.LogEntries
		}
	}
	if entries < 1 { // a single one may do with what was leased before
		t.Errorf("%v log entries in all", entries)
	}
	if want := []string{"shared-exact", "deploy", "failover"}; !slices.Equal(names, want) || run.Commit == "" || !strings.HasPrefix(run.Command, "tollgate-bench run --binary=") {
		t.Errorf("results %v, want %v; commit %q, command %q", names, want, run.Commit, run.Command)
	}
	for i, want := range map[int]string{1: " deploys under load took ", 2: "the leader was killed "} {
		if notes := strings.Join(run.Results[i].Notes, "\n"); !strings.Contains(notes, want) {
			t.Errorf("%s does not tell %q: %s", names[i], want, notes)
		}
	}
	if !strings.Contains(got.err, "3 points to measure, which takes about ") || !strings.Contains(got.err, "[3/3]  failover ") {
		t.Errorf("progress:\n%s", got.err)
	}
	kept := filepath.Join(results, report.FolderName(run.Began, run.Commit))
	for _, file := range []string{report.File, tableFile, "latency.png", "latency.svg"} {
		if _, err := os.Stat(filepath.Join(kept, file)); err != nil {
			t.Error(err)
		}
	}
	if left, err := os.ReadDir(scratch); err != nil || len(left) > 0 {
		t.Errorf("left in --dir: %v, %v", left, err)
	}
	testBenchAgain(t, kept, page)
}

// testBenchAgain looks at what a run has left.
func testBenchAgain(t *testing.T, kept, page string) {
	t.Helper()
	got := execute(t, []string{"compare", kept, filepath.Join(kept, report.File)})
	if got.status != cli.Done || !strings.Contains(got.out, "failover") {
		t.Errorf("a run beside itself: %+v", got)
	}
	written, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	if link := "results/" + filepath.Base(kept) + "/latency."; !strings.Contains(string(written), link) {
		t.Errorf("the page has no link to %s:\n%s", link, written)
	}
	again := filepath.Join(filepath.Dir(page), "again.md")
	got = execute(t, []string{"page", kept, "-o", again})
	if same, err := os.ReadFile(again); got != (outcome{}) || err != nil || string(same) != string(written) {
		t.Errorf("the page made later is another: %+v, %v\n%s", got, err, same)
	}
	got = execute(t, []string{"page", kept})
	if got.status != cli.Done || !strings.Contains(got.out, "shared-exact") {
		t.Errorf("printed: %+v", got)
	}
}

// TestBenchFailsOnWrongCount: a gateway that admits more than the quota ends
// the program with 1, and one that does not with 0.
func TestBenchFailsOnWrongCount(t *testing.T) {
	const limit = 30
	for admit, want := range map[int64]outcome{
		limit:     {status: cli.Done},
		limit + 2: {cli.Failed, "OVER 2", "tollgate-bench load: the run has failed\n  load: not exact: 2 calls were admitted past the limit of 30\n"},
	} {
		var calls atomic.Int64
		url := doctored(t, func(ctx *fasthttp.RequestCtx) {
			if calls.Add(1) > admit {
				ctx.Error(`{"header":{"resultCode":20004,"resultMessage":"20004 Usage quota exceeded","isSuccessful":false}}`, fasthttp.StatusForbidden)
			}
		})
		args := append(words("load --connections 4 --warmup 0s --duration 100ms --limit 30 --window 1h"), url)
		got := execute(t, args)
		if got.status != want.status || !strings.Contains(got.out, want.out) || got.err != want.err {
			t.Errorf("%d admitted of %d: %+v", admit, limit, got)
		}
	}
}

// doctored is a gateway that is none, and the URL of something behind it.
func doctored(t *testing.T, handler fasthttp.RequestHandler) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &fasthttp.Server{Handler: handler, CloseOnShutdown: true}
	served := make(chan error, 1)
	go func() { served <- server.Serve(ln) }()
	t.Cleanup(func() {
		if err := server.Shutdown(); err != nil {
			t.Error(err)
		}
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return "http://" + ln.Addr().String() + "/shop/x"
}

func TestBenchList(t *testing.T) {
	got := execute(t, words("run --list"))
	if got.status != cli.Done || !strings.HasPrefix(got.out, "SCENARIO ") || !strings.Contains(got.out, "\nquota-end ") || !strings.Contains(got.out, "\nfailover ") {
		t.Errorf("%+v", got)
	}
	got = execute(t, words("run --list --json nodes"))
	const want = `[{"name":"nodes","summary":"more nodes, and nodes without a vote","points":["nodes/nodes=1","nodes/nodes=3","nodes/nodes=5","nodes/nodes=3+2"]}]` + "\n"
	if got != (outcome{cli.Done, want, ""}) {
		t.Errorf("%+v", got)
	}
}

func TestBenchUsage(t *testing.T) {
	const see, seeLoad = "\nSee: tollgate-bench run --help\n", "\nSee: tollgate-bench load --help\n"
	for args, want := range map[string]string{
		"run --peers all":                           `tollgate-bench run: --peers "all": must be auto or none` + see,
		"run --slices 0 --rate -1":                  "tollgate-bench run: --rate -1: must be above 0 and at most 1e+06 calls a second\n  --slices 0: must be 1 to 1000" + see,
		"compare a":                                 "tollgate-bench compare: NEW is missing\nSee: tollgate-bench compare --help\n",
		"page":                                      "tollgate-bench page: RESULT is missing\nSee: tollgate-bench page --help\n",
		"load":                                      "tollgate-bench load: URL is missing: there is nothing to load" + seeLoad,
		"load /shop":                                `tollgate-bench load: "/shop" must be an http URL with a host, such as http://127.0.0.1:8001/shop/items` + seeLoad,
		"load https://a/":                           `tollgate-bench load: "https://a/" must be an http URL with a host, such as http://127.0.0.1:8001/shop/items` + seeLoad,
		"load http://a/ --hmac --jwt":               "tollgate-bench load: --hmac and --jwt: give only one of them" + seeLoad,
		"load http://a/ --secret-key x":             "tollgate-bench load: a secret key says nothing without --hmac or --jwt" + seeLoad,
		"load http://a/ --hmac":                     "tollgate-bench load: the domain's secret key is missing: --secret-key-file or TOLLGATE_SECRET_KEY gives it" + seeLoad,
		"load http://a/ -H x":                       `tollgate-bench load: --header "x": must be 'NAME: VALUE', on one line` + seeLoad,
		"load http://a/ --body x --body-size 3":     "tollgate-bench load: --body, --body-file and --body-size: give only one of them" + seeLoad,
		"load http://a/ --body-size -3":             "tollgate-bench load: --body-size -3: must be 0 to 67108864" + seeLoad,
		"load http://a/ --limit 5 --duration 0s":    "tollgate-bench load: --duration 0s: must be 10ms to 24h0m0s\n  --window 0s: must be the length of the window in which --limit calls are allowed, 1s or more" + seeLoad,
		"load http://a/ http://b/ --connections=1":  "tollgate-bench load: --connections 1: must be 2 to 10000, one for each URL at least" + seeLoad,
		"load http://a/x/%2e%2e/y --connections=10": "tollgate-bench load: GET /x/%2e%2e/y: the gateway would answer: ",
	} {
		got := execute(t, words(args))
		if got.status != cli.Usage || got.out != "" || !strings.HasPrefix(got.err, want) {
			t.Errorf("tollgate-bench %s\n got %+v\nwant %q", args, got, want)
		}
	}
	got := execute(t, words("run nothing"))
	if got.status != cli.Usage || !strings.HasPrefix(got.err, `tollgate-bench run: there is no scenario "nothing"; there are proxy, pipeline, `) {
		t.Errorf("%+v", got)
	}
	for _, args := range []string{"compare /nowhere /nowhere", "page /nowhere"} {
		if got := execute(t, words(args)); got.status != cli.Failed || !strings.Contains(got.err, "/nowhere: no such file or directory") {
			t.Errorf("tollgate-bench %s: %+v", args, got)
		}
	}
}

// TestBenchCommandLine: what a report tells of its command can be pasted, and
// has no secret.
func TestBenchCommandLine(t *testing.T) {
	url := doctored(t, func(*fasthttp.RequestCtx) {})
	args := append(words("load --json --duration 20ms --warmup 0s --connections 1 --hmac --secret-key s3cret -H X-Token:s3cret --body"), "two words", url+"?a=1&b=2")
	got := execute(t, args)
	want := `"command":"tollgate-bench load --body='two words' --connections=1 --duration=20ms --header=*** --hmac=true --secret-key=*** --warmup=0s '` + url + `?a=1\u0026b=2'"`
	if got.status != cli.Done || !strings.Contains(got.out, want) || strings.Contains(got.out, "s3cret") {
		t.Errorf("want %s\n%+v", want, got)
	}
}
