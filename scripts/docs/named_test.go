package docs

import (
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/tollgate/tollgate/node"
	"github.com/tollgate/tollgate/node/nodetest"
)

var (
	flagName   = regexp.MustCompile(`--[a-z][a-z-]*`)
	metricName = regexp.MustCompile(`\btollgate_[a-z_]+\b`)
	// invoked is a command of tollgate, up to what ends a command of a shell.
	invoked = regexp.MustCompile(`(?:^|[ /(])tollgate ([a-z]+)((?:[^|&;>\n]|\\\n)*)`)
	// listed is a command in the help of tollgate.
	listed = regexp.MustCompile(`(?m)^  ([a-z]+)  `)
	target = regexp.MustCompile(`(?m)^make ((?:bin/)?[a-z-]+)`)
)

// TestNamed: commands and flags of tollgate, targets of make, and metrics that the
// pages name are there, also in blocks that no test runs.
func TestNamed(t *testing.T) {
	help := helps{}
	makefile := readPage(t, "Makefile")
	metrics := metricsOfNode(t)
	for _, page := range guides {
		texts := inlineCode(t, page)
		for _, b := range blocks(t, page) {
			if b.language == "sh" {
				texts = append(texts, b.text)
			}
		}
		for _, text := range texts {
			for _, m := range invoked.FindAllStringSubmatch(text, -1) {
				said, ok := help.of(t, m[1])
				if !ok {
					t.Errorf("%s: there is no command tollgate %s", page, m[1])
				}
				for _, flag := range flagName.FindAllString(m[2], -1) {
					if ok && !hasWord(said, flag) {
						t.Errorf("%s: tollgate %s has no flag %s", page, m[1], flag)
					}
				}
			}
			if flagName.FindString(text) == text && !help.anywhere(t, text) {
				t.Errorf("%s: neither tollgate node nor another command has a flag %s", page, text)
			}
			for _, m := range target.FindAllStringSubmatch(text, -1) {
				if !strings.Contains(makefile, "\n"+m[1]+":") {
					t.Errorf("%s: there is no make %s", page, m[1])
				}
			}
		}
		for _, name := range metricName.FindAllString(readPage(t, page), -1) {
			if !hasWord(metrics, name) {
				t.Errorf("%s: a node has no metric %s", page, name)
			}
		}
	}
}

// hasWord tells whether a text has a word, and not only as the beginning of another.
func hasWord(text, word string) bool {
	return regexp.MustCompile(regexp.QuoteMeta(word) + `(?:[^a-z_-]|$)`).MatchString(text)
}

// helps is what the commands say of themselves, by their names.
type helps map[string]string

// of is what a command says, and its own commands do; ok is false if there is none.
func (h helps) of(t *testing.T, command string) (said string, ok bool) {
	t.Helper()
	if _, asked := h[command]; !asked {
		out, err := exec.Command(built(t), command, "--help").CombinedOutput()
		if err != nil || !strings.Contains(string(out), "tollgate "+command) {
			out = nil
		}
		h[command] = string(out)
		for _, m := range listed.FindAllStringSubmatch(string(out), -1) { // of its own commands, too
			if own, err := exec.Command(built(t), command, m[1], "--help").Output(); err == nil {
				h[command] += string(own)
			}
		}
	}
	return h[command], h[command] != ""
}

// anywhere tells whether a flag is a setting of a node or one of any command.
func (h helps) anywhere(t *testing.T, flag string) bool {
	t.Helper()
	for _, s := range node.Settings {
		if "--"+s.Name == flag {
			return true
		}
	}
	all, err := exec.Command(built(t), "--help").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range listed.FindAllStringSubmatch(string(all), -1) {
		if said, _ := h.of(t, m[1]); hasWord(said, flag) {
			return true
		}
	}
	return false
}

// metricsOfNode is the text of /metrics.
func metricsOfNode(t *testing.T) string {
	t.Helper()
	// The leader of two, since only that one has some of them, and what is counted
	// by endpoint is there when there has been a call.
	c := nodetest.Start(t, 2, func(cfg *nodetest.Config) {
		cfg.AccessLog, cfg.OTLPEndpoint = filepath.Join(t.TempDir(), "access.log"), "http://127.0.0.1:1"
	})
	c.Deploy(`{"swagger":"2.0","info":{"title":"d"},"basePath":"/d","schemes":["http"],"paths":{"/x":{"get":{}}},
		"x-toastcloud-apigw":{"plugins":{"HTTP_PROXY":{"url":"http://127.0.0.1:1"},"USAGE_QUOTA":{"usageQuotaBeans":[{"maxUsageQuota":100,"resetTimeSeconds":60}]}}}}`)
	leader := c.Leader()
	leader.WaitReady()
	answer, err := http.Get("http://" + leader.ProxyAddr() + "/d/x")
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	var text []byte
	nodetest.Eventually(t, "the call has been counted", func() bool { // a moment after its answer
		answer, err := http.Get(leader.AdminURL() + "/metrics")
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		if text, err = io.ReadAll(answer.Body); err != nil {
			t.Fatal(err)
		}
		return strings.Contains(string(text), "tollgate_proxy_request_seconds")
	})
	return string(text)
}

// TestNeeds: a machine without the tools is told which, and how to get them.
func TestNeeds(t *testing.T) {
	bare := t.TempDir() // with nothing but what the script itself uses
	for _, name := range []string{"sh", "sed", "tail"} {
		file, err := exec.LookPath(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(file, filepath.Join(bare, name)); err != nil {
			t.Fatal(err)
		}
	}
	old := filepath.Join(t.TempDir(), "go")
	const says = "#!/bin/sh\ncase $1 in env) echo cc-that-is-not-there;; *) echo 'go: go.mod requires go >= 1.99'; exit 1;; esac\n"
	if err := os.WriteFile(old, []byte(says), 0o700); err != nil {
		t.Fatal(err)
	}
	for args, want := range map[string]string{
		"test go":             "make test needs Go 1.26.0, and there is no go: https://go.dev/dl has it",
		"check go git":        "make check needs git: the system's packages have it",
		"GO=" + old + " go":   "go is older or broken: https://go.dev/dl has it (go: go.mod requires go >= 1.99)",
		"GO=" + old + " race": "a C compiler for the race detector, and there is no cc-that-is-not-there: apt install gcc libc6-dev",
	} {
		cmd := exec.Command(filepath.Join(bare, "sh"), append([]string{"scripts/needs"}, strings.Fields(args)...)...)
		cmd.Dir = root
		cmd.Env = []string{"PATH=" + bare}
		if given, isGo := strings.CutPrefix(strings.Fields(args)[0], "GO="); isGo {
			cmd.Env = append(cmd.Env, "GO="+given)
		}
		out, err := cmd.CombinedOutput()
		if err == nil || !strings.Contains(string(out), want) {
			t.Errorf("%s: %v, %s", args, err, out)
		}
	}
}

// TestTargetsSayWhatTheyNeed: whatever target of make uses Go looks for it first.
func TestTargetsSayWhatTheyNeed(t *testing.T) {
	name, looks := "", false
	for line := range strings.Lines(readPage(t, "Makefile")) {
		recipe, isRecipe := strings.CutPrefix(line, "\t")
		switch {
		case !isRecipe:
			name, _, _ = strings.Cut(line, ":")
			looks = false
		case strings.HasPrefix(recipe, "$(NEEDS)"):
			looks = true
		case !looks && (strings.Contains(recipe, "$(GO)") || strings.Contains(recipe, "$(RELEASE)")):
			t.Errorf("make %s uses Go and does not look for it first: %s", name, recipe)
		}
	}
}
