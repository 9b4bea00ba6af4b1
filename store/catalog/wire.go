package catalog

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/tollgate/tollgate/store/quota"
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

func appendString[T string | []byte](b []byte, s T) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func appendConditions(b []byte, list []quota.Condition) []byte {
	b = binary.AppendUvarint(b, uint64(len(list)))
	for _, c := range list {
		b = appendString(b, c.Endpoint)
		b = binary.AppendUvarint(b, c.Max)
		b = binary.AppendUvarint(b, uint64(c.ResetSeconds))
	}
	return b
}

// decoder reads an encoding from the front. After the first error it reads
// zeros; the error says where it stopped.
type decoder struct {
	b   []byte
	at  int
	err error
}

func (d *decoder) fail(format string, args ...any) {
	if d.err == nil {
		d.err = fmt.Errorf("byte %d: "+format, append([]any{d.at}, args...)...)
	}
}

func (d *decoder) byte() byte {
	if d.err == nil && d.at == len(d.b) {
		d.fail("truncated")
	}
	if d.err != nil {
		return 0
	}
	d.at++
	return d.b[d.at-1]
}

// uint reads a number of least to most.
func (d *decoder) uint(what string, least, most uint64) uint64 {
	if d.err != nil {
		return 0
	}
	v, n := binary.Uvarint(d.b[d.at:])
	switch {
	case n == 0:
		d.fail("truncated %s", what)
	case n < 0 || n > 1 && d.b[d.at+n-1] == 0:
		d.fail("%s is not in its shortest encoding", what)
	case v < least || v > most:
		d.fail("%s is %d, must be %d to %d", what, v, least, most)
	default:
		d.at += n
		return v
	}
	return 0
}

// take reads a string without copying it.
func (d *decoder) take(what string, least, most int) []byte {
	n := int(d.uint(what+" length", uint64(least), uint64(most)))
	if d.err == nil && n > len(d.b)-d.at {
		d.fail("truncated %s", what)
	}
	if d.err != nil {
		return nil
	}
	d.at += n
	return d.b[d.at-n : d.at : d.at]
}

func (d *decoder) string(what string, least, most int) string {
	return string(d.take(what, least, most))
}

// document copies: what was decoded must not pin, or change with, the buffer.
func (d *decoder) document() (doc []byte, size int) {
	if d.err == nil && d.at < len(d.b) && d.b[d.at] == 0 {
		d.at++
		size = int(d.uint("document size", 1, MaxDocumentBytes))
	}
	return append([]byte(nil), d.take("document", 1, MaxDocumentBytes)...), size
}

func (d *decoder) conditions() []quota.Condition {
	n := d.uint("number of conditions", 0, MaxConditions)
	if n == 0 {
		return nil
	}
	list := make([]quota.Condition, n)
	for i := range list {
		list[i] = quota.Condition{
			Endpoint:     d.string("endpoint", 0, maxEndpointBytes),
			Max:          d.uint("maxUsageQuota", 1, MaxQuota),
			ResetSeconds: uint32(d.uint("resetTimeSeconds", 1, MaxResetSeconds)),
		}
	}
	if d.err == nil {
		if err := checkConditions(list); err != nil {
			d.fail("%v", err)
		}
	}
	return list
}

// end is the error of a decoding that must have read everything.
func (d *decoder) end() error {
	if d.err == nil && d.at != len(d.b) {
		d.fail("%d bytes too many", len(d.b)-d.at)
	}
	return d.err
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
