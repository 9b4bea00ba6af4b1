//go:build unix

package node_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/tollgate/tollgate/node/nodetest"
	"github.com/tollgate/tollgate/proxy/turns"
)

// BenchmarkQuotaAgainstBare compares the CPU time of a call that counts on two
// quotas, the domain's and the endpoint's, with that of one that counts on none.
// The figure has all of three nodes, the log's work included.
func BenchmarkQuotaAgainstBare(b *testing.B) {
	cl := nodetest.Start(b, 3)
	server := turns.Serve(b, "ok")
	deploy := func(name, quota string) {
		cl.Deploy(fmt.Sprintf(`{"swagger":"2.0","info":{"title":"%[1]s","version":"1"},"basePath":"/%[1]s",
			"paths":{"/x/**":{"get":{"x-toastcloud-apigw":{"plugins":{%[3]s}}}}},
			"x-toastcloud-apigw":{"plugins":{"HTTP_PROXY":{"url":"http://%[2]s"}%[4]s}}}`,
			name, server, strings.Replace(quota, ",", `"ENDPOINT_`, 1), strings.Replace(quota, ",", `,"`, 1)))
	}
	deploy("bare", "")
	deploy("quota", `,USAGE_QUOTA":{"usageQuotaBeans":[{"maxUsageQuota":1000000000,"resetTimeSeconds":3600}]}`)
	addr := cl.Nodes[0].ProxyAddr()
	load := func(addr, target string) *turns.Load {
		return turns.NewLoad(b, addr, "GET "+target+" HTTP/1.1\r\nHost: gateway.example.com\r\nUser-Agent: curl/8.5.0\r\nAccept: */*\r\n\r\n", "\r\n\r\nok")
	}
	turns.Compare(b, load(server, "/x/1"), load(addr, "/bare/x/1"), load(addr, "/quota/x/1"), "bare", "quota")
}
