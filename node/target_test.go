package node_test

import (
	"net"
	"net/url"
	"strings"
	"testing"

	"github.com/tollgate/tollgate/node/nodetest"
)

// TestOwnAddressAsTarget: no call of a client can be sent to an admin or cluster
// port, of this node or of any member, by an endpoint server's URL, a Pre API's
// or the one given beside a document.
func TestOwnAddressAsTarget(t *testing.T) {
	t.Parallel()
	c := nodetest.Start(t, 2, func(cfg *nodetest.Config) {
		if cfg.ID == "n1" {
			_, port, _ := net.SplitHostPort(cfg.Admin)
			cfg.AdvertiseAdmin = "gw.example:" + port
		}
	})
	first, second := c.Nodes[0], c.Nodes[1]
	advertised := first.Self().AdminAddress
	at := func(host, addr string) string {
		_, port, _ := net.SplitHostPort(addr)
		return net.JoinHostPort(host, port)
	}
	preAPI := func(u string) string {
		return strings.Replace(swagger("shop", "Shop", "", ""), `"MOCK":{`, `"PRE_API":{"method":"GET","url":"`+u+`"},"MOCK":{`, 1)
	}
	proxy := func(u string) string {
		return strings.Replace(swagger("shop", "Shop", "", ""), "http://127.0.0.1:1", u, 1)
	}
	targets := func(u string) string {
		return strings.Replace(swagger("shop", "Shop", "", ""), `{"url":"http://127.0.0.1:1"}`, `{"targets":[{"url":"http://127.0.0.1:1"},{"url":"`+u+`"}]}`, 1)
	}
	const plain = `{"swagger":"2.0","info":{"title":"t"},"basePath":"/k","schemes":["http"],"paths":{}}`
	for name, what := range map[string]struct{ url, says string }{
		"own admin":         {"http://" + first.AdminAddr() + "/v1/domains", "is the admin address of this node"},
		"own, unspecified":  {"http://" + at("0.0.0.0", first.AdminAddr()), "is the admin address of this node"},
		"own, as IPv6 too":  {"http://" + at("::", first.ClusterAddr()), "is the cluster address of this node"},
		"own, by https":     {"https://" + first.AdminAddr(), "is the admin address of this node"},
		"own, advertised":   {"http://" + strings.ToUpper(advertised), "is the admin address of this node"},
		"own, dot at end":   {"http://" + strings.Replace(advertised, ":", ".:", 1), "is the admin address of this node"},
		"own cluster":       {"http://" + first.ClusterAddr(), "is the cluster address of this node"},
		"a member's admin":  {"http://" + second.AdminAddr(), "is the admin address of the member n2"},
		"a member's port 7": {"http://" + second.ClusterAddr(), "is the cluster address of the member n2"},
	} {
		for where, doc := range map[string]string{"endpoint server": proxy(what.url), "second target": targets(what.url), "Pre API": preAPI(what.url)} {
			if r := api(t, first, "POST", "/v1/domains?dryRun=true", doc); r.status != 422 || !r.says(what.says) || !r.says("name the endpoint server") {
				t.Errorf("%s as %s: %v", name, where, r)
			}
		}
		if r := api(t, first, "POST", "/v1/domains?dryRun=true&endpointServer="+url.QueryEscape(what.url), plain); r.status != 422 || !r.says(what.says) {
			t.Errorf("%s beside a document: %v", name, r)
		}
	}
	// Another port of the same host, and a client port, are as good as any.
	for _, good := range []string{"http://" + first.ProxyAddr(), "http://" + strings.Split(first.AdminAddr(), ":")[0] + ":1", "http://localhost:1"} {
		if r := api(t, first, "POST", "/v1/domains?dryRun=true", proxy(good)); r.status != 200 {
			t.Errorf("%s: %v", good, r)
		}
	}
}

// TestTargetOnAllAddresses: a port that listens on all addresses is this node's
// by every name of the machine.
func TestTargetOnAllAddresses(t *testing.T) {
	t.Parallel()
	cfg := alone(t)
	tokens := tokenFile(t, "admin")
	cfg.ClusterKey, cfg.AdminTokenFile, cfg.Admin, cfg.AdvertiseAdmin = secret, tokens, "0.0.0.0:0", "gw.example:9001"
	c := nodetest.Start(t, 1, func(c *nodetest.Config) {
		cfg.ID, cfg.DataDir, cfg.Network, cfg.Logger = c.ID, c.DataDir, c.Network, c.Logger
		*c = cfg
	})
	n := c.Nodes[0]
	_, port, _ := net.SplitHostPort(n.AdminAddr())
	client := secure(t, secret)
	for _, host := range []string{"127.0.0.1", "127.9.9.9", "localhost", "LOCALHOST.", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0", "gw.example:9001"} {
		u := "http://" + host
		if !strings.Contains(host, ":9001") {
			u += ":" + port
		}
		doc := strings.Replace(swagger("shop", "Shop", "", ""), "http://127.0.0.1:1", u, 1)
		r := securely(t, client, n, tokenOf("admin"), "POST", "/v1/domains?dryRun=true", doc)
		if r.status != 422 || !r.says("is the admin address of this node") {
			t.Errorf("%s: %v", u, r)
		}
	}
}
