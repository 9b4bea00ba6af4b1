// Package peers measures other gateways beside Tollgate in the same run, where
// they are installed: bare proxying, and a quota shared by several instances.
package peers

// Peer is a system that is measured beside us, in one of the things it does.
type Peer struct {
	// Name is the System of its results.
	Name string
	// Duty is what it does here.
	Duty Duty
	// Programs are what it consists of. The first is it, and gives the version.
	Programs []Program
	// Notes are what a reader of its figures must know.
	Notes []string
	// start starts all of its processes, through l, and fills in l.running.
	start func(l *launch) error
}

// Duty is what a peer is there for.
type Duty uint8

// What peers are there for.
const (
	// Proxy passes every request on to the endpoint server.
	Proxy Duty = iota
	// HTTPQuota answers requests by whether a quota shared by its instances
	// has room: 200 or 429. Which quota is said by the path.
	HTTPQuota
	// RatelimitQuota decides by such a quota too, as Envoy's rate limit
	// service, over gRPC.
	RatelimitQuota
)

// Instances of a peer that share a quota, as the nodes of our cluster do.
const quotaInstances = 3

// farLimit is the units an hour of a quota whose end no load reaches, as large
// as the peers that have one can count to.
const farLimit = 2_000_000_000

// Peers is everything that can be measured beside us, in the order of the run.
var Peers = []Peer{
	{
		Name: "nginx", Duty: Proxy, Programs: []Program{nginx}, start: startNginx,
		Notes: []string{"no quota over several instances in the open version: limit_req counts in one"},
	},
	{Name: "haproxy", Duty: Proxy, Programs: []Program{haproxy}, start: startHAProxy},
	{
		Name: "caddy", Duty: Proxy, Programs: []Program{caddy}, start: startCaddy,
		Notes: []string{"no quota in the standard modules"},
	},
	{
		Name: "ratelimit+redis", Duty: RatelimitQuota, Programs: []Program{ratelimit, redisServer}, start: startRatelimit,
		Notes: []string{
			"a decision over gRPC, not a proxied call; the caller, grpc-go, costs more on the shared cores than the HTTP load does",
			"one Redis, not replicated, snapshots as by default: what was counted since the last is lost with it",
		},
	},
	{
		Name: "haproxy", Duty: HTTPQuota, Programs: []Program{haproxy}, start: startHAProxyQuota,
		Notes: []string{"a stick table that its instances push to each other, the last value counts: no exact quota by design"},
	},
}
