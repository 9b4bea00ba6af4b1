package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
)

// TestStatus: one screen says who leads, who lags, and which quotas are near their end.
func TestStatus(t *testing.T) {
	answers := map[string]string{
		"/v1/cluster": clusterAnswer,
		"/v1/domains": `[{"key":"shop","name":"Shop","draftRevision":3,"deployedRevision":2,"endpoints":1},{"key":"new","name":"New","draftRevision":1,"deployedRevision":null,"endpoints":1}]`,
		"/v1/domains/shop/quota": `{"conditions":[{"endpoint":null,"maxUsageQuota":10,"resetTimeSeconds":60,"used":8,"phase":"strict"},` +
			`{"endpoint":"GET /x","maxUsageQuota":10,"resetTimeSeconds":60,"used":10,"phase":"exhausted"},{"endpoint":null,"maxUsageQuota":10,"resetTimeSeconds":1,"used":7,"phase":"leasing"}]}`,
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte(answers[r.URL.Path]))
	}))
	defer s.Close()
	got := command{args: []string{"status", "--admin-url", s.URL}}.run(t.Context())
	want := outcome{0, "" +
		"Cluster c-1, leader n1, term 7, 1 of 2 members reachable\n" +
		"MEMBER    ROLE         LAG  VERSION  RULES  PROXY\n" +
		"n1        leader       0    1.2      3      10.0.0.1:8001\n" +
		"node-two  UNREACHABLE  ?    -        0      10.0.0.2:8001\n" +
		"\n2 domains, 1 live, 1 of them with another draft\n\n" +
		"QUOTA NEAR ITS END  ENDPOINT        USED   UNITS     PHASE\n" +
		"shop                GET /x          100 %  10 of 10  exhausted\n" +
		"shop                (whole domain)  80 %   8 of 10   strict\n", ""}
	if got != want {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
}

// TestBackupFile: a backup is a file that its owner alone can read, and one that breaks
// off leaves the file before it as it was.
func TestBackupFile(t *testing.T) {
	whole := true
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v1/backup" {
			t.Errorf("asked for %s", r.URL.Path)
		}
		w.Header().Set("Content-Length", "8")
		_, _ = w.Write([]byte("a backup")[:map[bool]int{true: 8, false: 5}[whole]])
	}))
	defer s.Close()
	name := filepath.Join(t.TempDir(), "b")
	backUp := func() outcome {
		return command{args: []string{"backup", "-o", name, "--admin-url", s.URL}}.run(t.Context())
	}
	if got := backUp(); got != (outcome{0, name + ": 8 bytes\n", ""}) {
		t.Errorf("%+v", got)
	}
	whole = false
	if got := backUp(); got.status != 1 {
		t.Errorf("a backup that breaks off: %+v", got)
	}
	raw, err := os.ReadFile(name)
	info, _ := os.Stat(name)
	if err != nil || string(raw) != "a backup" || info.Mode() != 0o600 {
		t.Errorf("%q, %v, %v", raw, info.Mode(), err)
	}
	if left, _ := filepath.Glob(name + ".*"); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}
