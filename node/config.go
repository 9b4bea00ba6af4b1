package node

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/tollgate/tollgate/cluster"
	"github.com/tollgate/tollgate/cluster/pki"
	"github.com/tollgate/tollgate/proxy"
	"github.com/tollgate/tollgate/proxy/subnet"
	"github.com/tollgate/tollgate/proxy/tracing"
	"github.com/tollgate/tollgate/store"
	"github.com/tollgate/tollgate/store/quota"
)

// The flags of the certificates of the admin port and of the client port, and
// of whom else that one knows.
const (
	flagTLSCert        = "admin-tls-cert"
	flagTLSKey         = "admin-tls-key"
	flagClientCert     = "tls-cert"
	flagClientKey      = "tls-key"
	flagClientCA       = "client-ca"
	flagTrustedProxies = "trusted-proxies"
)

// Config says what a node is. The zero value of every optional field has a
// meaning, given with it; Settings has the defaults and bounds.
type Config struct {
	// ID is the node's name in the cluster for ever: 1-64 of A-Z a-z 0-9 . _ -.
	ID string
	// DataDir holds everything the node must not lose. It is made if missing.
	DataDir string
	// Listen is the host:port for clients, Admin for the admin API, Cluster
	// for Raft and node-to-node calls. Port 0 picks a free one.
	Listen, Admin, Cluster string
	// AdvertiseListen, AdvertiseAdmin and AdvertiseCluster are the addresses
	// where others reach the three, when that is elsewhere; empty means the
	// address listened on.
	AdvertiseListen, AdvertiseAdmin, AdvertiseCluster string
	// Bootstrap founds a new cluster, unless DataDir has state. With Join it does
	// so only if all nodes named there answer and are without state too, and this
	// node has the smallest ID of them.
	Bootstrap bool
	// FoundingWait is how long a node that is to found a cluster listens first
	// whether it belongs to one; 0 means its default.
	FoundingWait time.Duration
	// DiskTimeout is how long a write to DataDir may take while this node leads,
	// before it ends, so that another can lead; 0 means its
	// default.
	DiskTimeout time.Duration
	// ElectionTimeout is how long a follower hears nothing of the leader before it
	// stands for election; 0 means its default. A lost leader is felt for up to three
	// of it. All nodes are to have the same.
	ElectionTimeout time.Duration
	// Join are admin URLs of members to join through, tried in turn until one
	// answers; not needed by a node that has state.
	Join []string
	// Nonvoter joins without a vote.
	Nonvoter bool
	// ClusterKey is the secret of the cluster's nodes, at least
	// pki.MinKeyLength characters: their certificates come from it, and with
	// it the admin API is always TLS. Empty, the cluster port must stay on
	// loopback.
	ClusterKey string
	// AdminTokenFile holds the tokens of the admin API (admin.ParseTokens),
	// read anew when it changes. Empty, everybody is an administrator, and the
	// admin API must stay on loopback.
	AdminTokenFile string
	// AdminTLSCert and AdminTLSKey are PEM files of the certificate that the
	// admin port shows, read anew when they change. Empty, it shows one that
	// comes from ClusterKey; without that either, it is plain HTTP.
	AdminTLSCert, AdminTLSKey string
	// AdminCA is a PEM file of the certificates that the node trusts at the
	// admin ports it joins through. Empty, it trusts those that come from
	// ClusterKey, and without that the system's.
	AdminCA string
	// QuotaWait is how long a call waits for its quota decision before it is
	// answered 50300; 0 means its default.
	QuotaWait time.Duration
	// LeaseTime is how long a node may spend units it was leased, while this
	// node leads and the quota nears its end; 0 means its default. Windows shorter than
	// ten leases have leases of a tenth of them.
	LeaseTime time.Duration
	// LongLeaseTime is how long it may be far from the end; 0 means its default,
	// less than LeaseTime that.
	LongLeaseTime time.Duration
	// MinLease is the smallest block of units worth leasing; 0 means
	// its default. A window whose share
	// for a node is less is decided call by call.
	MinLease int
	// LameDuck is how long a node that is told to stop goes on serving while
	// it says that it is not ready, so that those who send it calls notice; at
	// most MaxLameDuck.
	LameDuck time.Duration
	// DrainTimeout is how long a stop waits after that for calls in flight; 0
	// means its default.
	DrainTimeout time.Duration
	// TLSCert and TLSKey are PEM files of the certificates that the client port
	// shows and of their keys, in the same order, read anew when they change. The
	// first one is for names that none is for. Empty, it is plain HTTP.
	TLSCert, TLSKey []string
	// ClientCA is a PEM file of the certificates that vouch for those that clients
	// show. Empty, they are asked for none.
	ClientCA string
	// TrustedProxies are addresses and subnets of the proxies that are believed
	// who the client is; Validate puts them into DataPlane.
	TrustedProxies []string
	// UpstreamCA is a PEM file of the certificates that are trusted at https
	// endpoint servers and Pre APIs. Empty, it is the system's.
	UpstreamCA string
	// LogStore keeps the log in DataDir, a store.Engine; empty is the one that keeps it now.
	LogStore string
	// AccessLog is the path of the access log; accesslog.Stdout is standard output,
	// empty or "off" none.
	AccessLog string
	// StatsMaxBytes bounds the file of statistics in DataDir; 0 means its default.
	StatsMaxBytes int64
	// EventWebhook is the URL that events are sent to, such as a quota's alerts; empty:
	// none is. EventWebhookKeyFile holds the secret that they are signed with; empty:
	// they are not.
	EventWebhook, EventWebhookKeyFile string
	// OTLPEndpoint is the URL of the collector that gets traces; empty: calls are
	// not traced. TraceRatio is the part of the traces begun here that is recorded,
	// 0 to 1.
	OTLPEndpoint string
	TraceRatio   float64
	// Version is that of the program, for metrics and traces.
	Version string
	// DataPlane bounds what clients, endpoint servers and Pre APIs can take of
	// the node. What is no bound of it the node sets itself.
	DataPlane proxy.Config
	// Logger receives what operators read; nil discards it.
	Logger *slog.Logger
	// Network is how the node reaches the others; nil is TCP. Tests cut nodes
	// off with it.
	Network cluster.Network
	// CheckpointEvery is between two comparisons of all replicas while this node
	// leads; 0 is 30 s. Tests do not wait so long.
	CheckpointEvery time.Duration
	// Clock is what the node takes for the time; nil is time.Now. Tests have
	// nodes whose clocks are wrong.
	Clock func() time.Time
}

// Validate fills the defaults in and reports everything that is wrong at once,
// each with the flag it is set by.
func (c *Config) Validate() error {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Network == nil {
		c.Network = cluster.TCP{}
	}
	if c.Clock == nil {
		c.Clock = time.Now
	}
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }

	if err := cluster.CheckID(c.ID); err != nil {
		bad("--id %q: %w", c.ID, err)
	}
	if c.DataDir == "" {
		bad("--data-dir: must name a directory for this node's state")
	}
	if c.LogStore != "" && c.LogStore != string(store.BoltDB) && c.LogStore != string(store.WAL) {
		bad("--log-store %q: must be %s or %s", c.LogStore, store.BoltDB, store.WAL)
	}
	if c.Bootstrap && c.Nonvoter {
		bad("--bootstrap and --nonvoter: the founder of a cluster must vote")
	}
	for _, u := range c.Join {
		p, err := url.Parse(u)
		switch {
		case err != nil || (p.Scheme != "http" && p.Scheme != "https") || p.Host == "":
			bad("--join %q: must be an admin URL of a member, such as %s://127.0.0.1:9001", u, c.adminScheme())
		case c.ClusterKey != "" && p.Scheme == "http":
			bad("--join %q: with a cluster key every member's admin API is TLS: must begin with https://", u)
		}
	}
	if c.ClusterKey != "" && len(c.ClusterKey) < pki.MinKeyLength {
		bad("--%s: the key has %d characters, must have at least %d; `tollgate keygen` makes one", ClusterKeyFile, len(c.ClusterKey), pki.MinKeyLength)
	}
	if u, err := url.Parse(c.EventWebhook); c.EventWebhook != "" && (err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil) {
		bad("--event-webhook: must be the URL of a server, such as https://alerts.example/tollgate, without a user or a password")
	}
	if c.EventWebhookKeyFile != "" && c.EventWebhook == "" {
		bad("--event-webhook-key-file: give --event-webhook too: it signs what is sent there")
	}
	if c.OTLPEndpoint != "" {
		if err := tracing.CheckEndpoint(c.OTLPEndpoint); err != nil {
			bad("--otlp-endpoint: %w", err) // not repeated: it may hold a password
		}
	}
	if (c.AdminTLSCert == "") != (c.AdminTLSKey == "") {
		bad("--%s and --%s: give both, or neither", flagTLSCert, flagTLSKey)
	}
	errs = append(errs, c.clientProblems()...)
	errs = append(errs, c.settleBounds()...)
	return errors.Join(append(errs, c.addressProblems()...)...)
}

// clientProblems lists what is wrong with how clients are served, and puts the
// trusted proxies into DataPlane.
func (c *Config) clientProblems() (errs []error) {
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if certs, keys := len(c.TLSCert), len(c.TLSKey); certs != keys {
		bad("--%s and --%s: give a key for each certificate, in the same order: %d and %d are given", flagClientCert, flagClientKey, certs, keys)
	}
	if c.ClientCA != "" && len(c.TLSCert) == 0 {
		bad("--%s: clients show certificates over TLS only: give --%s and --%s too", flagClientCA, flagClientCert, flagClientKey)
	}
	c.DataPlane.TrustedProxies = nil
	for _, text := range c.TrustedProxies {
		p, err := subnet.Parse(text)
		if err != nil {
			bad("--%s: %w, such as 10.0.0.0/8", flagTrustedProxies, err)
			continue
		}
		c.DataPlane.TrustedProxies = append(c.DataPlane.TrustedProxies, p)
	}
	if c.DataPlane.ProxyProtocol && len(c.TrustedProxies) == 0 {
		bad("--proxy-protocol: only trusted proxies are asked for a PROXY header: give --%s too", flagTrustedProxies)
	}
	return errs
}

// addressProblems lists what is wrong with the addresses: those that nobody could
// use, and those that others can reach without the secrets.
func (c *Config) addressProblems() (errs []error) {
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	for _, a := range []struct {
		flag, listen, advertise string
		missing                 string // what strangers must be kept out with
	}{
		{"listen", c.Listen, c.AdvertiseListen, ""},
		{"admin", c.Admin, c.AdvertiseAdmin, c.missingForAdmin()},
		{"cluster", c.Cluster, c.AdvertiseCluster, c.missingForCluster()},
	} {
		if err := cluster.CheckListen(a.listen); err != nil {
			bad("--%s %q: %w", a.flag, a.listen, err)
			continue
		}
		if a.missing != "" && !loopback(a.listen) {
			bad("--%s %s can be reached by others: give %s, or listen on 127.0.0.1", a.flag, a.listen, a.missing)
		}
		if a.advertise != "" {
			if err := cluster.CheckAddress(a.advertise); err != nil {
				bad("--advertise-%s %q: %w", a.flag, a.advertise, err)
			}
		} else if !reachable(a.listen) {
			bad("--%s %s names no address that others could reach: give --advertise-%s HOST:PORT too", a.flag, a.listen, a.flag)
		}
	}
	return errs
}

// missingForAdmin is which flags an admin port lacks that others can reach.
func (c *Config) missingForAdmin() string {
	var missing []string
	if c.ClusterKey == "" && c.AdminTLSCert == "" {
		missing = append(missing, "--"+ClusterKeyFile)
	}
	if c.AdminTokenFile == "" {
		missing = append(missing, "--"+AdminTokenFile)
	}
	return strings.Join(missing, " and ")
}

// missingForCluster is which flag a cluster port lacks that others can reach.
func (c *Config) missingForCluster() string {
	if c.ClusterKey == "" {
		return "--" + ClusterKeyFile
	}
	return ""
}

// adminScheme is how this node's admin API is called.
func (c *Config) adminScheme() string {
	if c.ClusterKey != "" || c.AdminTLSCert != "" {
		return "https"
	}
	return "http"
}

func (c *Config) leases() quota.Params {
	return quota.Params{
		LeaseMillis: uint32(c.LeaseTime.Milliseconds()), LongLeaseMillis: uint32(c.LongLeaseTime.Milliseconds()),
		MinLease: uint32(c.MinLease),
	}
}

// reachable reports whether an address to listen on is one that others could connect
// to, once it has a port.
func reachable(listen string) bool {
	host, _, err := net.SplitHostPort(listen)
	return err == nil && cluster.CheckAddress(net.JoinHostPort(host, "1")) == nil
}

func unspecified(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(host)
	return host == "" || err == nil && ip.IsUnspecified()
}

func loopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}
