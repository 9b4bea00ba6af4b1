package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tollgate/tollgate/cmd/internal/cli"
	"github.com/tollgate/tollgate/node"
)

// outcome is what a run leaves behind.
type outcome struct {
	status   int
	out, err string
}

// command is one run of the program without a real node.
type command struct {
	args  []string
	stdin string
	env   []string
	open  openFunc
}

func (c command) run(ctx context.Context) outcome {
	var out, errs bytes.Buffer
	open := c.open
	if open == nil {
		open = func(context.Context, node.Config) (runningNode, error) { panic("a node is opened") }
	}
	process := &cli.Process{Stdin: strings.NewReader(c.stdin), Stdout: &out, Stderr: &errs, Env: cli.Environment(c.env)}
	a := &app{Process: process, open: open}
	status := a.run(ctx, c.args)
	return outcome{status, out.String(), errs.String()}
}

// words makes arguments of a line.
func words(line string) []string { return strings.Fields(line) }

// writeFile makes a file for a test and returns its path.
func writeFile(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

const formerBench = "tollgate bench: the benchmark is a program of its own now: tollgate-bench run, load, compare and page (`go build ./cmd/tollgate-bench`)\nSee: tollgate bench --help\n"

func TestWrongUsage(t *testing.T) {
	empty := writeFile(t, "empty", "\n")
	spaced := writeFile(t, "spaced", "a b\n")
	for _, c := range []struct {
		args string
		want string // of stderr
		env  []string
	}{
		{"", "tollgate: a command is missing; `tollgate help` lists them\nSee: tollgate --help\n", nil},
		{"exprot shop", "tollgate: there is no command \"exprot\"; did you mean export?\nSee: tollgate --help\n", nil},
		{"help nonsense", "tollgate help: there is no command \"nonsense\"\nSee: tollgate help --help\n", nil},
		{"help exprot", "tollgate help: there is no command \"exprot\"; did you mean export?\nSee: tollgate help --help\n", nil},
		{"help export x", "tollgate help: there is no command \"export x\"; did you mean export?\nSee: tollgate help --help\n", nil},
		{"--json", "tollgate: a command is missing; `tollgate help` lists them\nSee: tollgate --help\n", nil},
		{"--json keygen", "tollgate keygen: unknown flag: --json\nSee: tollgate keygen --help\n", nil},
		{"ca", "tollgate ca: the cluster's key is missing: --cluster-key-file or TOLLGATE_CLUSTER_KEY gives it\nSee: tollgate ca --help\n", nil},
		{"ca", "tollgate ca: --cluster-key-file: the key has 5 characters, must have at least 32; `tollgate keygen` makes one\nSee: tollgate ca --help\n", []string{"TOLLGATE_CLUSTER_KEY=short"}},
		{"domains --admin-url http://10.0.0.1:9001 --token x", "tollgate domains: --admin-url http://10.0.0.1:9001: a token is not sent to another machine over plain HTTP, where everybody on the way could read it; say https://10.0.0.1:9001\nSee: tollgate domains --help\n", nil},
		{"domains --admin-ca /nowhere --admin-url n1:9001", "tollgate domains: --admin-ca /nowhere: no such file or directory\nSee: tollgate domains --help\n", nil},
		{"domains --admin-ca " + empty + " --admin-url n1:9001", "tollgate domains: --admin-ca " + empty + ": holds no certificate (PEM)\nSee: tollgate domains --help\n", nil},
		{"--verbose", "tollgate: unknown flag: --verbose\nSee: tollgate --help\n", nil},
		{"import", "tollgate import: FILE|- is missing\nSee: tollgate import --help\n", nil},
		{"deploy a b", "tollgate deploy: unexpected argument \"b\"; it takes KEY\nSee: tollgate deploy --help\n", nil},
		{"domains x", "tollgate domains: unexpected argument \"x\"; it takes no arguments\nSee: tollgate domains --help\n", nil},
		{"clone a", "tollgate clone: NEWKEY is missing\nSee: tollgate clone --help\n", nil},
		{"delete shop", "tollgate delete: deleting a domain cannot be undone: repeat its key with --confirm shop\nSee: tollgate delete --help\n", nil},
		{"delete shop --confirm sohp", "tollgate delete: deleting a domain cannot be undone: repeat its key with --confirm shop\nSee: tollgate delete --help\n", nil},
		{"join n4 --admin-address 10.0.0.4:9001", "tollgate join: --cluster-address, --proxy-address must be given: the addresses where the other nodes and clients reach n4\nSee: tollgate join --help\n", nil},
		{"bench quota-end --slices 10", formerBench, nil},
		{"bench --list --json", formerBench, nil},
		{"domains --timeout soon", "tollgate domains: invalid argument \"soon\" for \"--timeout\" flag: time: invalid duration \"soon\"\nSee: tollgate domains --help\n", nil},
		{"domains --timeout 0s", "tollgate domains: --timeout 0s: must be more than 0\nSee: tollgate domains --help\n", nil},
		{"domains --admin-url ftp://127.0.0.1:9001", "tollgate domains: --admin-url: \"ftp://127.0.0.1:9001\" must be HOST:PORT, or an http or https URL such as https://127.0.0.1:9001\nSee: tollgate domains --help\n", nil},
		{"domains", "tollgate domains: TOLLGATE_ADMIN_URL: \"\" must be HOST:PORT, or an http or https URL such as https://127.0.0.1:9001\nSee: tollgate domains --help\n", []string{"TOLLGATE_ADMIN_URL=http://a:1,"}},
		{"domains --token x --token-file y", "tollgate domains: --token and --token-file: give only one of them\nSee: tollgate domains --help\n", nil},
		{"domains", "tollgate domains: TOLLGATE_TOKEN and TOLLGATE_TOKEN_FILE: set only one of them\nSee: tollgate domains --help\n", []string{"TOLLGATE_TOKEN=x", "TOLLGATE_TOKEN_FILE=y"}},
		{"domains --token-file /nowhere", "tollgate domains: --token-file /nowhere: no such file or directory\nSee: tollgate domains --help\n", nil},
		{"domains --token-file " + empty, "tollgate domains: --token-file " + empty + ": is empty\nSee: tollgate domains --help\n", nil},
		{"domains --token-file " + spaced, "tollgate domains: --token-file " + spaced + ": must be one line of ASCII letters, digits and signs, without spaces\nSee: tollgate domains --help\n", nil},
	} {
		got := command{args: words(c.args), env: c.env}.run(t.Context())
		if want := (outcome{cli.Usage, "", c.want}); got != want {
			t.Errorf("tollgate %s\n got %+v\nwant %+v", c.args, got, want)
		}
	}
}

func TestEmptyArgument(t *testing.T) {
	got := command{args: []string{"export", ""}}.run(t.Context())
	if want := (outcome{cli.Usage, "", "tollgate export: KEY is empty\nSee: tollgate export --help\n"}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestHelp(t *testing.T) {
	got := command{args: words("--help")}.run(t.Context())
	if got.status != cli.Done || got.err != "" {
		t.Errorf("%+v", got)
	}
	for _, name := range words("node import validate export deploy domains clone delete quota members join leave transfer explain diff version ready keygen ca help") {
		if !strings.Contains(got.out, "\n  "+name+" ") {
			t.Errorf("help does not list %s:\n%s", name, got.out)
		}
	}
}

func TestHelpHidesFormerBench(t *testing.T) {
	if got := (command{args: words("--help")}).run(t.Context()); strings.Contains(got.out, "\n  bench ") {
		t.Errorf("the gateway's help lists the benchmark:\n%s", got.out)
	}
}

func TestVersion(t *testing.T) {
	version, commit = "v1.2.3", "abc"
	t.Cleanup(func() { version, commit = "", "" })
	v := readVersion()
	human := "tollgate v1.2.3 (commit abc, " + v.Go + ", " + v.Platform + ")\n"
	for args, want := range map[string]string{
		"version":        human,
		"--version":      human,
		"--json version": `{"version":"v1.2.3","commit":"abc","go":"` + v.Go + `","platform":"` + v.Platform + "\"}\n",
		"version --json": `{"version":"v1.2.3","commit":"abc","go":"` + v.Go + `","platform":"` + v.Platform + "\"}\n",
	} {
		if got := (command{args: words(args)}).run(t.Context()); got != (outcome{cli.Done, want, ""}) {
			t.Errorf("tollgate %s: %+v", args, got)
		}
	}
	version, commit = "", ""
	if v := readVersion(); v.Version == "" {
		t.Errorf("an unreleased build has no version: %+v", v)
	}
}

const document = `{"swagger":"2.0","info":{"title":"Shop"},"basePath":"/shop","schemes":["http"],"paths":{"/x":{"get":{}}},` +
	`"x-toastcloud-apigw":{"plugins":{"HTTP_PROXY":{"url":"http://127.0.0.1:8080"},"USAGE_QUOTA":{"usageQuotaBeans":[{"maxUsageQuota":5,"resetTimeSeconds":60}]}}}}`

func TestValidate(t *testing.T) {
	good := writeFile(t, "good.json", document)
	bad := writeFile(t, "bad.json", strings.Replace(document, `"/shop"`, `"shop"`, 1))
	if got, want := (command{args: []string{"validate", good}}).run(t.Context()), (outcome{cli.Done, good + " is valid: domain shop (Shop) with 1 endpoint and 1 quota condition\n", ""}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got, want := (command{args: words("validate - --json"), stdin: document}).run(t.Context()), (outcome{cli.Done, `{"valid":true,"key":"shop","name":"Shop","errors":[],"warnings":[]}` + "\n", ""}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	got := command{args: []string{"validate", bad}}.run(t.Context())
	if got.status != cli.Failed || got.out != "" || !strings.HasPrefix(got.err, "tollgate validate: "+bad+" is not valid: 1 problem\n  $.basePath: ") {
		t.Errorf("bad: %+v", got)
	}
	got = command{args: []string{"validate", bad, "--json"}}.run(t.Context())
	if got.status != cli.Failed || !strings.HasPrefix(got.out, `{"valid":false,"key":"","name":"","errors":[{"path":"$.basePath","message":`) {
		t.Errorf("bad with --json: %+v", got)
	}
	got = command{args: words("validate -"), stdin: "swagger: 2\ninfo: ["}.run(t.Context())
	if got.status != cli.Failed || !strings.HasPrefix(got.err, "tollgate validate: the document is not valid: 1 problem\n  $: not YAML: line 2") {
		t.Errorf("no YAML: %+v", got)
	}
	const openapi = "openapi: 3.1.0\ninfo: {title: Pets}\npaths: {/pets: {get: {}}}\n"
	got = command{args: append(words("validate - --key pets --scheme https --endpoint-server http://h --name"), "My pets"), stdin: openapi}.run(t.Context())
	if want := (outcome{cli.Done, "the document is valid: domain pets (My pets) with 1 endpoint and 0 quota conditions\n", ""}); got != want {
		t.Errorf("OpenAPI in YAML: %+v", got)
	}
	got = command{args: words("validate /nowhere.json")}.run(t.Context())
	if want := (outcome{cli.Failed, "", "tollgate validate: open /nowhere.json: no such file or directory\n"}); got != want {
		t.Errorf("no file: %+v", got)
	}
	plain := `{"swagger":"2.0","info":{"title":"Shop"},"basePath":"/shop","schemes":["http"],"paths":{"/x":{"get":{}}}}`
	got = command{args: words("validate - --endpoint-server http://127.0.0.1:8080"), stdin: plain}.run(t.Context())
	if want := (outcome{cli.Done, "the document is valid: domain shop (Shop) with 1 endpoint and 0 quota conditions\n", ""}); got != want {
		t.Errorf("plain: %+v", got)
	}
}

// brokenWriter is a full disk.
type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, os.ErrInvalid }

func TestOutputThatFails(t *testing.T) {
	var errs bytes.Buffer
	status := run(t.Context(), []string{"version"}, strings.NewReader(""), brokenWriter{}, &errs, nil)
	if want := "tollgate version: write the answer: invalid argument\n"; status != cli.Failed || errs.String() != want {
		t.Errorf("%d %q", status, errs.String())
	}
}
