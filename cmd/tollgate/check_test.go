package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tollgate/tollgate/cmd/internal/cli"
)

// TestNodeCheck: --check prints what the node would run with and where it comes
// from, as a file that means the same, and starts and writes nothing.
func TestNodeCheck(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	config := writeFile(t, "node.yaml", "id: file\nquota-wait: 3s\nmax-conns: 500\njoin: [\"https://a:1\", \"https://b:2\"]\n")
	args := []string{"--config", config, "--data-dir", dir, "--body-memory=64MiB"}
	env := []string{"TOLLGATE_ID=n1", "TOLLGATE_CLUSTER_KEY=" + secret32}
	got := command{args: append([]string{"node", "--check"}, args...), env: env}.run(t.Context())
	if got.status != cli.Done || got.err != "" {
		t.Fatalf("%+v", got)
	}
	lines := map[string]string{}
	for line := range strings.Lines(got.out) {
		text, from, _ := strings.Cut(strings.TrimRight(line, "\n"), "  # ")
		lines[strings.TrimSpace(text)] = strings.TrimSpace(from)
	}
	for text, from := range map[string]string{
		"id: n1": "TOLLGATE_ID", "data-dir: " + dir: "--data-dir", "quota-wait: 3s": "quota-wait in " + config,
		"max-conns: 500": "max-conns in " + config, "max-conns-per-client: 250": "default", "body-memory: 64MiB": "--body-memory",
		`join: ['https://a:1', 'https://b:2']`: "join in " + config, "bootstrap: false": "default", "log-level: info": "default",
		"# the cluster's key: ********": "TOLLGATE_CLUSTER_KEY",
	} {
		if lines[text] != from {
			t.Errorf("%q comes from %q, want %q", text, lines[text], from)
		}
	}
	if strings.Contains(got.out, secret32) {
		t.Errorf("it shows the secret:\n%s", got.out)
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("the data directory: %v", err)
	}
	// What it prints, given back, means the same.
	printed := writeFile(t, "printed.yaml", got.out)
	want, _ := configOf(t, env, args...)
	again, o := configOf(t, env[1:], "--config", printed)
	if want == nil || again == nil {
		t.Fatalf("%+v", o)
	}
	again.Logger = want.Logger
	check(t, again, *want)
}

// TestNodeCheckFindsFiles: what a node would fail at is found without one.
func TestNodeCheckFindsFiles(t *testing.T) {
	empty := writeFile(t, "empty", "")
	for args, want := range map[string]string{
		"--quota-wait 2m":                                            "--quota-wait 2m0s: must be more than 0 and at most 1m0s",
		"--upstream-ca /nowhere":                                     "--upstream-ca /nowhere: no such file or directory",
		"--upstream-ca " + empty:                                     "--upstream-ca " + empty + ": holds no certificate (PEM)",
		"--tls-cert /nowhere":                                        "--tls-cert and --tls-key: give a key for each certificate, in the same order: 1 and 0 are given",
		"--tls-cert " + empty + " --tls-key /nowhere":                "--tls-key /nowhere: no such file or directory",
		"--client-ca " + empty:                                       "--client-ca: clients show certificates over TLS only: give --tls-cert and --tls-key too",
		"--trusted-proxies 10.0.0.0/8 --trusted-proxies 10.0.0.1/33": `--trusted-proxies: "10.0.0.1/33" is neither an address nor a subnet, such as 10.0.0.0/8`,
		"--proxy-protocol":                                           "--proxy-protocol: only trusted proxies are asked for a PROXY header: give --trusted-proxies too",
		"--admin-token-file /nowhere":                                "--admin-token-file /nowhere: no such file or directory",
		"--listen 0.0.0.0:1 --id ../n":                               "the node's settings have 2 problems\n  --id \"../n\": must be 1 to 64 of A-Z a-z 0-9 . _ -\n  --listen 0.0.0.0:1 names no address that others could reach: give --advertise-listen HOST:PORT too",
	} {
		got := command{args: words("node --check --id n1 --data-dir /d " + args)}.run(t.Context())
		if want := (outcome{cli.Usage, "", "tollgate node: " + want + "\nSee: tollgate node --help\n"}); got != want {
			t.Errorf("%s\n got %+v\nwant %+v", args, got, want)
		}
	}
}
