package main

import (
	"strings"
	"testing"

	"github.com/tollgate/tollgate/node/nodetest"
)

// TestRecoverAmongSurvivors: of five nodes three are gone for good. Nothing is recovered
// while a majority answers, nor by the survivor that has less. The other one goes on, with
// the first as a member that votes once it has joined anew.
func TestRecoverAmongSurvivors(t *testing.T) {
	c := nodetest.Start(t, 5)
	c.Raised()
	document := `{"swagger":"2.0","info":{"title":"d","version":"1"},"basePath":"/d","schemes":["http"],
		"x-toastcloud-apigw":{"plugins":{"HTTP_PROXY":{"url":"http://127.0.0.1:1"}}},"paths":{"/x":{"get":{}}}}`
	c.Deploy(document)
	behind, ahead := c.Nodes[3], c.Nodes[4]
	behind.Stop()
	c.Deploy(strings.Replace(document, "/x", "/y", 1)) // which it does not have
	address := func(n *nodetest.Node) string { return n.ID + "=" + n.Self().ClusterAddress }
	at := address(ahead)
	recover := func(n *nodetest.Node, args ...string) outcome {
		return command{args: append([]string{"recover", "--data-dir", n.Config().DataDir}, args...)}.run(t.Context())
	}
	expect := func(got outcome, status int, texts ...string) {
		t.Helper()
		for _, text := range texts {
			if got.status != status || !strings.Contains(got.out+got.err, text) {
				t.Fatalf("%+v, want %d with %q", got, status, text)
			}
		}
	}
	expect(recover(behind, "--yes"), 1, "a majority of the cluster is there: ", "of 5 voters", "Start this node as before")

	for _, n := range c.Nodes[:3] {
		n.Stop()
	}
	expect(recover(behind, "--yes", "--members", at), 1, ahead.ID+" has more, up to entry ", "recover that node", "n1 does not answer: ")
	expect(recover(behind, "--members", "n9=127.0.0.1:7"), 2, "--members: n9 is no member of this cluster: the others are n1, n2, n3, n5")
	expect(recover(behind, "--members", "n5"), 2, "--members n5: must be ID=ADDRESS, such as n2=10.0.0.2:7001")
	expect(recover(behind), 2, "nothing was changed; --yes does it", ahead.ID+" answers, and has the log up to entry ")

	behind.Start()
	was := address(behind)
	ahead.Stop()
	expect(recover(ahead, "--yes", "--members", was), 0, "has 2 members now, of which "+ahead.ID+" votes, generation 2, with 1 domain")
	behind.Stop()
	ahead.Start()
	ahead.WaitReady()
	voters := func() string {
		list := ""
		for _, s := range ahead.Store().Servers().List {
			list += s.ID
			if s.Voter {
				list += " votes"
			}
			list += "; "
		}
		return list
	}
	if got := voters(); got != "n5 votes; n4; " {
		t.Errorf("members: %s", got)
	}
	behind.Config().DataDir = t.TempDir()
	behind.Config().Bootstrap, behind.Config().Join = false, []string{ahead.AdminURL()}
	behind.Start()
	behind.WaitReady()
	nodetest.Eventually(t, "the survivor votes", func() bool { return voters() == "n5 votes; n4 votes; " })
	c.Digest()
}
