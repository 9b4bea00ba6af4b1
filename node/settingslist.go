package node

import (
	"slices"
	"time"

	"github.com/tollgate/tollgate/proxy"
	"github.com/tollgate/tollgate/store"
	"github.com/tollgate/tollgate/store/quota"
)

// Names of the settings that code asks for one by one.
const (
	ClusterKeyFile = "cluster-key-file"
	AdminTokenFile = "admin-token-file"
	AdminCA        = "admin-ca"
	LogLevel       = "log-level"
	LogFormat      = "log-format"
)

const (
	// EnvClusterKey is the variable that may hold the cluster's key itself.
	EnvClusterKey = EnvPrefix + "CLUSTER_KEY"
	// MaxLameDuck is the most of --lame-duck.
	MaxLameDuck = 10 * time.Minute
	// MaxDiskTimeout is the most of --disk-timeout.
	MaxDiskTimeout = time.Minute
)

// Settings are all settings of a node, in the order of the help.
var Settings = withLimits([]Setting{
	{Name: "id", Kind: Text, field: func(c *Config) any { return &c.ID },
		Help: "name of this node in the cluster, for good: 1 to 64 of A-Z a-z 0-9 . _ -"},
	{Name: "data-dir", Kind: File, field: func(c *Config) any { return &c.DataDir },
		Help: "directory for this node's state; made if missing"},
	{Name: "listen", Kind: Address, Default: "127.0.0.1:8001", field: func(c *Config) any { return &c.Listen },
		Help: "address for clients",
		Note: "Port 0 picks a free one, here and at the next two."},
	{Name: "admin", Kind: Address, Default: "127.0.0.1:9001", field: func(c *Config) any { return &c.Admin },
		Help: "address of the admin API"},
	{Name: "cluster", Kind: Address, Default: "127.0.0.1:7001", field: func(c *Config) any { return &c.Cluster },
		Help: "address for Raft and node-to-node calls"},
	{Name: "advertise-listen", Kind: Address, field: func(c *Config) any { return &c.AdvertiseListen },
		Help: "where others reach --listen, if elsewhere"},
	{Name: "advertise-admin", Kind: Address, field: func(c *Config) any { return &c.AdvertiseAdmin },
		Help: "where others reach --admin, if elsewhere"},
	{Name: "advertise-cluster", Kind: Address, field: func(c *Config) any { return &c.AdvertiseCluster },
		Help: "where others reach --cluster, if elsewhere"},
	{Name: flagClientCert, Kind: Files, field: func(c *Config) any { return &c.TLSCert },
		Help: "certificates of the client port (PEM), which is then TLS and nothing else; the one for the name that a client asks for is shown, else the first one; read anew when they change",
		Note: "TLS 1.2 up, HTTP/1.1."},
	{Name: flagClientKey, Kind: Files, field: func(c *Config) any { return &c.TLSKey },
		Help: "their keys (PEM), in the same order"},
	{Name: flagClientCA, Kind: File, field: func(c *Config) any { return &c.ClientCA },
		Help: "certificates that vouch for clients (PEM): clients are asked for one, which must be vouched for if they have any; read anew when it changes",
		Note: "Who shows none is served as before."},
	{Name: flagTrustedProxies, Kind: Subnets, field: func(c *Config) any { return &c.TrustedProxies },
		Help: "addresses and subnets of the proxies in front: their X-Forwarded-For, -Proto, -Host and -Prefix are believed, those of others are dropped"},
	{Name: "proxy-protocol", Kind: Toggle, Default: false, field: func(c *Config) any { return &c.DataPlane.ProxyProtocol },
		Help: "require a PROXY header (version 1 or 2) from --" + flagTrustedProxies + ", whose client then takes their place; it is read from nobody else"},
	{Name: "require-https", Kind: Toggle, Default: false, field: func(c *Config) any { return &c.DataPlane.RequireHTTPS },
		Help: "answer 40301 to calls that did not come by https, of domains whose only scheme it is"},
	{Name: "bootstrap", Kind: Toggle, Default: false, field: func(c *Config) any { return &c.Bootstrap },
		Help: "found a new cluster, unless the data directory has state; with --join only if all nodes named there answer and have none either, and this one has the smallest ID"},
	{Name: "join", Kind: List, field: func(c *Config) any { return &c.Join },
		Help: "join the cluster through these admin URLs of members, unless the data directory has state"},
	{Name: "nonvoter", Kind: Toggle, Default: false, field: func(c *Config) any { return &c.Nonvoter },
		Help: "join without a vote"},
	{Name: ClusterKeyFile, Kind: File,
		Help: "file that holds the nodes' secret (tollgate keygen): their certificates come from it, and the admin API is then always TLS; " + EnvClusterKey + " may hold it instead",
		Note: "Without it, the cluster port must stay on loopback."},
	{Name: AdminTokenFile, Kind: File, field: func(c *Config) any { return &c.AdminTokenFile },
		Help: "file of who may call the admin API: lines of ROLE NAME TOKEN, the roles being read, deploy, admin and metrics; read anew when it changes",
		Note: "Without it everybody is an administrator, and the admin API must stay on loopback."},
	{Name: "admin-tls-cert", Kind: File, field: func(c *Config) any { return &c.AdminTLSCert },
		Help: "certificate of the admin port (PEM), instead of one that comes from the cluster's key; read anew when it changes"},
	{Name: "admin-tls-key", Kind: File, field: func(c *Config) any { return &c.AdminTLSKey },
		Help: "its key (PEM)"},
	{Name: AdminCA, Kind: File, field: func(c *Config) any { return &c.AdminCA },
		Help: "certificates that are trusted at the admin ports of --join (PEM), instead of those that come from the cluster's key"},
	{Name: "quota-wait", Kind: Duration, Default: 2 * time.Second, Low: time.Duration(1), High: time.Minute, field: func(c *Config) any { return &c.QuotaWait },
		Help: "how long a call waits for its quota decision"},
	{Name: "lease-time", Kind: Duration, Default: leaseTime(quota.DefaultLeaseMillis), Low: leaseTime(quota.MinLeaseMillis), High: leaseTime(quota.MaxLeaseMillis), field: func(c *Config) any { return &c.LeaseTime },
		Help: "how long a node may spend units it was leased as a quota nears its end, set by the leader; a lost node's units are waited for as long",
		Note: "In between, a lease lasts a twentieth of the time that the pool will last, within the two, and never more than a tenth of the window."},
	{Name: "long-lease-time", Kind: Duration, Default: leaseTime(quota.DefaultLongLeaseMillis), Low: leaseTime(quota.MinLeaseMillis), High: leaseTime(quota.MaxLeaseMillis), field: func(c *Config) any { return &c.LongLeaseTime },
		Help: "how long it may be far from the end, set by the leader"},
	{Name: "min-lease", Kind: Number, Default: int(quota.DefaultMinLease), Low: 1, High: int(quota.MaxMinLease), field: func(c *Config) any { return &c.MinLease },
		Help: "smallest block of units worth leasing, set by the leader; nearer its end a quota is decided call by call"},
	{Name: "lame-duck", Kind: Duration, Default: time.Duration(0), Low: time.Duration(0), High: MaxLameDuck, field: func(c *Config) any { return &c.LameDuck },
		Help: "how long a node that is told to stop goes on serving while /readyz says that it stops"},
	{Name: "founding-wait", Kind: Duration, Default: 2 * time.Second, Low: time.Duration(1), High: time.Minute, field: func(c *Config) any { return &c.FoundingWait },
		Help: "how long a node listens, before it founds a cluster, whether one misses it"},
	{Name: "log-store", Kind: Text, Default: string(store.BoltDB), OneOf: []string{string(store.BoltDB), string(store.WAL)}, field: func(c *Config) any { return &c.LogStore },
		Help: "what keeps the log in the data directory: one file (boltdb), or files that are only appended to (wal), which writes less; a log that the other one keeps is moved at the start"},
	{Name: "disk-timeout", Kind: Duration, Default: 3 * time.Second, Low: 100 * time.Millisecond, High: MaxDiskTimeout, field: func(c *Config) any { return &c.DiskTimeout },
		Help: "how long a write to the data directory may take before a node that leads ends, so that another leads"},
	{Name: "election-timeout", Kind: Duration, Default: store.DefaultElectionTimeout, Low: 100 * time.Millisecond, High: 30 * time.Second, field: func(c *Config) any { return &c.ElectionTimeout },
		Help: "how long a follower hears nothing of the leader before it stands for election, the same on all nodes; a lost leader is felt for up to three of it, and a busy or distant node needs more"},
	{Name: "drain-timeout", Kind: Duration, Default: 10 * time.Second, Low: time.Duration(1), High: 10 * time.Minute, field: func(c *Config) any { return &c.DrainTimeout },
		Help: "how long a stop waits after that for calls in flight",
		Note: "5s later the process has ended, whatever hangs."},
	{Name: "max-conns", Kind: Number, limit: "MaxConns", field: func(c *Config) any { return &c.DataPlane.MaxConns },
		Help: "connections of all clients together; one more is answered 50301. Keep it below the limit of open files"},
	{Name: "max-conns-per-client", Kind: Number, limit: "MaxConnsPerClient", field: func(c *Config) any { return &c.DataPlane.MaxConnsPerClient },
		Help: "connections of one client, by address, IPv6 by /64 (default half of --max-conns); one more is answered 42900",
		Note: "Those of trusted proxies have no limit."},
	{Name: "max-calls-per-client", Kind: Number, limit: "MaxCallsPerClient", field: func(c *Config) any { return &c.DataPlane.MaxCallsPerClient },
		Help: "calls in flight of one client; one more is answered 42900"},
	{Name: "max-header", Kind: Bytes, limit: "MaxHeader", field: func(c *Config) any { return &c.DataPlane.MaxHeader },
		Help: "largest request line and header of a request, and header of an endpoint server's answer; more is answered 43100 and 50200. Each connection needs it once"},
	{Name: "max-header-fields", Kind: Number, limit: "MaxHeaderFields", field: func(c *Config) any { return &c.DataPlane.MaxHeaderFields },
		Help: "most header fields of a request; more are answered 43100"},
	{Name: "header-timeout", Kind: Duration, limit: "HeaderTimeout", field: func(c *Config) any { return &c.DataPlane.HeaderTimeout },
		Help: "how long the header of a request may take, and before the first one the PROXY header and the TLS handshake of a connection"},
	{Name: "max-request-body", Kind: Bytes, limit: "MaxRequestBody", field: func(c *Config) any { return &c.DataPlane.MaxRequestBody },
		Help: "largest body of a request; a larger one is answered 41300. 0: there is no limit"},
	{Name: "body-memory", Kind: Bytes, limit: "BodyMemory", field: func(c *Config) any { return &c.DataPlane.BodyMemory },
		Help: "memory for what is held of the bodies of all requests, of which one client gets an eighth at most; what needs more is answered 50301"},
	{Name: "body-timeout", Kind: Duration, limit: "BodyTimeout", field: func(c *Config) any { return &c.DataPlane.BodyTimeout },
		Help: "how long a client may pause in a body before 40800; after 10s it must also have sent 240 bytes a second",
		Note: "However long the body takes in all."},
	{Name: "write-timeout", Kind: Duration, limit: "WriteTimeout", field: func(c *Config) any { return &c.DataPlane.WriteTimeout },
		Help: "how long a client may pause in reading its answer; after 10s it must also have taken 240 bytes a second"},
	{Name: "idle-timeout", Kind: Duration, limit: "IdleTimeout", field: func(c *Config) any { return &c.DataPlane.IdleTimeout },
		Help: "how long a connection of a client may wait for its next request"},
	{Name: "body-buffer", Kind: Bytes, limit: "BodyBuffer", field: func(c *Config) any { return &c.DataPlane.BodyBuffer },
		Help: "how much of a request's body or of an answer is held; a larger one streams",
		Note: "Answers have a quarter of `--body-memory` of their own."},
	{Name: "upstream-timeout", Kind: Duration, limit: "UpstreamTimeout", field: func(c *Config) any { return &c.DataPlane.UpstreamTimeout },
		Help: "how long an endpoint server may take to the head of its answer before 50400, and pause in its body",
		Note: "The whole answer has no bound."},
	{Name: "upstream-max-conn-age", Kind: Duration, limit: "UpstreamMaxConnAge", field: func(c *Config) any { return &c.DataPlane.UpstreamMaxConnAge },
		Help: "how long a connection to an endpoint server or a Pre API may be used again",
		Note: "Names are looked up again every 15s to 30s."},
	{Name: "upstream-idle-timeout", Kind: Duration, limit: "UpstreamIdleTimeout", field: func(c *Config) any { return &c.DataPlane.UpstreamIdleTimeout },
		Help: "how long an unused connection to an endpoint server or a Pre API is kept",
		Note: "5s is the shortest that common servers keep theirs."},
	{Name: "upstream-max-conns", Kind: Number, limit: "UpstreamMaxConns", field: func(c *Config) any { return &c.DataPlane.UpstreamMaxConns },
		Help: "connections to each endpoint server of one domain, and as many to each server of its Pre APIs"},
	{Name: "upstream-conn-wait", Kind: Duration, limit: "UpstreamConnWait", field: func(c *Config) any { return &c.DataPlane.UpstreamConnWait },
		Help: "how long a call waits for one of them when all are in use, before 50200, of a Pre API 20008"},
	{Name: "upstream-connect-timeout", Kind: Duration, limit: "UpstreamConnectTimeout", field: func(c *Config) any { return &c.DataPlane.UpstreamConnectTimeout },
		Help: "how long name look-up, connect and TLS handshake with an endpoint server or a Pre API may take"},
	{Name: "upstream-ca", Kind: File, field: func(c *Config) any { return &c.UpstreamCA },
		Help: "certificates that are trusted at https endpoint servers and Pre APIs (PEM), instead of the system's"},
	{Name: "access-log", Kind: File, Default: accessLogOff, field: func(c *Config) any { return &c.AccessLog },
		Help: "file that gets a line of JSON for each call; - is standard output, off is none. SIGHUP opens it anew",
		Note: "What it tells: [operating it](operate.md#the-access-log)."},
	{Name: "access-log-query", Kind: Toggle, Default: false, field: func(c *Config) any { return &c.DataPlane.LogQueries },
		Help: "write queries into the access log, too: they may hold keys"},
	{Name: "stats-max-bytes", Kind: Bytes, Default: Size(1 << 30), Low: Size(1 << 20), High: Size(1 << 40), field: func(c *Config) any { return &c.StatsMaxBytes },
		Help: "largest file of statistics in the data directory; beyond it the oldest of the finest step go first",
		Note: "What they are: [operating it](operate.md#statistics)."},
	{Name: "event-webhook", Kind: Text, field: func(c *Config) any { return &c.EventWebhook },
		Help: "URL that the leader posts events to, such as a quota that has come to a threshold of its alertPercent"},
	{Name: "event-webhook-key-file", Kind: Text, field: func(c *Config) any { return &c.EventWebhookKeyFile },
		Help: "file of the secret that signs them: X-Tollgate-Signature is sha256= and HMAC-SHA256 of X-Tollgate-Timestamp, a dot and the body"},
	{Name: "otlp-endpoint", Kind: Text, field: func(c *Config) any { return &c.OTLPEndpoint },
		Help: "URL of an OpenTelemetry collector (OTLP over HTTP, such as http://127.0.0.1:4318) that gets calls as spans of traces",
		Note: "Without it `traceparent` is passed on as it came."},
	{Name: "trace-ratio", Kind: Ratio, Default: 1.0, field: func(c *Config) any { return &c.TraceRatio },
		Help: "which part of the traces that begin here is recorded; a call that belongs to a trace already is recorded if that is"},
	{Name: "metrics-endpoints", Kind: Number, limit: "MetricsEndpoints", field: func(c *Config) any { return &c.DataPlane.MetricsEndpoints },
		Help: "how many endpoints, of all domains, have metrics and statistics of their own; those beyond are counted as other, by domain; and how many quota conditions have"},
	{Name: LogLevel, Kind: Text, Default: "info", OneOf: []string{"debug", "info", "warn", "error"},
		Help: "least severe lines to log"},
	{Name: LogFormat, Kind: Text, Default: "text", OneOf: []string{"text", "json"},
		Help: "form of the log on standard error"},
})

// withLimits takes default and bounds of the data plane's settings from there.
func withLimits(settings []Setting) []Setting {
	limits := proxy.Limits()
	for i := range settings {
		s := &settings[i]
		at := slices.IndexFunc(limits, func(l proxy.Limit) bool { return l.Setting == s.limit })
		if at < 0 {
			continue
		}
		l := limits[at]
		s.Default, s.Low, s.High = s.of(l.Default), s.of(l.Low), s.of(l.High)
		if s.limit == "MaxConnsPerClient" {
			s.Default = nil // half of --max-conns
		}
	}
	return settings
}

// of is a value of the data plane as one of the setting's kind.
func (s Setting) of(value any) any {
	if s.Kind != Bytes {
		return value
	}
	if n, ok := value.(int); ok {
		return Size(n)
	}
	return Size(value.(int64))
}

func leaseTime(millis int) time.Duration { return time.Duration(millis) * time.Millisecond }
