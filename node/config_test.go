package node_test

import (
	"strings"
	"testing"
	"time"

	"github.com/tollgate/tollgate/cluster/pki"
	"github.com/tollgate/tollgate/node"
)

// valid is the smallest configuration that passes.
func valid() node.Config {
	return node.Config{ID: "n1", DataDir: "/data", Listen: "127.0.0.1:8001", Admin: "127.0.0.1:9001", Cluster: "127.0.0.1:7001"}
}

var secret = strings.Repeat("s", pki.MinKeyLength)

// TestConfigProblems: what is wrong is named by its flag and value, with what
// would be right; an address that others can reach needs the secrets.
func TestConfigProblems(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*node.Config)
		want   string // empty: it is valid
	}{
		"as it is": {func(*node.Config) {}, ""},
		"everything": {func(c *node.Config) {
			*c = node.Config{
				ID: strings.Repeat("A.z_9-", 10) + "1234", DataDir: "d", Nonvoter: true, ClusterKey: secret,
				AdminTokenFile: "t", AdminTLSCert: "c", AdminTLSKey: "k", AdminCA: "a", LameDuck: node.MaxLameDuck,
				Listen: ":0", Admin: "0.0.0.0:9001", Cluster: "[::]:7001",
				AdvertiseListen: "gw.example:80", AdvertiseAdmin: "10.0.0.1:9001", AdvertiseCluster: "[fd00::1]:7001",
				Join:      []string{"https://10.0.0.2:9001", "https://gw2.example/"},
				QuotaWait: time.Minute, DrainTimeout: 10 * time.Minute,
			}
		}, ""},
		"other loopbacks": {func(c *node.Config) { c.Admin, c.Cluster = "[::1]:9001", "localhost:7001" }, ""},

		"no ID":         {func(c *node.Config) { c.ID = "" }, `--id "": must be 1 to 64 of A-Z a-z 0-9 . _ -`},
		"ID too long":   {func(c *node.Config) { c.ID = strings.Repeat("n", 65) }, `--id "` + strings.Repeat("n", 65) + `": must be 1 to 64 of A-Z a-z 0-9 . _ -`},
		"ID with slash": {func(c *node.Config) { c.ID = "../n1" }, `--id "../n1": must be 1 to 64 of A-Z a-z 0-9 . _ -`},
		"ID with line":  {func(c *node.Config) { c.ID = "n1\n" }, `--id "n1\n": must be 1 to 64 of A-Z a-z 0-9 . _ -`},
		"ID not ASCII":  {func(c *node.Config) { c.ID = "nö" }, `--id "nö": must be 1 to 64 of A-Z a-z 0-9 . _ -`},
		"no directory":  {func(c *node.Config) { c.DataDir = "" }, `--data-dir: must name a directory for this node's state`},

		"founding wait":             {func(c *node.Config) { c.FoundingWait = -1 }, `--founding-wait -1ns: must be more than 0 and at most 1m0s`},
		"disk timeout":              {func(c *node.Config) { c.DiskTimeout = time.Millisecond }, `--disk-timeout 1ms: must be 100ms to 1m0s`},
		"log store":                 {func(c *node.Config) { c.LogStore = "rocks" }, `--log-store "rocks": must be boltdb or wal`},
		"election timeout":          {func(c *node.Config) { c.ElectionTimeout = time.Millisecond }, `--election-timeout 1ms: must be 100ms to 30s`},
		"founder, no vote":          {func(c *node.Config) { c.Bootstrap, c.Nonvoter = true, true }, `--bootstrap and --nonvoter: the founder of a cluster must vote`},
		"join, no scheme":           {func(c *node.Config) { c.Join = []string{"127.0.0.1:9001"} }, `--join "127.0.0.1:9001": must be an admin URL of a member, such as http://127.0.0.1:9001`},
		"join, other scheme":        {func(c *node.Config) { c.Join = []string{"ftp://x"} }, `--join "ftp://x": must be an admin URL of a member, such as http://127.0.0.1:9001`},
		"join, no host":             {func(c *node.Config) { c.Join = []string{"http:///v1"} }, `--join "http:///v1": must be an admin URL of a member, such as http://127.0.0.1:9001`},
		"join, one of two":          {func(c *node.Config) { c.Join = []string{"http://x", ""} }, `--join "": must be an admin URL of a member, such as http://127.0.0.1:9001`},
		"join in clear":             {func(c *node.Config) { c.ClusterKey, c.Join = secret, []string{"http://x"} }, `--join "http://x": with a cluster key every member's admin API is TLS: must begin with https://`},
		"short key":                 {func(c *node.Config) { c.ClusterKey = secret[1:] }, "--cluster-key-file: the key has 31 characters, must have at least 32; `tollgate keygen` makes one"},
		"no key of a pair":          {func(c *node.Config) { c.AdminTLSCert = "c" }, "--admin-tls-cert and --admin-tls-key: give both, or neither"},
		"no certificate":            {func(c *node.Config) { c.AdminTLSKey = "k" }, "--admin-tls-cert and --admin-tls-key: give both, or neither"},
		"a certificate without key": {func(c *node.Config) { c.TLSCert, c.TLSKey = []string{"c", "d"}, []string{"k"} }, "--tls-cert and --tls-key: give a key for each certificate, in the same order: 2 and 1 are given"},
		"a key without certificate": {func(c *node.Config) { c.TLSKey = []string{"k"} }, "--tls-cert and --tls-key: give a key for each certificate, in the same order: 0 and 1 are given"},
		"client CA alone":           {func(c *node.Config) { c.ClientCA = "a" }, "--client-ca: clients show certificates over TLS only: give --tls-cert and --tls-key too"},
		"proxy that is none":        {func(c *node.Config) { c.TrustedProxies = []string{"10.0.0.0/8", "balancer"} }, `--trusted-proxies: "balancer" is neither an address nor a subnet, such as 10.0.0.0/8`},
		"subnet that is none":       {func(c *node.Config) { c.TrustedProxies = []string{"10.0.0.0/33"} }, `--trusted-proxies: "10.0.0.0/33" is neither an address nor a subnet, such as 10.0.0.0/8`},
		"PROXY of nobody":           {func(c *node.Config) { c.DataPlane.ProxyProtocol = true }, "--proxy-protocol: only trusted proxies are asked for a PROXY header: give --trusted-proxies too"},
		"clients' side": {func(c *node.Config) {
			c.TLSCert, c.TLSKey, c.ClientCA, c.TrustedProxies = []string{"c", "d"}, []string{"k", "l"}, "a", []string{"10.0.0.0/8", "::1", "fd00::/8"}
			c.DataPlane.ProxyProtocol, c.DataPlane.RequireHTTPS = true, true
		}, ""},
		"negative lame duck":   {func(c *node.Config) { c.LameDuck = -1 }, `--lame-duck -1ns: must be 0 to 10m0s`},
		"lame duck too long":   {func(c *node.Config) { c.LameDuck = time.Hour }, `--lame-duck 1h0m0s: must be 0 to 10m0s`},
		"negative wait":        {func(c *node.Config) { c.QuotaWait = -1 }, `--quota-wait -1ns: must be more than 0 and at most 1m0s`},
		"wait too long":        {func(c *node.Config) { c.QuotaWait = time.Minute + 1 }, `--quota-wait 1m0.000000001s: must be more than 0 and at most 1m0s`},
		"negative drain":       {func(c *node.Config) { c.DrainTimeout = -time.Second }, `--drain-timeout -1s: must be more than 0 and at most 10m0s`},
		"drain too long":       {func(c *node.Config) { c.DrainTimeout = time.Hour }, `--drain-timeout 1h0m0s: must be more than 0 and at most 10m0s`},
		"negative lease":       {func(c *node.Config) { c.LeaseTime = -time.Second }, `--lease-time -1s: must be 10ms to 1m0s`},
		"lease too short":      {func(c *node.Config) { c.LeaseTime = time.Millisecond }, `--lease-time 1ms: must be 10ms to 1m0s`},
		"lease too long":       {func(c *node.Config) { c.LeaseTime = time.Hour }, `--lease-time 1h0m0s: must be 10ms to 1m0s`},
		"long lease too long":  {func(c *node.Config) { c.LongLeaseTime = time.Hour }, `--long-lease-time 1h0m0s: must be 10ms to 1m0s`},
		"negative min lease":   {func(c *node.Config) { c.MinLease = -1 }, `--min-lease -1: must be 1 to 1000000`},
		"min lease too large":  {func(c *node.Config) { c.MinLease = 1_000_001 }, `--min-lease 1000001: must be 1 to 1000000`},
		"too many conns":       {func(c *node.Config) { c.DataPlane.MaxConns = 1_000_001 }, `--max-conns 1000001: must be 1 to 1000000`},
		"too many a client":    {func(c *node.Config) { c.DataPlane.MaxConnsPerClient = -1 }, `--max-conns-per-client -1: must be 1 to 1000000`},
		"too many calls":       {func(c *node.Config) { c.DataPlane.MaxCallsPerClient = 1_000_001 }, `--max-calls-per-client 1000001: must be 1 to 1000000`},
		"body too small":       {func(c *node.Config) { c.DataPlane.BodyBuffer = 1 }, `--body-buffer 1: must be 4096 to 1048576`},
		"too little memory":    {func(c *node.Config) { c.DataPlane.BodyMemory = 1 }, `--body-memory 1: must be 1048576 to 1099511627776`},
		"body too late":        {func(c *node.Config) { c.DataPlane.BodyTimeout = 2 * time.Hour }, `--body-timeout 2h0m0s: must be 10ms to 1h0m0s`},
		"server too slow":      {func(c *node.Config) { c.DataPlane.UpstreamTimeout = 2 * time.Hour }, `--upstream-timeout 2h0m0s: must be 10ms to 1h0m0s`},
		"too old":              {func(c *node.Config) { c.DataPlane.UpstreamMaxConnAge = time.Millisecond }, `--upstream-max-conn-age 1ms: must be 1s to 24h0m0s`},
		"too much held":        {func(c *node.Config) { c.DataPlane.BodyBuffer = 2 << 20 }, `--body-buffer 2097152: must be 4096 to 1048576`},
		"header too small":     {func(c *node.Config) { c.DataPlane.MaxHeader = 1 }, `--max-header 1: must be 4096 to 1048576`},
		"header fields":        {func(c *node.Config) { c.DataPlane.MaxHeaderFields = 9 }, `--max-header-fields 9: must be 10 to 10000`},
		"header too late":      {func(c *node.Config) { c.DataPlane.HeaderTimeout = time.Hour }, `--header-timeout 1h0m0s: must be 10ms to 10m0s`},
		"reads too slowly":     {func(c *node.Config) { c.DataPlane.WriteTimeout = 1 }, `--write-timeout 1ns: must be 10ms to 1h0m0s`},
		"idle too long":        {func(c *node.Config) { c.DataPlane.IdleTimeout = 2 * time.Hour }, `--idle-timeout 2h0m0s: must be 10ms to 1h0m0s`},
		"too many upstream":    {func(c *node.Config) { c.DataPlane.UpstreamMaxConns = 100_001 }, `--upstream-max-conns 100001: must be 1 to 100000`},
		"waits too long":       {func(c *node.Config) { c.DataPlane.UpstreamConnWait = time.Minute }, `--upstream-conn-wait 1m0s: must be 1ms to 10s`},
		"connects too slowly":  {func(c *node.Config) { c.DataPlane.UpstreamConnectTimeout = time.Hour }, `--upstream-connect-timeout 1h0m0s: must be 1ms to 1m0s`},
		"kept too long":        {func(c *node.Config) { c.DataPlane.UpstreamIdleTimeout = time.Hour }, `--upstream-idle-timeout 1h0m0s: must be 10ms to 10m0s`},
		"no port":              {func(c *node.Config) { c.Listen = "127.0.0.1" }, `--listen "127.0.0.1": must be HOST:PORT, such as 10.0.0.5:7001`},
		"no address":           {func(c *node.Config) { c.Admin = "" }, `--admin "": must be HOST:PORT, such as 10.0.0.5:7001`},
		"port too high":        {func(c *node.Config) { c.Cluster = "127.0.0.1:65536" }, `--cluster "127.0.0.1:65536": must be HOST:PORT, such as 10.0.0.5:7001 with a port from 0 to 65535`},
		"port by name":         {func(c *node.Config) { c.Listen = "127.0.0.1:http" }, `--listen "127.0.0.1:http": must be HOST:PORT, such as 10.0.0.5:7001 with a port from 0 to 65535`},
		"a URL":                {func(c *node.Config) { c.Listen = "http://127.0.0.1:80" }, `--listen "http://127.0.0.1:80": must be HOST:PORT, such as 10.0.0.5:7001 (without http:// or the like)`},
		"advertise, no port":   {func(c *node.Config) { c.AdvertiseListen = "gw.example" }, `--advertise-listen "gw.example": must be HOST:PORT, such as 10.0.0.5:7001`},
		"advertise, port 0":    {func(c *node.Config) { c.AdvertiseAdmin = "10.0.0.1:0" }, `--advertise-admin "10.0.0.1:0": must be HOST:PORT, such as 10.0.0.5:7001 with a port from 1 to 65535`},
		"advertise, no host":   {func(c *node.Config) { c.AdvertiseCluster = ":7001" }, `--advertise-cluster ":7001": must be HOST:PORT, such as 10.0.0.5:7001 with a host name or an IP address`},
		"advertise, all":       {func(c *node.Config) { c.AdvertiseCluster = "[::]:7001" }, `--advertise-cluster "[::]:7001": must be HOST:PORT, such as 10.0.0.5:7001 with an address that other nodes can connect to`},
		"all, not advertised":  {func(c *node.Config) { c.Listen = "0.0.0.0:80" }, `--listen 0.0.0.0:80 names no address that others could reach: give --advertise-listen HOST:PORT too`},
		"zone, not advertised": {func(c *node.Config) { c.Listen = "[fe80::1%eth0]:80" }, `--listen [fe80::1%eth0]:80 names no address that others could reach: give --advertise-listen HOST:PORT too`},
		"advertise, group":     {func(c *node.Config) { c.AdvertiseCluster = "224.0.0.1:7001" }, `--advertise-cluster "224.0.0.1:7001": must be HOST:PORT, such as 10.0.0.5:7001 with an address that other nodes can connect to`},

		// Closed by default: without the secrets, admin and cluster stay on
		// loopback.
		"open admin":       {func(c *node.Config) { c.Admin = "10.0.0.1:9001" }, `--admin 10.0.0.1:9001 can be reached by others: give --cluster-key-file and --admin-token-file, or listen on 127.0.0.1`},
		"open cluster":     {func(c *node.Config) { c.Cluster = "[fd00::1]:7001" }, `--cluster [fd00::1]:7001 can be reached by others: give --cluster-key-file, or listen on 127.0.0.1`},
		"admin by name":    {func(c *node.Config) { c.Admin = "gw.example:9001" }, `--admin gw.example:9001 can be reached by others: give --cluster-key-file and --admin-token-file, or listen on 127.0.0.1`},
		"admin, key alone": {func(c *node.Config) { c.Admin, c.ClusterKey = "10.0.0.1:9001", secret }, `--admin 10.0.0.1:9001 can be reached by others: give --admin-token-file, or listen on 127.0.0.1`},
		"admin, clear":     {func(c *node.Config) { c.Admin, c.AdminTokenFile = "10.0.0.1:9001", "t" }, `--admin 10.0.0.1:9001 can be reached by others: give --cluster-key-file, or listen on 127.0.0.1`},
		"admin, own cert": {func(c *node.Config) {
			c.Admin, c.AdminTokenFile, c.AdminTLSCert, c.AdminTLSKey = "10.0.0.1:9001", "t", "c", "k"
		}, ""},
		"cluster, own cert": {func(c *node.Config) {
			c.Cluster, c.AdminTokenFile, c.AdminTLSCert, c.AdminTLSKey = "10.0.0.1:7001", "t", "c", "k"
		}, `--cluster 10.0.0.1:7001 can be reached by others: give --cluster-key-file, or listen on 127.0.0.1`},
		"clients from afar": {func(c *node.Config) { c.Listen = "10.0.0.1:80" }, ""},
		"open admin with all": {func(c *node.Config) { c.Admin = ":9001" }, "--admin :9001 can be reached by others: give --cluster-key-file and --admin-token-file, or listen on 127.0.0.1\n" +
			"--admin :9001 names no address that others could reach: give --advertise-admin HOST:PORT too"},
		"open with secrets": {func(c *node.Config) {
			c.Admin, c.Cluster, c.ClusterKey, c.AdminTokenFile = "10.0.0.1:9001", "10.0.0.1:7001", secret, "t"
		}, ""},

		"everything at once": {func(c *node.Config) { *c = node.Config{ClusterKey: "x"} }, strings.Join([]string{
			`--id "": must be 1 to 64 of A-Z a-z 0-9 . _ -`,
			`--data-dir: must name a directory for this node's state`,
			"--cluster-key-file: the key has 1 characters, must have at least 32; `tollgate keygen` makes one",
			`--listen "": must be HOST:PORT, such as 10.0.0.5:7001`,
			`--admin "": must be HOST:PORT, such as 10.0.0.5:7001`,
			`--cluster "": must be HOST:PORT, such as 10.0.0.5:7001`,
		}, "\n")},
	} {
		cfg := valid()
		c.change(&cfg)
		got := ""
		if err := cfg.Validate(); err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", name, got, c.want)
		}
		// A node does not start with what is wrong, and leaves nothing behind.
		if c.want != "" {
			if n, err := node.Open(t.Context(), cfg); err == nil || err.Error() != c.want {
				t.Errorf("%s: opened %v, %v", name, n, err)
			}
		}
	}
}

// TestConfigDefaults: what is left out has a meaning.
func TestConfigDefaults(t *testing.T) {
	cfg := valid()
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	if cfg.QuotaWait != 2*time.Second || cfg.LeaseTime != 200*time.Millisecond || cfg.LongLeaseTime != 2*time.Second || cfg.MinLease != 16 || cfg.DataPlane.MaxConnsPerClient != 5000 || cfg.DrainTimeout != 10*time.Second || cfg.Logger == nil || cfg.Network == nil {
		t.Errorf("the defaults are %+v", cfg)
	}
}
