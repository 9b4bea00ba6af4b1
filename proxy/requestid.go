package proxy

import (
	"encoding/hex"
	"math/rand/v2"

	"github.com/tollgate/tollgate/proxy/header"
)

// maxRequestID is how many bytes of a client's X-Request-Id are passed on.
const maxRequestID = 128

var requestIDName = []byte("X-Request-Id")

// settleID settles the ID of the call: the client's, if it sent exactly one that
// can be passed on, or else a new one.
func (c *call) settleID() {
	if c.ID = givenID(c.Request.Fields); c.ID == nil {
		c.ID = newID(&c.freshID)
	}
}

// givenID is the ID that a client gave its call; nil: none, or none that is
// passed on.
func givenID(fields header.List) (id []byte) {
	for i := range fields {
		f := &fields[i]
		if f.Rules&header.RequestID == 0 {
			continue
		}
		if id != nil || f.Rules&header.Hop != 0 || !isRequestID(f.Value) {
			return nil
		}
		id = f.Value
	}
	return id
}

// isRequestID tells whether b is 1 to 128 visible characters of ASCII.
func isRequestID(b []byte) bool {
	for _, c := range b {
		if c <= ' ' || c >= 0x7f {
			return false
		}
	}
	return len(b) > 0 && len(b) <= maxRequestID
}

// newID writes 128 random bits into room, in hexadecimal. They come from the
// runtime's generator, which asks the system only when the process begins.
func newID(room *[2 * 16]byte) []byte {
	var b [16]byte
	for i := range 2 {
		for n, j := rand.Uint64(), 8*i; j < 8*i+8; n, j = n>>8, j+1 {
			b[j] = byte(n)
		}
	}
	hex.Encode(room[:], b[:])
	return room[:]
}

// tellID puts the ID on the answer, unless a plugin's configuration has one
// there.
func (c *call) tellID() {
	if _, ok := c.Answer.Fields.First(header.RequestID); !ok {
		c.Answer.Fields = append(c.Answer.Fields, header.Field{Name: requestIDName, Value: c.ID, Rules: header.RequestID})
	}
}
