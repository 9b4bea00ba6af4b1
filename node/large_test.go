package node_test

import (
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tollgate/tollgate/node/nodetest"
	"github.com/tollgate/tollgate/store/quota"
)

// largeDocument is a document of so many bytes that compresses badly.
func largeDocument(size int) string {
	r := rand.NewChaCha8([32]byte{1})
	raw := make([]byte, 900)
	var paths strings.Builder
	for i := 0; paths.Len() < size; i++ {
		_, _ = r.Read(raw)
		fmt.Fprintf(&paths, `,"/p%d":{"get":{"description":%q,"responses":{"200":{"description":"ok"}}}}`, i, base64.StdEncoding.EncodeToString(raw))
	}
	return `{"swagger":"2.0","info":{"title":"Large","version":"1"},"basePath":"/large","paths":{` + paths.String()[1:] +
		`},"x-toastcloud-apigw":{"plugins":{"HTTP_PROXY":{"url":"http://127.0.0.1:9"}}}}`
}

// TestLargeImportOverASlowLink: a large document is imported and
// deployed where the nodes are joined at 20 Mbit/s, through a follower and
// through the leader, while calls go on to be decided in the log.
func TestLargeImportOverASlowLink(t *testing.T) {
	t.Parallel()
	c := nodetest.Start(t, 3, func(cfg *nodetest.Config) { cfg.MinLease, cfg.ElectionTimeout = 1_000_000, 10*time.Second })
	c.Deploy(document([][2]int{{1_000_000, 3600}}, nil))
	c.Raised() // by the rules before, it would be one entry
	leader := c.Leader()
	term := leader.Store().Term()
	c.Throttle(20_000_000 / 8)
	defer c.Throttle(0)
	stop := make(chan struct{})
	var calls sync.WaitGroup
	var decided, undecided atomic.Int64
	for _, n := range c.Nodes {
		cl := n.Cluster()
		calls.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if _, err := cl.Take(&quota.Call{Domain: "d", Endpoint: endpoint}); err != nil {
					undecided.Add(1)
				} else {
					decided.Add(1)
				}
			}
		})
	}
	large := largeDocument(5_000_000)
	for i, n := range c.Nodes {
		before := decided.Load()
		body := strings.Replace(large, `"Large"`, fmt.Sprintf(`"Large %d"`, i), 1)
		// A machine that is busy enough loses its leader without any load: then
		// it is repeated, as its answer says.
		nodetest.Eventually(t, fmt.Sprintf("%d bytes are imported at %s", len(body), n.ID), func() bool {
			r := api(t, n, "POST", "/v1/domains?deploy=true&replace=true", body)
			if r.status != 200 {
				t.Log(r)
			}
			return r.status == 200
		})
		if decided.Load() == before {
			t.Error("no call was decided meanwhile")
		}
	}
	close(stop)
	calls.Wait()
	t.Logf("%d of %d calls were decided in time; the term was %d, is %d", decided.Load(), decided.Load()+undecided.Load(), term, c.Leader().Store().Term())
	c.Throttle(0)
	c.Digest()
}
