package prometheus

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/tollgate/tollgate/node/nodetest"
)

const (
	rulesFile     = "alerts.yml"
	testsFile     = "alerts_test.yml"
	dashboardFile = "../grafana/tollgate.json"
)

type rules struct {
	Groups []struct {
		Name  string
		Rules []struct {
			Alert, Expr         string
			Labels, Annotations map[string]string
		}
	}
}

func readRules(t *testing.T) (all rules) {
	t.Helper()
	raw, err := os.ReadFile(rulesFile)
	if err == nil {
		err = yaml.Unmarshal(raw, &all)
	}
	if err != nil {
		t.Fatal(err)
	}
	return all
}

type gridPos struct{ H, W, X, Y int }

type dashboard struct {
	UID, Title string
	Templating struct {
		List []struct {
			Name, Type, Definition string
		}
	}
	Panels []struct {
		ID                       int
		Type, Title, Description string
		GridPos                  gridPos
		Datasource               struct{ UID string }
		Targets                  []struct{ Expr, RefID string }
	}
}

func readDashboard(t *testing.T) (d dashboard) {
	t.Helper()
	raw, err := os.ReadFile(dashboardFile)
	if err == nil {
		err = json.Unmarshal(raw, &d)
	}
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// promtool runs it, or skips the test where it is not installed.
func promtool(t *testing.T, args ...string) {
	t.Helper()
	tool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("needs promtool: apt install prometheus")
	}
	out, err := exec.Command(tool, args...).CombinedOutput()
	if err != nil {
		t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// TestRules: Prometheus reads the rules, and each alert fires when it should and
// not before.
func TestRules(t *testing.T) {
	promtool(t, "check", "rules", rulesFile)
	promtool(t, "test", "rules", testsFile)
}

// TestRulesTested: each alert has a case, and says what is wrong and how bad.
func TestRulesTested(t *testing.T) {
	tests, err := os.ReadFile(testsFile)
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range readRules(t).Groups {
		for _, r := range g.Rules {
			if !strings.Contains(string(tests), "  - name: "+r.Alert+"\n") {
				t.Errorf("%s has no case in %s", r.Alert, testsFile)
			}
			if !slices.Contains([]string{"critical", "warning", "info"}, r.Labels["severity"]) || r.Annotations["summary"] == "" || r.Annotations["description"] == "" {
				t.Errorf("%s: severity %q, %v", r.Alert, r.Labels["severity"], r.Annotations)
			}
		}
	}
}

// TestDashboard: Prometheus understands each query of the dashboard, with what
// Grafana puts in for its variables, and each panel has a place of its own.
func TestDashboard(t *testing.T) {
	d := readDashboard(t)
	type rule struct {
		Record string `yaml:"record"`
		Expr   string `yaml:"expr"`
	}
	var all []rule
	variables := strings.NewReplacer("$__rate_interval", "5m", "$domain", ".*", "$instance", ".*", "$job", ".*")
	ids, taken := map[int]string{}, map[[2]int]string{}
	for _, p := range d.Panels {
		if other, twice := ids[p.ID]; twice {
			t.Errorf("%s and %s have one id", p.Title, other)
		}
		ids[p.ID] = p.Title
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				if other, ok := taken[[2]int{x, y}]; ok {
					t.Fatalf("%s lies over %s", p.Title, other)
				}
				taken[[2]int{x, y}] = p.Title
			}
		}
		if p.Type == "row" {
			continue
		}
		if len(p.Targets) == 0 || p.Description == "" || p.Datasource.UID != "${datasource}" || p.GridPos.X+p.GridPos.W > 24 {
			t.Errorf("%s: %+v", p.Title, p)
		}
		for _, q := range p.Targets {
			expr := variables.Replace(q.Expr)
			if strings.Contains(expr, "$") {
				t.Errorf("%s: an unknown variable in %s", p.Title, q.Expr)
			}
			all = append(all, rule{"a:b:c", expr})
		}
	}
	if d.UID == "" || d.Title != "Tollgate" || len(all) < 30 {
		t.Errorf("%q, %q: %d queries", d.UID, d.Title, len(all))
	}
	file := filepath.Join(t.TempDir(), "dashboard.yml")
	// One group a query: promtool takes two rules of one name for duplicates.
	type group struct {
		Name  string `yaml:"name"`
		Rules []rule `yaml:"rules"`
	}
	var groups []group
	for i, r := range all {
		r.Record += strings.Repeat("x", i)
		groups = append(groups, group{r.Record, []rule{r}})
	}
	var text bytes.Buffer
	if err := yaml.NewEncoder(&text).Encode(map[string]any{"groups": groups}); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, text.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	promtool(t, "check", "rules", file)
}

var (
	metricName = regexp.MustCompile(`\b(?:tollgate|process|go)_[a-z_]+\b`)
	labelUsed  = regexp.MustCompile(`by \(([a-z, ]+)\)`)
)

// TestMetricsThere: what rules and dashboard ask for, a running node tells, with
// the labels that they group by.
func TestMetricsThere(t *testing.T) {
	told := metricsOfNode(t)
	asked := map[string]string{}
	for _, g := range readRules(t).Groups {
		for _, r := range g.Rules {
			asked[r.Expr] = r.Alert
		}
	}
	d := readDashboard(t)
	for _, p := range d.Panels {
		for _, q := range p.Targets {
			asked[q.Expr] = p.Title
		}
	}
	for _, v := range d.Templating.List {
		asked[v.Definition] = "variable " + v.Name
	}
	for expr, who := range asked {
		names := metricName.FindAllString(expr, -1)
		if len(names) == 0 && expr != "" && !strings.HasPrefix(expr, "up{") {
			t.Errorf("%s asks for nothing: %s", who, expr)
		}
		for _, name := range names {
			samples := regexp.MustCompile(`(?m)^` + name + `(\{.*\})? .*$`).FindString(told)
			if samples == "" {
				t.Errorf("%s: a node has no %s", who, name)
			}
		}
		for _, m := range labelUsed.FindAllStringSubmatch(expr, -1) {
			for label := range strings.SplitSeq(m[1], ",") {
				if label = strings.TrimSpace(label); label != "instance" && len(names) > 0 && !regexp.MustCompile(`(?m)^`+names[0]+`\{(.*,)?`+label+`="`).MatchString(told) {
					t.Errorf("%s: %s has no label %s", who, names[0], label)
				}
			}
		}
	}
}

// metricsOfNode is what the leader of two tells once it has had a call of each
// kind.
func metricsOfNode(t *testing.T) string {
	t.Helper()
	c := nodetest.Start(t, 2, func(cfg *nodetest.Config) {
		cfg.AccessLog = filepath.Join(t.TempDir(), "access.log")
		cfg.OTLPEndpoint = "http://127.0.0.1:1" // nobody is there
	})
	c.Deploy(`{"swagger":"2.0","info":{"title":"d"},"basePath":"/d","schemes":["http"],
		"paths":{"/x":{"get":{}},"/pre":{"get":{"x-toastcloud-apigw":{"plugins":{"PRE_API":{"method":"GET","url":"http://127.0.0.1:1/"}}}}}},
		"x-toastcloud-apigw":{"plugins":{"HTTP_PROXY":{"url":"http://127.0.0.1:1"},"USAGE_QUOTA":{"usageQuotaBeans":[{"maxUsageQuota":100,"resetTimeSeconds":60}]}}}}`)
	leader := c.Leader()
	leader.WaitReady()
	for _, path := range []string{"/d/x", "/d/pre"} {
		get(t, "http://"+leader.ProxyAddr()+path)
	}
	var text string
	nodetest.Eventually(t, "the end of a call is told", func() bool {
		text = get(t, leader.AdminURL()+"/metrics")
		return strings.Contains(text, `tollgate_proxy_request_seconds_count{domain="d"`)
	})
	return text
}

func get(t *testing.T, url string) string {
	t.Helper()
	answer, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
