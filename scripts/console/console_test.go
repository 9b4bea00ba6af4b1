package console

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/tollgate/tollgate/node/nodetest"
)

// shop is a domain whose quota admits so many calls.
func shop(body string, limit int) string {
	return fmt.Sprintf(`{"swagger":"2.0","info":{"title":"Shop","version":"1"},"basePath":"/shop","schemes":["http"],
		"paths":{"/orders/{id}":{"get":{"x-toastcloud-apigw":{"plugins":{"MOCK":{"statusCode":200,"headers":{},"body":%q}}}}}},
		"x-toastcloud-apigw":{"plugins":{"HTTP_PROXY":{"url":"http://127.0.0.1:1"},
		"USAGE_QUOTA":{"usageQuotaBeans":[{"maxUsageQuota":%d,"resetTimeSeconds":3600}]}}}}`, body, limit)
}

// signed is a domain that wants signatures.
const signed = `{"swagger":"2.0","info":{"title":"Signed","version":"1"},"basePath":"/signed","schemes":["http"],
	"paths":{"/x":{"get":{}}},"x-toastcloud-apigw":{"plugins":{"HTTP_PROXY":{"url":"http://127.0.0.1:1"},
	"HMAC":{"secretKey":"0123456789abcdef","clockSkew":300}}}}`

func host(url string) string { return strings.TrimPrefix(url, "http://") }

// calls makes n calls of a path, in turn at the nodes, and counts the statuses.
func calls(t *testing.T, c *nodetest.Cluster, path string, n int) map[int]int {
	t.Helper()
	statuses := map[int]int{}
	for i := range n {
		resp, err := http.Get("http://" + c.Nodes[i%len(c.Nodes)].ProxyAddr() + path)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		statuses[resp.StatusCode]++
	}
	return statuses
}

// TestConsole: what an operator does in the console, without a mouse: import by a drop,
// compare, deploy, roll back, watch a quota run out on three nodes and reset it, explain a
// refused signature, see who did it, and follow a failover.
func TestConsole(t *testing.T) {
	b := open(t)
	c := nodetest.Start(t, 3)
	base := c.Nodes[0].AdminURL()
	b.goes(base + "/console/")
	b.sees("Members")
	b.sees("answers")
	b.each("cluster")

	b.press("Domains")
	b.sees("There is no domain yet.")
	b.drop("shop.json", shop("old", 20))
	b.sees("shop: revision 1 is the draft.")
	b.sees("not deployed")
	b.press("Deploy the draft")
	b.sees("Revision 1 is live.")

	b.press("Import")
	b.enter("Note", "a new answer")
	b.drop("shop.json", shop("new", 20))
	b.sees("shop: revision 2 is the draft.")
	b.press("Draft and live")
	b.sees("Live revision 1 and draft revision 2")
	b.sees("+ new")
	b.sees("− old")
	b.each("diff")
	b.press("Deploy the draft")
	b.sees("Revision 2 is live.")
	b.press("History")
	b.sees("a new answer")
	b.each("history")
	b.press("Make revision 1 live")
	b.sees("Revision 1 is live again.")
	b.press("Endpoints")
	b.sees("/orders/{id}")
	b.each("endpoints")

	b.press("Quotas")
	b.sees("0 of 20")
	if got := calls(t, c, "/shop/orders/7", 30); got[200] != 20 || got[403] != 10 {
		t.Errorf("%v, want 20 admitted of 30", got)
	}
	b.sees("20 of 20")
	b.sees("exhausted")
	b.each("quotas")
	b.shot("console-quotas")
	b.press("Reset all calls")
	b.sees("Reset this quota?")
	b.press("Reset it")
	b.sees("The quota is reset.")
	b.sees("0 of 20")
	if got := calls(t, c, "/shop/orders/7", 3); got[200] != 3 {
		t.Errorf("after the reset: %v", got)
	}

	b.press("Domains")
	b.sees("Shop")
	b.drop("signed.json", signed)
	b.sees("signed: revision 1 is the draft.")
	b.press("Deploy the draft")
	b.sees("Revision 1 is live.")
	b.press("Explain")
	b.enter("Path and query", "/signed/x")
	b.press("Explain")
	b.sees("The gateway answers 401, 20001")
	b.sees("HMAC")
	b.each("explain")
	b.press("Audit")
	b.sees("rollback")
	b.each("audit")
	b.press("Statistics")
	b.sees("Shop")
	b.press("shop")
	b.sees("Answered by the gateway")
	b.sees("20004")
	b.each("statistics")
	b.shot("console-statistics")

	b.press("Cluster")
	b.sees("Leader")
	for c.Leader() == c.Nodes[0] { // whose console this is; on a busy machine leadership may stay, or come back
		b.press("Have n2 lead")
		b.sees("lead") // done, or why not
	}
	leader := c.Leader()
	b.expected = []string{"503 (Service Unavailable)"} // of /readyz, while there is none
	leader.Kill()
	b.sees(leader.ID + " does not answer.")
	b.each("failover")
	leader.Start()
	leader.WaitReady()
	b.sound(host(base))
}

// TestSignIn: with tokens the console asks for one, keeps it from the page's address, and
// offers what its role allows.
func TestSignIn(t *testing.T) {
	b := open(t)
	const reads, changes = "read-read-read-read-read-read-read", "admi-admi-admi-admi-admi-admi-admi"
	tokens := filepath.Join(t.TempDir(), "tokens")
	if err := os.WriteFile(tokens, []byte("read kim "+reads+"\nadmin lee "+changes+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := nodetest.Start(t, 1, func(cfg *nodetest.Config) { cfg.AdminTokenFile = tokens })
	base := c.Nodes[0].AdminURL()
	b.expected = []string{"401 (Unauthorized)"}
	b.goes(base + "/console/")
	b.sees("Sign in")
	b.each("signin")
	b.enter("Token", "wrong")
	b.run(pressEnter)
	b.sees("the token is unknown here")
	b.enter("Token", reads)
	b.run(pressEnter)
	b.sees("kim, read")
	if text := b.text(); strings.Contains(text, "Leave") || strings.Contains(text, "Lead\n") {
		t.Errorf("a reader is offered what an administrator may:\n%s", text)
	}
	b.press("Sign out")
	b.sees("One of the node's")
	b.enter("Token", changes)
	b.run(pressEnter)
	b.sees("lee, admin")
	b.sees("Leave")
	if url := eval[string](b, "location.href"); strings.Contains(url, changes) {
		t.Errorf("the token is in the address: %s", url)
	}
	if err := os.WriteFile(tokens, []byte("read kim "+reads+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	b.sees("Sign in") // at the next poll: the token has ended
	b.sound(host(base))
}

var pressEnter = chromedp.KeyEvent(kb.Enter)
