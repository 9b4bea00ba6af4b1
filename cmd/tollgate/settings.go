package main

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// kind is what a setting holds, and the word for it in the help.
type kind string

const (
	kindText     kind = "string"
	kindAddress  kind = "HOST:PORT" // checked by node.Config
	kindFile     kind = "PATH"
	kindList     kind = "URL,..."
	kindToggle   kind = "bool"
	kindDuration kind = "duration"
	kindNumber   kind = "int"
	kindSize     kind = "SIZE" // bytes, 64KiB, 10MiB
)

// setting is one value that a node is configured with: the flag --name, an
// environment variable, and a key of the configuration file.
type setting struct {
	name string
	kind kind
	def  any // nil: empty
	help string
	// oneOf lists the allowed texts, if they are few.
	oneOf []string
	// orZero lets a duration be 0.
	orZero bool
}

// Names of the settings that code asks for one by one.
const (
	setID, setDataDir         = "id", "data-dir"
	setListen, setAdmin       = "listen", "admin"
	setCluster                = "cluster"
	setAdvertiseListen        = "advertise-listen"
	setAdvertiseAdmin         = "advertise-admin"
	setAdvertiseCluster       = "advertise-cluster"
	setBootstrap, setJoin     = "bootstrap", "join"
	setFoundingWait           = "founding-wait"
	setDiskTimeout            = "disk-timeout"
	setNonvoter               = "nonvoter"
	setClusterKeyFile         = "cluster-key-file"
	setAdminTokenFile         = "admin-token-file"
	setAdminTLSCert           = "admin-tls-cert"
	setAdminTLSKey            = "admin-tls-key"
	setAdminCA                = "admin-ca"
	setLameDuck               = "lame-duck"
	setQuotaWait, setDrain    = "quota-wait", "drain-timeout"
	setLease, setLongLease    = "lease-time", "long-lease-time"
	setMinLease               = "min-lease"
	setMaxConns               = "max-conns"
	setMaxConnsPerClient      = "max-conns-per-client"
	setMaxCallsPerClient      = "max-calls-per-client"
	setMaxRequestBody         = "max-request-body"
	setBodyMemory             = "body-memory"
	setBodyTimeout            = "body-timeout"
	setBodyBuffer             = "body-buffer"
	setUpstreamTimeout        = "upstream-timeout"
	setUpstreamMaxConnAge     = "upstream-max-conn-age"
	setLogLevel, setLogFormat = "log-level", "log-format"
	defaultQuotaWait          = 2 * time.Second
	defaultDrainTimeout       = 10 * time.Second
	defaultFoundingWait       = 2 * time.Second
	defaultDiskTimeout        = 3 * time.Second
	defaultLeaseTime          = 200 * time.Millisecond
	defaultLongLeaseTime      = 2 * time.Second
	defaultMinLease           = 16
	levelInfo, formatText     = "info", "text"
	envPrefix                 = "TOLLGATE_"
)

// nodeSettings is every setting of `tollgate node`.
var nodeSettings = []setting{
	{name: setID, kind: kindText, help: "name of this node in the cluster, for good: 1 to 64 of A-Z a-z 0-9 . _ -"},
	{name: setDataDir, kind: kindFile, help: "directory for this node's state; made if missing"},
	{name: setListen, kind: kindAddress, def: "127.0.0.1:8001", help: "address for clients"},
	{name: setAdmin, kind: kindAddress, def: "127.0.0.1:9001", help: "address of the admin API"},
	{name: setCluster, kind: kindAddress, def: "127.0.0.1:7001", help: "address for Raft and node-to-node calls"},
	{name: setAdvertiseListen, kind: kindAddress, help: "where others reach --listen, if elsewhere"},
	{name: setAdvertiseAdmin, kind: kindAddress, help: "where others reach --admin, if elsewhere"},
	{name: setAdvertiseCluster, kind: kindAddress, help: "where others reach --cluster, if elsewhere"},
	{name: setBootstrap, kind: kindToggle, def: false, help: "found a new cluster, unless the data directory has state; with --join only if all nodes named there answer and have none either, and this one has the smallest ID"},
	{name: setJoin, kind: kindList, help: "join the cluster through these admin URLs of members, unless the data directory has state"},
	{name: setNonvoter, kind: kindToggle, def: false, help: "join without a vote"},
	{name: setClusterKeyFile, kind: kindFile, help: "file that holds the nodes' secret (tollgate keygen): their certificates come from it, and the admin API is then always TLS; " + envClusterKey + " may hold it instead"},
	{name: setAdminTokenFile, kind: kindFile, help: "file of who may call the admin API: lines of ROLE NAME TOKEN, the roles being read, deploy, admin and metrics; read anew when it changes"},
	{name: setAdminTLSCert, kind: kindFile, help: "certificate of the admin port (PEM), instead of one that comes from the cluster's key; read anew when it changes"},
	{name: setAdminTLSKey, kind: kindFile, help: "its key (PEM)"},
	{name: setAdminCA, kind: kindFile, help: "certificates that are trusted at the admin ports of --join (PEM), instead of those that come from the cluster's key"},
	{name: setQuotaWait, kind: kindDuration, def: defaultQuotaWait, help: "how long a call waits for its quota decision"},
	{name: setLease, kind: kindDuration, def: defaultLeaseTime, help: "how long a node may spend units it was leased as a quota nears its end, set by the leader; a lost node's units are waited for as long"},
	{name: setLongLease, kind: kindDuration, def: defaultLongLeaseTime, help: "how long it may be far from the end, set by the leader"},
	{name: setMinLease, kind: kindNumber, def: defaultMinLease, help: "smallest block of units worth leasing, set by the leader; nearer its end a quota is decided call by call"},
	{name: setLameDuck, kind: kindDuration, def: time.Duration(0), orZero: true, help: "how long a node that is told to stop goes on serving while /readyz says that it stops"},
	{name: setFoundingWait, kind: kindDuration, def: defaultFoundingWait, help: "how long a node listens, before it founds a cluster, whether one misses it"},
	{name: setDiskTimeout, kind: kindDuration, def: defaultDiskTimeout, help: "how long a write to the data directory may take before a node that leads ends, so that another leads"},
	{name: setDrain, kind: kindDuration, def: defaultDrainTimeout, help: "how long a stop waits after that for calls in flight"},
	{name: setMaxConns, kind: kindNumber, def: 10_000, help: "connections of all clients together; one more is answered 50301. Keep it below the limit of open files"},
	{name: setMaxConnsPerClient, kind: kindNumber, help: "connections of one client, by address, IPv6 by /64 (default half of --max-conns); one more is answered 42900"},
	{name: setMaxCallsPerClient, kind: kindNumber, def: 1_000, help: "calls in flight of one client; one more is answered 42900"},
	{name: setMaxRequestBody, kind: kindSize, def: size(10 << 20), help: "largest body of a request; a larger one is answered 41300"},
	{name: setBodyMemory, kind: kindSize, def: size(256 << 20), help: "memory for the bodies of all requests, of which one client gets an eighth at most; what needs more is answered 50301"},
	{name: setBodyTimeout, kind: kindDuration, def: 30 * time.Second, help: "how long a client may pause in a body before 40800; after 10s it must also have sent 240 bytes a second"},
	{name: setBodyBuffer, kind: kindSize, def: size(64 << 10), help: "how much of an answer of an endpoint server is held; a larger answer streams"},
	{name: setUpstreamTimeout, kind: kindDuration, def: 30 * time.Second, help: "how long an endpoint server may take to the head of its answer before 50400, and pause in its body"},
	{name: setUpstreamMaxConnAge, kind: kindDuration, def: 5 * time.Minute, help: "how long a connection to an endpoint server or a Pre API may be used again"},
	{name: setLogLevel, kind: kindText, def: levelInfo, help: "least severe lines to log", oneOf: []string{"debug", levelInfo, "warn", "error"}},
	{name: setLogFormat, kind: kindText, def: formatText, help: "form of the log on standard error", oneOf: []string{formatText, "json"}},
}

// settingNamed finds a setting.
func settingNamed(name string) (setting, bool) {
	i := slices.IndexFunc(nodeSettings, func(s setting) bool { return s.name == name })
	if i < 0 {
		return setting{}, false
	}
	return nodeSettings[i], true
}

// env is the setting's environment variable.
func (s setting) env() string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(s.name, "-", "_"))
}

// parse reads the setting from text, as flag and environment give it.
func (s setting) parse(text string) (any, error) {
	switch s.kind {
	case kindToggle:
		b, err := strconv.ParseBool(text)
		if err != nil {
			return nil, fmt.Errorf("must be true or false, is %q", text)
		}
		return b, nil
	case kindDuration:
		d, err := time.ParseDuration(text)
		if err == nil && d == 0 && s.orZero {
			return d, nil
		}
		if err != nil || d <= 0 {
			return nil, fmt.Errorf("must be a duration above 0, such as 500ms or 2s, is %q", text)
		}
		return d, nil
	case kindNumber:
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			return nil, fmt.Errorf("must be a whole number above 0, is %q", text)
		}
		return n, nil
	case kindSize:
		return parseSize(text)
	case kindList:
		return splitList(text)
	}
	if s.oneOf != nil && !slices.Contains(s.oneOf, text) {
		return nil, fmt.Errorf("must be one of %s, is %q", strings.Join(s.oneOf, ", "), text)
	}
	return text, nil
}

func splitList(text string) ([]string, error) {
	var list []string
	for item := range strings.SplitSeq(text, ",") {
		item = strings.TrimSpace(item)
		if item == "" {
			return nil, errors.New("has an empty item; put one comma between items")
		}
		list = append(list, item)
	}
	return list, nil
}

// flagValue lets a flag be read by its setting (pflag.Value). value is nil
// until the flag is given.
type flagValue struct {
	setting
	value any
}

// Set reads one use of the flag; a list may be given in several.
func (f *flagValue) Set(text string) error {
	v, err := f.parse(text)
	if err != nil {
		return err
	}
	if more, ok := v.([]string); ok && f.value != nil {
		v = append(f.value.([]string), more...)
	}
	f.value = v
	return nil
}

// Type is the word for the value in the help.
func (f *flagValue) Type() string {
	if f.oneOf != nil {
		return strings.Join(f.oneOf, "|")
	}
	return string(f.kind)
}

// String is the value, or the default as the help shows it.
func (f *flagValue) String() string {
	v := f.value
	if v == nil {
		v = f.def
	}
	if v == nil {
		return ""
	}
	return fmt.Sprint(v)
}
