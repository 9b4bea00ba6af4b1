package node_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tollgate/tollgate/node/nodetest"
	"github.com/tollgate/tollgate/store"
	"github.com/tollgate/tollgate/store/catalog"
	"github.com/tollgate/tollgate/store/quota"
)

const (
	manyDomains = 3000
	manyCallers = 1_000_000
)

// numbered is a caller by its number.
type numbered [8]byte

func (n *numbered) CallerBy(quota.By) []byte  { return n[:] }
func (*numbered) CallerPlan(string) string    { return "" }
func callerNumber(i uint64) (caller numbered) { binary.BigEndian.PutUint64(caller[:], i); return }

// BenchmarkBackup backs up three nodes with 3,000 domains and a million callers while they
// decide calls as fast as they can, and restores it into a new cluster. p99 is of these
// calls, before and during the backup.
func BenchmarkBackup(b *testing.B) {
	c := nodetest.Start(b, 3)
	c.Raised()
	document := strings.Replace(document([][2]int{{1_000_000_000, 3600}}, nil), `"resetTimeSeconds":3600`, `"resetTimeSeconds":3600,"by":"ip","maxCallers":1000000`, 1)
	c.Deploy(document)
	for i := range manyDomains - 1 {
		key := fmt.Sprintf("other-%d", i)
		put := catalog.Put(catalog.Draft{Key: key, Document: []byte(strings.Replace(document, `"/d"`, `"/`+key+`"`, 1)),
			Conditions: []quota.Condition{{Max: 1_000_000, ResetSeconds: 3600}}}, true)
		if _, err := c.Leader().Cluster().Apply(b.Context(), store.Command{Kind: store.KindCatalog, Catalog: &put}); err != nil {
			b.Fatal(err)
		}
	}
	var next atomic.Uint64
	callers(256, func(w int) bool {
		i := next.Add(1)
		if i > manyCallers {
			return false
		}
		caller := callerNumber(i)
		if v, err := c.Nodes[w%3].Cluster().Take(&quota.Call{Domain: "d", Endpoint: endpoint, Caller: &caller}); err != nil || !v.Admitted {
			b.Errorf("%+v, %v", v, err)
		}
		return true
	})
	var file bytes.Buffer
	for range b.N {
		file.Reset()
		before := underLoad(b, c, func() { time.Sleep(3 * time.Second) }) // of load, not for a state
		b.ReportMetric(before, "p99-before-ms")
		begin := time.Now()
		during := underLoad(b, c, func() {
			if _, err := c.Nodes[1].Store().Backup(&file, "bench", time.Now()); err != nil {
				b.Error(err)
			}
		})
		b.ReportMetric(during, "p99-during-ms")
		b.ReportMetric(time.Since(begin).Seconds(), "backup-s")
		b.ReportMetric(float64(file.Len())/1e6, "MB")
		restored(b, file.Bytes())
	}
}

// callers runs n goroutines that do something until it is over.
func callers(n int, do func(worker int) bool) {
	var wg sync.WaitGroup
	for w := range n {
		wg.Go(func() {
			for do(w) {
			}
		})
	}
	wg.Wait()
}

// underLoad has calls of known callers made while do runs, and returns their p99 in ms.
func underLoad(b *testing.B, c *nodetest.Cluster, do func()) float64 {
	var over atomic.Bool
	const workers = 16
	var took [workers][]time.Duration
	var wg sync.WaitGroup
	wg.Go(func() {
		callers(workers, func(w int) bool {
			caller := callerNumber(uint64(1 + len(took[w])%1000))
			begin := time.Now()
			if v, err := c.Nodes[w%3].Cluster().Take(&quota.Call{Domain: "d", Endpoint: endpoint, Caller: &caller}); err != nil || !v.Admitted {
				b.Errorf("%+v, %v", v, err)
			}
			took[w] = append(took[w], time.Since(begin))
			return !over.Load()
		})
	})
	do()
	over.Store(true)
	wg.Wait()
	var all []time.Duration
	for _, t := range took {
		all = append(all, t...)
	}
	return percentile(all, 0.99)
}

// restored restores a backup into a new cluster, which then has what the backup had.
func restored(b *testing.B, file []byte) {
	back, err := store.ReadBackup(file)
	if err != nil {
		b.Fatal(err)
	}
	c := nodetest.Start(b, 1)
	c.Raised()
	begin := time.Now()
	if _, err := c.Nodes[0].Cluster().Restore(b.Context(), back, catalog.Origin{Name: "bench"}); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(time.Since(begin).Seconds(), "restore-s")
	if readings := c.Nodes[0].Store().Readings("d", 0); len(readings) != 1 || readings[0].Callers != manyCallers {
		b.Errorf("restored: %+v", readings)
	}
}
