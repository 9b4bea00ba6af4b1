package peers

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// The test binary stands for the peers' programs where it is run by their
// names. They work by the configuration that they are given.
var fakes = map[string]func(args []string){
	"nginx":        fakeNginx,
	"haproxy":      fakeHAProxy,
	"caddy":        fakeCaddy,
	"redis-server": fakeRedis,
	"ratelimit":    fakeRatelimit,
}

// What is to go wrong, each with the name of a program as its value.
const (
	failsToStart = "PEERS_TEST_FAILS_TO_START"
	diesLater    = "PEERS_TEST_DIES_LATER"
	answersWrong = "PEERS_TEST_ANSWERS_WRONG"
)

func TestMain(m *testing.M) {
	name := filepath.Base(os.Args[0])
	fake, ok := fakes[name]
	if !ok {
		// A program with the race detector waits for a second as it ends.
		os.Setenv("GORACE", "atexit_sleep_ms=0")
		os.Exit(m.Run())
	}
	if slices.ContainsFunc(os.Args, func(arg string) bool { return arg == "-v" || arg == "--version" }) {
		fmt.Println(name, "version", name+"/9.8.7-fake (a test)")
		return
	}
	if os.Getenv(failsToStart) == name {
		fmt.Println("no licence")
		os.Exit(1)
	}
	terms := make(chan os.Signal, 1)
	signal.Notify(terms, syscall.SIGTERM)
	go fake(os.Args[1:])
	select {
	case <-terms:
	case <-time.After(2 * time.Minute): // should a test leave it behind
		os.Exit(9)
	}
}

// must ends a fake where it cannot go on.
func must[T any](v T, err error) T {
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	return v
}

// found is what the pattern's group matches in a configuration.
func found(config, pattern string) string {
	match := regexp.MustCompile(`(?m)` + pattern).FindStringSubmatch(config)
	if match == nil {
		must(0, fmt.Errorf("there is no %s in\n%s", pattern, config))
	}
	return match[1]
}

// after is what follows a flag.
func after(args []string, flag string) string {
	i := slices.Index(args, flag)
	if i < 0 || i+1 == len(args) {
		must(0, fmt.Errorf("there is no %s in %q", flag, args))
	}
	return args[i+1]
}

func fakeNginx(args []string) {
	config := string(must(os.ReadFile(after(args, "-c"))))
	fakeProxy("nginx", found(config, `^\s*listen (\S+)`), found(config, `^\s*server (\S+);`))
}

func fakeCaddy(args []string) {
	config := string(must(os.ReadFile(after(args, "--config"))))
	fakeProxy("caddy", found(config, `^http://(\S+) {`), found(config, `^\s*reverse_proxy (\S+) {`))
}

// fakeHAProxy is a proxy, or counts for itself where it has a quota.
func fakeHAProxy(args []string) {
	config := string(must(os.ReadFile(after(args, "-f"))))
	listen := found(config, `^\s*bind (\S+)`)
	if !strings.Contains(config, "stick-table") {
		fakeProxy("haproxy", listen, found(config, `^\s*server origin (\S+)`))
		return
	}
	own := after(args, "-L")
	if !strings.Contains(config, "peer "+own+" ") {
		must(0, fmt.Errorf("%s is none of the peers", own))
	}
	control := must(net.Listen("tcp", found(config, `^\s*stats socket ipv4@(\S+)`)))
	go serveControl(control, func() string { return "last_status=ESTA\nlast_status=ESTA\n" })
	limit := must(strconv.ParseInt(found(config, `path /end } { sc_http_req_cnt\(0\) gt ([0-9]+) }`), 10, 64))
	var calls atomic.Int64
	_ = http.ListenAndServe(listen, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/end" && calls.Add(1) > limit {
			w.WriteHeader(http.StatusTooManyRequests)
		}
	}))
}

// serveControl answers "show peers".
func serveControl(ln net.Listener, answer func() string) {
	for {
		conn, err := ln.Accept()
		if err != nil {
			return
		}
		if line, _ := bufio.NewReader(conn).ReadString('\n'); line == "show peers\n" {
			_, _ = conn.Write([]byte(answer()))
		}
		conn.Close()
	}
}

func fakeProxy(name, listen, origin string) {
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: origin})
	var calls atomic.Int64
	must(0, http.ListenAndServe(listen, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := calls.Add(1)
		if os.Getenv(answersWrong) == name && n > 20 {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		if os.Getenv(diesLater) == name && n > 20 {
			fmt.Println("out of luck")
			os.Exit(1)
		}
		proxy.ServeHTTP(w, r)
	})))
}

// fakeRedis counts: it answers a line that is a key by the key's number.
func fakeRedis(args []string) {
	ln := must(net.Listen("tcp", net.JoinHostPort(after(args, "--bind"), after(args, "--port"))))
	var mu sync.Mutex
	counts := map[string]int{}
	for {
		conn := must(ln.Accept())
		go func() {
			defer conn.Close()
			for lines := bufio.NewScanner(conn); lines.Scan(); {
				mu.Lock()
				counts[lines.Text()]++
				n := counts[lines.Text()]
				mu.Unlock()
				fmt.Fprintln(conn, n)
			}
		}()
	}
}

// fakePrograms is a folder with the fakes of those names, fakePeers the peers
// that they make up: what a Go program was built from cannot be faked.
func fakePrograms(t *testing.T, names ...string) []string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	for _, name := range names {
		if err := os.Symlink(self, filepath.Join(folder, name)); err != nil {
			t.Fatal(err)
		}
	}
	return []string{folder}
}

func fakePeers() []Peer {
	peers := slices.Clone(Peers)
	for i := range peers {
		peers[i].Programs = slices.Clone(peers[i].Programs)
		for j := range peers[i].Programs {
			peers[i].Programs[j].version = printed("-v")
		}
	}
	return peers
}

// startFake starts a peer of fakes until the test ends.
func startFake(t *testing.T, peer *Peer, origin string) *Running {
	t.Helper()
	running, err := peer.Start(context.WithoutCancel(t.Context()), Site{
		Folders: fakePrograms(t, "nginx", "haproxy", "caddy", "redis-server", "ratelimit"), Dir: t.TempDir(), Origin: origin, Instances: 3, Limit: 5,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := running.Stop(); err != nil {
			t.Error(err)
		}
	})
	return running
}
