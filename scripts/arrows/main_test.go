package main

import "testing"

func TestForbiddenArrowsAreFound(t *testing.T) {
	for _, c := range []struct {
		from, to string
		test     bool
		bad      bool
	}{
		{"node", "proxy", false, false},
		{"node/admin", "store/catalog", false, false},
		{"cluster", "store", false, false},
		{"cluster", "proxy", false, true},
		{"proxy/gate", "cluster", false, true},
		{"store", "node", false, true},
		{"proxy", "node", false, true},
		{"store", "store/quota", false, false},
		{"store", "store/log", false, false},
		{"store/quota", "store/catalog", false, true},
		{"store/log", "store/quota", false, true},
		{"cluster", "cluster/ledger", false, false},
		{"cluster/ledger", "store/quota", false, false},
		{"cluster/ledger", "store", false, true},
		{"cluster/ledger", "cluster", false, true},
		{"cluster/ledger", "store", true, false},
		{"node/stats", "proxy/callstats", false, false},
		{"node/stats", "cluster", false, true},
		{"proxy/callstats", "proxy/envelope", false, false},
		{"proxy/callstats", "proxy", false, true},
		{"scripts/demo", "node/admin/api", false, false},
		{"scripts/demo", "bench/process", false, false},
		{"scripts/demo", "node/admin", false, true},
		{"scripts/demo", "store", false, true},
		{"cmd/tollgate", "bench/report", false, true},
		{"cmd/internal/cli", "bench", false, true},
		{"cmd/tollgate-bench", "bench/report", false, false},
		{"cmd/tollgate/chaos", "bench/process", true, false},
		{"cluster", "node/nodetest", true, false},
		{"cluster", "proxy", true, true},
	} {
		p := goPackage{ImportPath: module + c.from}
		if c.test {
			p.XTestImports = []string{module + c.to}
		} else {
			p.Imports = []string{module + c.to}
		}
		if got := len(check([]goPackage{p})) > 0; got != c.bad {
			t.Errorf("%s imports %s (test %v): found %v, want %v", c.from, c.to, c.test, got, c.bad)
		}
	}
	for from, bad := range map[string]bool{"store/log": false, "store": true, "store/quota": true, "node": true} {
		p := goPackage{ImportPath: module + from, Imports: []string{"github.com/hashicorp/raft"}}
		if got := len(check([]goPackage{p})) > 0; got != bad {
			t.Errorf("%s imports Raft: found %v, want %v", from, got, bad)
		}
	}
}
