package soak

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/tollgate/tollgate/bench/process"
	"github.com/tollgate/tollgate/node/admin/api"
	"github.com/tollgate/tollgate/proxy/jwtauth"
	"github.com/tollgate/tollgate/store/catalog"
)

var durationFlag = flag.Duration("soak.duration", 5*time.Second, "how long the calls go on")

const secret = "the secret key of the soak"

// soak is one node and what calls it.
type soak struct {
	node  *process.Process
	http  *http.Client
	admin *api.Client
	url   string // of the client port
	token string
	log   string // the access log
	ca    authority
	dir   string
}

// start starts a node that serves TLS, with every feature that is on by a flag,
// and more arguments.
func start(t *testing.T, more ...string) *soak {
	s := &soak{dir: t.TempDir(), ca: newAuthority(t)}
	binary := filepath.Join(s.dir, "tollgate")
	if out, err := exec.Command("go", "build", "-o", binary, "../../cmd/tollgate").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	var addresses [3]string
	for i := range addresses {
		var err error
		if addresses[i], err = process.FreeAddress(); err != nil {
			t.Fatal(err)
		}
	}
	s.renew(t)
	s.log = filepath.Join(s.dir, "access.log")
	var err error
	s.node, err = process.Start(process.Command{Name: "n1", Path: binary, Log: filepath.Join(s.dir, "n1.log"), Args: append([]string{
		"node", "--id", "n1", "--data-dir", filepath.Join(s.dir, "data"), "--bootstrap", "--founding-wait", "10ms",
		"--listen", addresses[0], "--admin", addresses[1], "--cluster", addresses[2],
		"--tls-cert", s.file("cert.pem"), "--tls-key", s.file("key.pem"), "--access-log", s.log, "--log-level", "warn",
		"--disk-timeout", "1m", "--upstream-timeout", "1h", // for the long polls
	}, more...)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.node.Kill)
	s.url = "https://" + addresses[0]
	s.admin = &api.Client{URL: "http://" + addresses[1], HTTP: http.DefaultClient}
	roots := x509.NewCertPool()
	roots.AddCert(s.ca.cert)
	s.http = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, MaxIdleConnsPerHost: 100}}
	if err := s.node.AwaitOK(t.Context(), patience, s.admin.URL+"/readyz"); err != nil {
		t.Fatal(err)
	}
	s.token, err = jwtauth.Issue(secret, "", 24*time.Hour, time.Now(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *soak) file(name string) string { return filepath.Join(s.dir, name) }

// deploy deploys the three domains; turn changes the order of their targets.
func (s *soak) deploy(ctx context.Context, origins []string, turn int) error {
	type object map[string]any
	targets := []object{}
	for i := range origins {
		targets = append(targets, object{"url": origins[(i+turn)%len(origins)]})
	}
	for key, more := range map[string]object{
		"open":   {"IPACL": object{"isPermit": false, "ipList": []object{{"ip": "192.0.2.0/24"}}}},
		"signed": {"HMAC": object{"secretKey": secret, "clockSkew": 300}},
		"token":  {"JWT": object{"secretKey": secret, "clockSkew": 300}},
	} {
		more["HTTP_PROXY"] = object{"targets": targets}
		more["USAGE_QUOTA"] = object{"usageQuotaBeans": []object{{"maxUsageQuota": 1_000_000_000, "resetTimeSeconds": 60}}}
		operation := object{"responses": object{"200": object{"description": "ok"}}}
		raw, err := json.Marshal(object{
			"swagger": "2.0", "info": object{"title": key, "version": fmt.Sprint(turn)}, "basePath": "/" + key, "schemes": []string{"https"},
			"paths":           object{"/**": object{"get": operation, "post": operation}},
			catalog.Extension: object{"plugins": more},
		})
		if err != nil {
			return err
		}
		if _, err := s.admin.Deploy(ctx, raw); err != nil {
			return fmt.Errorf("deploy of %s: %w", key, err)
		}
	}
	return nil
}

// TestSoak: calls of every kind at once, with deploys and new certificates under
// them, all answered as they should be; and when they are over, the node is as
// small as it was before.
func TestSoak(t *testing.T) {
	s := start(t)
	origins := []string{startOrigin(t, "a"), startOrigin(t, "b"), startOrigin(t, "c")}
	if err := s.deploy(t.Context(), origins, 0); err != nil {
		t.Fatal(err)
	}
	s.work(t, origins, max(min(*durationFlag, 5*time.Second), *durationFlag/5)) // until caches and pools are full
	before := s.atRest(t)
	t.Logf("after warming up: %v", before)
	s.work(t, origins, *durationFlag)
	after := s.atRest(t)
	t.Logf("after %v: %v", *durationFlag, after)
	if after.goroutines > before.goroutines+20 || after.descriptors > before.descriptors+20 {
		t.Errorf("it grows: %v, before %v", after, before)
	}
	if *durationFlag >= time.Minute && after.memory > before.memory+before.memory/2+32 {
		t.Errorf("its memory grows: %v, before %v", after, before)
	}
	if err := s.node.Stop(t.Context()); err != nil {
		t.Errorf("it does not end in good order: %v", err)
	}
}

// work lets all callers call for a time.
func (s *soak) work(t *testing.T, origins []string, during time.Duration) {
	t.Helper()
	ends := time.Now().Add(during)
	var wg sync.WaitGroup
	var all atomic.Int64
	counts := make(map[string]*atomic.Int64, len(callers))
	for kind, c := range callers {
		count := new(atomic.Int64)
		counts[kind] = count
		for range c.at {
			wg.Go(func() {
				for time.Now().Before(ends) && !t.Failed() {
					ctx, cancel := context.WithTimeout(t.Context(), patience)
					err := c.call(ctx, s)
					cancel()
					if err != nil {
						t.Errorf("%s: %v", kind, err)
						return
					}
					count.Add(1)
					all.Add(1)
				}
			})
		}
	}
	for kind, session := range sessions {
		wg.Go(func() {
			ctx, cancel := context.WithDeadline(t.Context(), ends.Add(patience))
			defer cancel()
			if err := session(ctx, s, ends); err != nil {
				t.Errorf("%s: %v", kind, err)
			}
		})
	}
	wg.Go(func() {
		for turn := 1; time.Now().Before(ends) && !t.Failed(); turn++ {
			if err := s.deploy(t.Context(), origins, turn); err != nil {
				t.Error(err)
			}
			if turn%5 == 0 {
				s.renew(t)
				s.node.Signal(syscall.SIGHUP)
			}
			time.Sleep(200 * time.Millisecond) // the pace of the operator
		}
	})
	wg.Wait()
	for kind, count := range counts {
		if count.Load() == 0 {
			t.Errorf("%s: not one", kind)
		}
		if during >= time.Minute {
			t.Logf("%9d  %s", count.Load(), kind)
		}
	}
	t.Logf("%d calls in %v", all.Load(), during)
}

// size is what a process takes.
type size struct{ memory, files, goroutines, descriptors int }

func (s size) String() string {
	return fmt.Sprintf("%d MiB and %d of files, %d goroutines, %d descriptors", s.memory, s.files, s.goroutines, s.descriptors)
}

// atRest is the size of the node when nobody calls it any more, and what was
// kept for the next call has been given up.
func (s *soak) atRest(t *testing.T) size {
	t.Helper()
	s.http.CloseIdleConnections()
	last := size{goroutines: 1 << 30}
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(500 * time.Millisecond) {
		now, err := s.size(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if now.goroutines >= last.goroutines && now.descriptors >= last.descriptors && s.idle(t.Context()) {
			return now
		}
		last = now
	}
	t.Fatal("it does not come to rest")
	return last
}
