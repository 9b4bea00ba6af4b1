package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tollgate/tollgate/cmd/internal/cli"
	"github.com/tollgate/tollgate/node"
	"github.com/tollgate/tollgate/proxy"
)

var errNotOpened = errors.New("not opened here")

// configOf is the configuration that a command line makes, and what the
// command says if it makes none.
func configOf(t *testing.T, env []string, args ...string) (*node.Config, outcome) {
	t.Helper()
	var got *node.Config
	o := command{args: append([]string{"node"}, args...), env: env, open: func(_ context.Context, cfg node.Config) (runningNode, error) {
		got = &cfg
		return nil, errNotOpened
	}}.run(t.Context())
	return got, o
}

const secret32 = "0123456789abcdef0123456789abcdef"

func TestDefaults(t *testing.T) {
	got, o := configOf(t, nil, "--id", "n1", "--data-dir", "/d")
	if got == nil {
		t.Fatalf("%+v", o)
	}
	if want := (outcome{cli.Failed, "", "tollgate node: the node does not start: not opened here\n"}); o != want {
		t.Errorf("%+v", o)
	}
	var want node.Config
	want.ID, want.DataDir, want.Logger = "n1", "/d", got.Logger
	want.Listen, want.Admin, want.Cluster = "127.0.0.1:8001", "127.0.0.1:9001", "127.0.0.1:7001"
	want.QuotaWait, want.DrainTimeout = 2*time.Second, 10*time.Second
	want.LeaseTime, want.LongLeaseTime, want.MinLease = 200*time.Millisecond, 2*time.Second, 16
	want.AccessLog, want.TraceRatio, want.LogStore = "off", 1, "boltdb"
	check(t, got, want)
}

// check compares what settings can set.
func check(t *testing.T, got *node.Config, want node.Config) {
	t.Helper()
	if err := want.Validate(); err != nil {
		t.Fatal(err)
	}
	if len(got.Join) == 0 {
		got.Join = want.Join // nil or empty
	}
	got.Clock, want.Clock = nil, nil // functions do not compare
	want.Version = got.Version       // no setting
	if !reflect.DeepEqual(*got, want) {
		t.Errorf("\n got %+v\nwant %+v", *got, want)
	}
}

// everything is each setting with a value that is no default.
var everything = map[string]string{
	"id": "n1", "data-dir": "/d", "listen": "127.0.0.1:1", "admin": "127.0.0.1:2", "cluster": "127.0.0.1:3",
	"advertise-listen": "h:1", "advertise-admin": "h:2", "advertise-cluster": "h:3",
	"join": "https://a:1,https://b:2", "nonvoter": "true",
	"tls-cert": "/c1,/c2", "tls-key": "/k1,/k2", "client-ca": "/ca", "trusted-proxies": "10.0.0.0/8,192.0.2.1", "proxy-protocol": "true", "require-https": "true",
	"admin-token-file": "/t", "admin-tls-cert": "/c", "admin-tls-key": "/k", "admin-ca": "/a", "lame-duck": "4s", "founding-wait": "9s", "log-store": "wal", "disk-timeout": "8s", "election-timeout": "11s",
	"quota-wait": "3s", "lease-time": "5s", "long-lease-time": "6s", "min-lease": "7", "drain-timeout": "1m",
	"max-conns": "500", "max-conns-per-client": "50", "max-calls-per-client": "5", "max-request-body": "2KiB", "body-memory": "33554432", "body-timeout": "7s",
	"max-header": "8KiB", "max-header-fields": "20", "header-timeout": "3s", "write-timeout": "4s", "idle-timeout": "5s", "upstream-ca": "/u",
	"upstream-max-conns": "6", "upstream-conn-wait": "7ms", "upstream-connect-timeout": "2s", "upstream-idle-timeout": "11s",
	"body-buffer": "8KiB", "upstream-timeout": "8s", "upstream-max-conn-age": "9s",
	"log-level": "debug", "log-format": "json",
	"access-log": "/l", "access-log-query": "true", "otlp-endpoint": "http://o:4318", "event-webhook": "http://h/e", "event-webhook-key-file": "/k", "trace-ratio": "0.5", "metrics-endpoints": "99", "stats-max-bytes": "3MiB",
}

// TestEverySource: each setting can come from flags, from the environment and
// from the file, and means the same.
func TestEverySource(t *testing.T) {
	everything := maps.Clone(everything)
	everything["cluster-key-file"] = writeFile(t, "key", secret32+"\n")
	var flags, env []string
	var file strings.Builder
	for name, value := range everything {
		flags = append(flags, "--"+name+"="+value)
		env = append(env, "TOLLGATE_"+strings.ToUpper(strings.ReplaceAll(name, "-", "_"))+"="+value)
		fmt.Fprintf(&file, "%s: %s\n", name, value)
	}
	config := writeFile(t, "node.yaml", file.String())
	for name, c := range map[string]struct {
		env, args []string
	}{
		"flags":            {nil, flags},
		"environment":      {env, nil},
		"file by flag":     {nil, []string{"--config", config}},
		"file by env":      {[]string{"TOLLGATE_CONFIG=" + config}, nil},
		"flags over wrong": {[]string{"TOLLGATE_ID=other", "TOLLGATE_BOOTSTRAP=false"}, flags},
	} {
		t.Run(name, func(t *testing.T) {
			got, o := configOf(t, c.env, c.args...)
			if got == nil {
				t.Fatalf("%+v", o)
			}
			check(t, got, node.Config{
				ID: "n1", DataDir: "/d", Listen: "127.0.0.1:1", Admin: "127.0.0.1:2", Cluster: "127.0.0.1:3",
				AdvertiseListen: "h:1", AdvertiseAdmin: "h:2", AdvertiseCluster: "h:3",
				Join: []string{"https://a:1", "https://b:2"}, Nonvoter: true, ClusterKey: secret32,
				AdminTokenFile: "/t", AdminTLSCert: "/c", AdminTLSKey: "/k", AdminCA: "/a", LameDuck: 4 * time.Second, FoundingWait: 9 * time.Second, LogStore: "wal", DiskTimeout: 8 * time.Second, ElectionTimeout: 11 * time.Second,
				QuotaWait: 3 * time.Second, LeaseTime: 5 * time.Second, LongLeaseTime: 6 * time.Second, MinLease: 7, DrainTimeout: time.Minute, Logger: got.Logger,
				StatsMaxBytes: 3 << 20, UpstreamCA: "/u", TLSCert: []string{"/c1", "/c2"}, TLSKey: []string{"/k1", "/k2"}, ClientCA: "/ca", TrustedProxies: []string{"10.0.0.0/8", "192.0.2.1"},
				AccessLog: "/l", OTLPEndpoint: "http://o:4318", EventWebhook: "http://h/e", EventWebhookKeyFile: "/k", TraceRatio: 0.5,
				DataPlane: proxy.Config{
					LogQueries: true, MetricsEndpoints: 99,
					ProxyProtocol: true, RequireHTTPS: true,
					MaxConns: 500, MaxConnsPerClient: 50, MaxCallsPerClient: 5, MaxHeader: 8 << 10, MaxHeaderFields: 20,
					MaxRequestBody: 2048, BodyMemory: 32 << 20, BodyBuffer: 8 << 10,
					HeaderTimeout: 3 * time.Second, BodyTimeout: 7 * time.Second, WriteTimeout: 4 * time.Second, IdleTimeout: 5 * time.Second,
					UpstreamMaxConns: 6, UpstreamConnWait: 7 * time.Millisecond, UpstreamConnectTimeout: 2 * time.Second,
					UpstreamTimeout: 8 * time.Second, UpstreamIdleTimeout: 11 * time.Second, UpstreamMaxConnAge: 9 * time.Second,
				},
			})
			if !got.Logger.Enabled(t.Context(), slog.LevelDebug) {
				t.Error("the logger is not at debug")
			}
		})
	}
	for _, s := range node.Settings {
		if everything[s.Name] == "" && s.Name != "bootstrap" {
			t.Errorf("%s is not tested", s.Name)
		}
	}
}

func TestPrecedence(t *testing.T) {
	config := writeFile(t, "node.yaml", "id: file\ndata-dir: /file\nlisten: 127.0.0.1:1\nbootstrap: true\nquota-wait: 1s\n")
	env := []string{"TOLLGATE_ID=env", "TOLLGATE_LISTEN=127.0.0.1:2", "TOLLGATE_QUOTA_WAIT=", "TOLLGATE_TIMEOUT=ignored"}
	got, o := configOf(t, env, "--config", config, "--id", "flag", "--bootstrap=false")
	if got == nil {
		t.Fatalf("%+v", o)
	}
	want := node.Config{ID: "flag", DataDir: "/file", Listen: "127.0.0.1:2", Admin: "127.0.0.1:9001", Cluster: "127.0.0.1:7001", QuotaWait: time.Second, Logger: got.Logger}
	want.AccessLog, want.TraceRatio, want.LogStore = "off", 1, "boltdb"
	check(t, got, want)
}

// TestKeySources: the strongest source decides, in whichever form it has the
// key, and what everybody can read is no secret.
func TestKeySources(t *testing.T) {
	keyFile := func(name string) string { return writeFile(t, name, name+"-"+secret32+"\n") }
	config := writeFile(t, "node.yaml", "cluster-key-file: "+keyFile("config")+"\n")
	base := []string{"--id", "n1", "--data-dir", "/d", "--config", config}
	for _, c := range []struct {
		env, args []string
		want      string
	}{
		{nil, nil, "config-" + secret32},
		{[]string{"TOLLGATE_CLUSTER_KEY=env-" + secret32}, nil, "env-" + secret32},
		{[]string{"TOLLGATE_CLUSTER_KEY_FILE=" + keyFile("file")}, nil, "file-" + secret32},
		{[]string{"TOLLGATE_CLUSTER_KEY=env-" + secret32}, []string{"--cluster-key-file", keyFile("flag")}, "flag-" + secret32},
		{[]string{"TOLLGATE_CLUSTER_KEY_FILE=/nowhere"}, []string{"--cluster-key-file", keyFile("flag")}, "flag-" + secret32},
	} {
		got, o := configOf(t, c.env, append(base, c.args...)...)
		if got == nil || got.ClusterKey != c.want {
			t.Errorf("%v %v: %+v, want key %s", c.env, c.args, o, c.want)
		}
	}
	open := keyFile("open")
	for mode, wants := range map[os.FileMode]bool{0o600: true, 0o400: true, 0o640: true, 0o604: false, 0o644: false, 0o602: false} {
		if err := os.Chmod(open, mode); err != nil {
			t.Fatal(err)
		}
		got, o := configOf(t, nil, "--id", "n1", "--data-dir", "/d", "--cluster-key-file", open)
		want := fmt.Sprintf("tollgate node: --cluster-key-file %s: everybody on this machine can read or change it (mode %04o): chmod o-rw %s\nSee: tollgate node --help\n", open, mode, open)
		if (got != nil) != wants || !wants && o != (outcome{cli.Usage, "", want}) {
			t.Errorf("mode %04o: %+v", mode, o)
		}
	}
}

// TestUnknownVariables: what looks like a setting and is none is named with the
// nearest that is one, and nothing else is.
func TestUnknownVariables(t *testing.T) {
	o := command{args: words("node --id n1 --data-dir /d --log-format json"), env: []string{
		"TOLLGATE_DRAIN_TIMEUOT=1s", "TOLLGATE_LISTENS=x", "TOLLGATE_TOKENS=x",
		// What else stands there rightly.
		"TOLLGATE_ADMIN_URL=https://a", "TOLLGATE_TOKEN_FILE=", "TOLLGATE_SECRET_KEY=x", "TOLLGATE_CONFIG=", "TOLLGATE_ADMIN_CA=", "TOLLGATE=x",
		"TOLLGATE_SERVICE_HOST=10.0.0.1", "TOLLGATE_SERVICE_PORT=8001", "TOLLGATE_SERVICE_PORT_HTTP=8001", "TOLLGATE_PORT=tcp://10.0.0.1:8001",
		"TOLLGATE_PORT_8001_TCP=tcp://10.0.0.1:8001", "TOLLGATE_PORT_8001_TCP_PROTO=tcp", "TOLLGATE_PORT_8001_TCP_PORT=8001", "TOLLGATE_PORT_8001_TCP_ADDR=10.0.0.1",
		"TOLLGATE_ADMIN_SERVICE_HOST=10.0.0.2", "TOLLGATE_ADMIN_PORT_9001_TCP_ADDR=10.0.0.2",
	}, open: func(context.Context, node.Config) (runningNode, error) { return nil, errNotOpened }}.run(t.Context())
	var got []string
	for line := range strings.Lines(o.err) {
		var entry struct{ Level, Msg, Variable, DidYouMean string }
		if json.Unmarshal([]byte(line), &entry) == nil {
			got = append(got, entry.Level+" "+entry.Variable+" "+entry.DidYouMean)
		}
	}
	want := []string{"WARN TOLLGATE_DRAIN_TIMEUOT TOLLGATE_DRAIN_TIMEOUT", "WARN TOLLGATE_LISTENS TOLLGATE_LISTEN", "WARN TOLLGATE_TOKENS TOLLGATE_TOKEN"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q\n%s", got, o.err)
	}
	// The variable of the node's former secret is the commands' now.
	o = command{args: words("node --id n1 --data-dir /d"), env: []string{"TOLLGATE_TOKEN=" + secret32},
		open: func(context.Context, node.Config) (runningNode, error) { return nil, errNotOpened }}.run(t.Context())
	if !strings.Contains(o.err, "variable=TOLLGATE_TOKEN ") || !strings.Contains(o.err, "TOLLGATE_CLUSTER_KEY") {
		t.Errorf("%s", o.err)
	}
}

func TestWrongSettings(t *testing.T) {
	config := func(content string) string { return writeFile(t, "node.yaml", content) }
	wrong := config("id: [a]\nIdd: x\ndata_dir: /d\nbootstrap: yes please\nnonvoter: \nquota-wait: 5\njoin: [http://a, {b: c}]\nadmin:\n  port: 1\nlisten: true\nlog-level: loud\nid: b\n")
	former := config("id: n1\ntoken-file: /t\n")
	strange := config("something-else: 1\n")
	list := config("- a\n")
	broken := config("id: \"n1\n")
	two := config("id: n1\n---\nid: n2\n")
	known := strings.Join(node.SettingNames(), ", ")
	for _, c := range []struct {
		env  []string
		args []string
		want []string // lines of stderr
	}{
		{args: []string{"--config", wrong}, want: []string{
			"tollgate node: " + wrong + ":1: id must be a text, is a list",
			"  " + wrong + ":2: unknown setting \"Idd\"; did you mean \"id\"?",
			"  " + wrong + ":3: unknown setting \"data_dir\"; did you mean \"data-dir\"?",
			"  " + wrong + ":4: bootstrap must be true or false, is \"yes please\"",
			"  " + wrong + ":5: nonvoter has no value; leave the line out, or give one",
			"  " + wrong + ":6: quota-wait must be a duration above 0, such as 500ms or 2s, is \"5\"",
			"  " + wrong + ":7: join must be a list of texts; item 2 is none",
			"  " + wrong + ":9: admin must be a text, is a group of settings",
			"  " + wrong + ":10: listen must be a text, is true or false; put it in quotes if it is meant",
			"  " + wrong + ":11: log-level must be one of debug, info, warn, error, is \"loud\"",
		}},
		{args: []string{"--config", "/nowhere.yaml"}, want: []string{"tollgate node: --config /nowhere.yaml: no such file or directory"}},
		{args: []string{"--config", list}, want: []string{"tollgate node: --config " + list + ": must be lines of \"setting: value\", such as \"id: n1\""}},
		{args: []string{"--config", broken}, want: []string{"tollgate node: --config " + broken + ": is not YAML: line 2: found unexpected end of stream"}},
		{args: []string{"--config", two}, want: []string{"tollgate node: --config " + two + ": must be one YAML document"}},
		{env: []string{"TOLLGATE_BOOTSTRAP=maybe", "TOLLGATE_DRAIN_TIMEOUT=-1s", "TOLLGATE_JOIN=a,,b"}, want: []string{
			"tollgate node: TOLLGATE_BOOTSTRAP: must be true or false, is \"maybe\"",
			"  TOLLGATE_JOIN: has an empty item; put one comma between items",
			"  TOLLGATE_DRAIN_TIMEOUT: must be a duration above 0, such as 500ms or 2s, is \"-1s\"",
		}},
		{args: []string{"--config", strange}, want: []string{"tollgate node: " + strange + ":1: unknown setting \"something-else\"; known are " + known}},
		{args: words("--drain-timeuot 1s"), want: []string{"tollgate node: unknown flag: --drain-timeuot; did you mean --drain-timeout?"}},
		{args: words("--maxconns 1"), want: []string{"tollgate node: unknown flag: --maxconns; did you mean --max-conns?"}},
		{args: words("--something-else"), want: []string{"tollgate node: unknown flag: --something-else"}},
		{args: words("--log-format xml"), want: []string{`tollgate node: invalid argument "xml" for "--log-format" flag: must be one of text, json, is "xml"`}},
		{args: words("--id n1 --data-dir /d --token s3cret"), want: []string{"tollgate node: --token " + formerText}},
		{args: words("--id n1 --data-dir /d --token-file /t"), want: []string{"tollgate node: --token-file " + formerText}},
		{args: []string{"--config", former}, want: []string{"tollgate node: " + former + ":2: token-file " + formerText}},
		{env: []string{"TOLLGATE_CLUSTER_KEY=x", "TOLLGATE_CLUSTER_KEY_FILE=y"}, args: words("--id n1 --data-dir /d"), want: []string{"tollgate node: TOLLGATE_CLUSTER_KEY and TOLLGATE_CLUSTER_KEY_FILE: set only one of them"}},
		{env: []string{"TOLLGATE_CLUSTER_KEY=two words"}, args: words("--id n1 --data-dir /d"), want: []string{"tollgate node: TOLLGATE_CLUSTER_KEY: must be one line of ASCII letters, digits and signs, without spaces"}},
		{args: words("--id n1 --data-dir /d --cluster-key-file /nowhere"), want: []string{"tollgate node: --cluster-key-file /nowhere: no such file or directory"}},
		{args: words("--id n1 --data-dir /d --lame-duck -1s"), want: []string{`tollgate node: invalid argument "-1s" for "--lame-duck" flag: must be a duration above 0, such as 500ms or 2s, is "-1s"`}},
		{args: words("--body-memory 1.5GiB"), want: []string{`tollgate node: invalid argument "1.5GiB" for "--body-memory" flag: must be bytes, or a size such as 64KiB or 10MiB, is "1.5GiB"`}},
		{args: words("--id n1 --data-dir /d --max-request-body 9000000TiB"), want: []string{`tollgate node: invalid argument "9000000TiB" for "--max-request-body" flag: must be bytes, or a size such as 64KiB or 10MiB, is "9000000TiB"`}},
		{args: words("--id ../n1 --listen 0.0.0.0:1"), want: []string{
			"tollgate node: the node's settings have 3 problems",
			`  --id "../n1": must be 1 to 64 of A-Z a-z 0-9 . _ -`,
			"  --data-dir: must name a directory for this node's state",
			"  --listen 0.0.0.0:1 names no address that others could reach: give --advertise-listen HOST:PORT too",
		}},
		{args: words("n1"), want: []string{`tollgate node: unexpected argument "n1"; it takes no arguments`}},
	} {
		got, o := configOf(t, c.env, c.args...)
		want := strings.Join(c.want, "\n") + "\nSee: tollgate node --help\n"
		if got != nil || o != (outcome{cli.Usage, "", want}) {
			t.Errorf("%v %v\n got %d %s\nwant %s", c.env, c.args, o.status, o.err, want)
		}
	}
}
