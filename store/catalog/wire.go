package catalog

import (
	"cmp"
	"errors"
	"fmt"

	"github.com/tollgate/tollgate/store/quota"
	"github.com/tollgate/tollgate/store/wire"
)

// The encodings of this package are made of:
//
//	uint        uvarint, in as few bytes as it takes
//	string      length uint | bytes
//	document    string, not empty | 00 size uint packed string: of size bytes
//	            once it is decompressed (zstd)
//	conditions  n uint | n × ( endpoint string | max uint | resetSeconds uint )
//
// Every value has one encoding, so that equal states have equal bytes.

const (
	maxNameBytes     = 4 * MaxNameRunes
	maxEndpointBytes = len("OPTIONS ") + MaxPatternBytes
)

func appendConditions(b []byte, list []quota.Condition) []byte {
	b = wire.AppendUints(b, uint64(len(list)))
	for _, c := range list {
		b = wire.AppendString(b, c.Endpoint)
		b = wire.AppendUints(b, c.Max)
		b = wire.AppendUints(b, uint64(c.ResetSeconds))
	}
	return b
}

// decoder reads what this package encodes.
type decoder struct{ *wire.Reader }

// document copies: what was decoded must not pin, or change with, the buffer.
func (d *decoder) document() (doc []byte, size int) {
	if d.Next(0) {
		size = int(d.Uint("document size", 1, MaxDocumentBytes))
	}
	return append([]byte(nil), d.Bytes("document", 1, MaxDocumentBytes)...), size
}

func (d *decoder) conditions() []quota.Condition {
	n := d.Uint("number of conditions", 0, MaxConditions)
	if n == 0 {
		return nil
	}
	list := make([]quota.Condition, n)
	for i := range list {
		list[i] = quota.Condition{
			Endpoint:     d.String("endpoint", 0, maxEndpointBytes),
			Max:          d.Uint("maxUsageQuota", 1, MaxQuota),
			ResetSeconds: uint32(d.Uint("resetTimeSeconds", 1, MaxResetSeconds)),
		}
	}
	if d.Err() == nil {
		if err := checkConditions(list); err != nil {
			d.Fail("%v", err)
		}
	}
	return list
}

// checkConditions checks bounds, and that no two conditions would share a
// counter.
func checkConditions(list []quota.Condition) error {
	if len(list) > MaxConditions {
		return fmt.Errorf("%d conditions, at most %d are allowed", len(list), MaxConditions)
	}
	type counter struct {
		endpoint string
		seconds  uint32
	}
	seen := make(map[counter]bool, len(list))
	for _, c := range list {
		switch {
		case len(c.Endpoint) > maxEndpointBytes:
			return fmt.Errorf("an endpoint of %d bytes, at most %d are allowed", len(c.Endpoint), maxEndpointBytes)
		case c.Max < 1 || c.Max > MaxQuota:
			return fmt.Errorf("maxUsageQuota is %d, must be 1 to %d", c.Max, uint64(MaxQuota))
		case c.ResetSeconds < 1 || c.ResetSeconds > MaxResetSeconds:
			return fmt.Errorf("resetTimeSeconds is %d, must be 1 to %d", c.ResetSeconds, MaxResetSeconds)
		case seen[counter{c.Endpoint, c.ResetSeconds}]:
			return fmt.Errorf("two conditions of %q have the resetTimeSeconds %d", c.Endpoint, c.ResetSeconds)
		}
		seen[counter{c.Endpoint, c.ResetSeconds}] = true
	}
	return nil
}

func checkLength(what string, n, least, most int) error {
	if n < least || n > most {
		return fmt.Errorf("%s has %d bytes, must have %d to %d", what, n, least, most)
	}
	return nil
}

var errUnused = errors.New("a field is set that this command does not have")

// check tells whether the draft is within the bounds of its encoding.
func (d *Draft) check() error {
	endpoints := error(nil)
	if d.Endpoints < 0 || d.Endpoints > MaxEndpoints {
		endpoints = fmt.Errorf("%d endpoints, must be 0 to %d", d.Endpoints, MaxEndpoints)
	}
	return cmp.Or(
		checkLength("key", len(d.Key), 1, MaxKeyBytes),
		checkLength("name", len(d.Name), 0, maxNameBytes),
		endpoints,
		checkLength("document", len(d.Document), 1, MaxDocumentBytes),
		checkLength("document before it was compressed", d.Size, 0, MaxDocumentBytes),
		checkConditions(d.Conditions),
	)
}
