package bench

import "time"

// far is a quota whose end no load reaches, on the domain.
var far = Quota{OnDomain, 1_000_000_000_000, time.Hour}

// Scenarios is everything that the benchmark measures, in the order of the run.
// With 1 s of warm-up and 5 slices of 1 s, all of it and the peers take less
// than ten minutes on two cores.
var Scenarios = []Scenario{
	{
		Name: "proxy", Summary: "one node as a bare proxy; peers do the same",
		Setup: Setup{Nodes: 1},
	},
	{
		Name: "pipeline", Summary: "every kind of plugin that a call goes through: IPACL, two quotas, authentication, rewrite, header",
		Setup: Setup{Nodes: 3, Pipeline: true, Quotas: []Quota{{OnEndpoint, 1_000_000, time.Hour}, far}},
		Vary:  Axis{VaryAuth, []Value{{Label: "plain"}, {Number: float64(HMAC), Label: "hmac"}, {Number: float64(JWT), Label: "jwt"}}},
	},
	{
		Name: "quota-far", Summary: "a million an hour on domain and endpoint, far from its end",
		Setup: Setup{Nodes: 3, Quotas: []Quota{{OnDomain, 1_000_000, time.Hour}, {OnEndpoint, 1_000_000, time.Hour}}},
	},
	{
		Name: "quota-end", Summary: "10,000 a second, called for more: at its end in every window",
		Setup: Setup{Nodes: 3, Quotas: []Quota{{OnDomain, 10_000, time.Second}}},
	},
	{
		Name: "strict", Summary: "quotas of a few calls a second, decided one by one in the log",
		Setup: Setup{Nodes: 3, Quotas: []Quota{{OnDomain, 10, time.Second}}},
		Vary:  Axis{VaryLimit, numbers(10, 100, 1000)},
	},
	{
		Name: "open-loop", Summary: "a fixed rate, latency from the time a call was due",
		Setup: Setup{Nodes: 3, Quotas: []Quota{far}, Rate: 5000},
	},
	{
		Name: "connections", Summary: "more connections at once",
		Setup: Setup{Nodes: 3, Quotas: []Quota{far}},
		Vary:  Axis{VaryConnections, numbers(1, 4, 16, 64, 256)},
	},
	{
		Name: "payload", Summary: "bodies there and back",
		Setup: Setup{Nodes: 3, Quotas: []Quota{far}, Echo: true, Connections: 16},
		Vary: Axis{VaryPayload, []Value{
			{Label: "0"}, {Number: 1 << 10, Label: "1KiB"}, {Number: 64 << 10, Label: "64KiB"}, {Number: 1 << 20, Label: "1MiB"},
		}},
	},
	{
		Name: "domains", Summary: "more domains, each with a quota, called in turn",
		Setup: Setup{Nodes: 3, Quotas: []Quota{far}},
		Vary:  Axis{VaryDomains, numbers(1, 10, 100, 1000)},
	},
	{
		Name: "quotas", Summary: "the same, answered by the gateway: without a pool of connections a domain",
		Setup: Setup{Nodes: 3, Quotas: []Quota{far}, Mock: true},
		Vary:  Axis{VaryDomains, numbers(1, 10, 100, 1000)},
	},
	{
		Name: "endpoints", Summary: "more endpoints of a domain, called in turn",
		Setup: Setup{Nodes: 3, Quotas: []Quota{far}},
		Vary:  Axis{VaryEndpoints, numbers(10, 100, 1000, 10_000)},
	},
	{
		Name: "counters", Summary: "more counters in use at once: endpoints with a quota each, called in turn",
		Setup: Setup{Nodes: 3, Quotas: []Quota{{OnEndpoint, 1_000_000, time.Hour}}},
		Vary:  Axis{VaryCounters, numbers(1, 10, 100, 1000)},
	},
	{
		Name: "callers", Summary: "more callers with a counter each, called in turn; none is the same without a quota",
		Setup: Setup{Nodes: 3, Quotas: []Quota{{OnCaller, 1_000_000_000_000, time.Hour}}, Mock: true},
		Vary:  Axis{VaryCallers, []Value{{Number: 1000, Label: "none", Free: true}, {Number: 1}, {Number: 100}, {Number: 1000}, {Number: 10_000}}},
	},
	{
		Name: "callers-rare", Summary: "100,000 callers, each a call every ten seconds: all are decided in the log",
		Setup: Setup{Nodes: 3, Callers: 100_000, Quotas: []Quota{{OnCaller, 2, time.Hour}}, Mock: true, Rate: 10_000, Connections: 256},
	},
	{
		Name: "callers-flood", Summary: "a hundred callers come to the end of their quotas, beside ever new ones",
		Setup: Setup{Nodes: 3, Callers: 100, Strangers: true, Quotas: []Quota{{OnCaller, 500, time.Hour}}, Mock: true, Cold: true},
	},
	{
		Name: "consumers", Summary: "200 API keys, and 100 calls a second for each consumer",
		Setup: Setup{Nodes: 3, Callers: 200, Auth: APIKey, Quotas: []Quota{{OnCaller, 100, time.Second}}, Mock: true},
	},
	{
		Name: "costs", Summary: "calls of five units, 50,000 an hour at three nodes, called past its end",
		Setup: Setup{Nodes: 3, Units: 5, Quotas: []Quota{{OnDomain, 50_000, time.Hour}}, Mock: true, Cold: true},
	},
	{
		Name: "single-use", Summary: "signatures that are good once, at a fixed rate",
		Setup: Setup{Nodes: 3, Auth: SingleUse, Mock: true, Rate: 20_000, Connections: 256},
	},
	{
		Name: "nodes", Summary: "more nodes, and nodes without a vote",
		Setup: Setup{Quotas: []Quota{far}},
		Vary:  Axis{VaryNodes, []Value{{Number: 1}, {Number: 3}, {Number: 5}, {Number: 5, Label: "3+2", Nonvoters: 2}}},
	},
	{
		Name: "log", Summary: "log entries and disk bytes while calls are offered faster, in the middle of a window",
		Setup: Setup{Nodes: 3, Quotas: []Quota{far}, Mock: true},
		Vary:  Axis{VaryRate, numbers(1000, 2000, 5000, 10_000, 20_000)},
	},
	{
		Name: "shared-quota", Summary: "decisions a second of one quota, shared by three nodes; peers do the same",
		Setup: Setup{Nodes: 3, Quotas: []Quota{far}, Mock: true},
	},
	{
		Name: "shared-exact", Summary: "10,000 an hour at three nodes, called past its end; peers do the same",
		Setup: Setup{Nodes: 3, Quotas: []Quota{{OnDomain, 10_000, time.Hour}}, Mock: true, Cold: true},
	},
	{
		Name: "deploy", Summary: "a new revision of the domain deployed ten times a second under load",
		Setup: Setup{Nodes: 3, Quotas: []Quota{far}, During: Deploy},
	},
	{
		Name: "failover", Summary: "kill -9 of the leader under a fixed rate, and its return",
		Setup: Setup{Nodes: 3, Quotas: []Quota{{OnDomain, 12_000, time.Hour}}, Rate: 2000, Slices: 10, Cold: true, During: KillLeader},
	},
}
