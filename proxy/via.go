package proxy

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/tollgate/tollgate/proxy/header"
)

// maxPasses is how often a call may have come through this cluster before. A
// domain whose endpoint server is the gateway itself would go on until every
// connection is in use.
const maxPasses = 10

// viaOf is a cluster's entry in Via (RFC 9110 7.6.3).
func viaOf(cluster string) []byte {
	sum := sha256.Sum256([]byte(cluster))
	return []byte("1.1 tollgate-" + hex.EncodeToString(sum[:4]))
}

// name tells the call what this gateway calls itself.
func (c *call) name() {
	if via := c.proxy.via.Load(); via != nil {
		c.Via = *via
	}
}

// circles reports whether the call has come through this cluster too often.
func (c *call) circles() bool {
	passes := 0
	for i := range c.Request.Fields {
		f := &c.Request.Fields[i]
		if f.Rules&header.Via == 0 || len(c.Via) == 0 {
			continue
		}
		entry, rest, done := header.NextToken(f.Value)
		for ; !done; entry, rest, done = header.NextToken(rest) {
			if bytes.Equal(entry, c.Via) {
				passes++
			}
		}
	}
	return passes >= maxPasses
}

// clock tells the time as Date has it, made once a second.
type clock struct{ now atomic.Pointer[tick] }

type tick struct {
	second int64
	date   []byte
}

// date must not be changed.
func (c *clock) date(now time.Time) []byte {
	t := c.now.Load()
	if t == nil || t.second != now.Unix() {
		t = &tick{now.Unix(), now.UTC().AppendFormat(nil, http.TimeFormat)}
		c.now.Store(t)
	}
	return t.date
}
