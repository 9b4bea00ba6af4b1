package quota

import (
	"errors"
	"fmt"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"
)

// The encodings are sequences of uvarints (u) and of strings, a string being a
// uvarint length and its bytes (s).
//
//	frame   node:s incarnation:u seq:u
//	        calls:u   { domain:s endpoint:s n:u }
//	        returns:u { index:u n:u }
//	result  stale:u(0|1) decisions:u { admitted:u retryAfter:u }

var errTruncated = errors.New("truncated")

// reader consumes an encoding; after its first error it reads zeros.
type reader struct {
	b   []byte
	err error
}

func (r *reader) fail(err error) {
	if r.err == nil {
		r.err = err
	}
	r.b = nil
}

func (r *reader) uvarint() uint64 {
	v, n := protowire.ConsumeVarint(r.b)
	if n < 0 {
		r.fail(errTruncated)
		return 0
	}
	r.b = r.b[n:]
	return v
}

// bounded is a uvarint that must lie in lo..hi.
func (r *reader) bounded(name string, lo, hi uint64) uint64 {
	v := r.uvarint()
	if r.err == nil && (v < lo || v > hi) {
		r.fail(fmt.Errorf("%s %d: must be %d to %d", name, v, lo, hi))
		return 0
	}
	return v
}

func (r *reader) string(name string, limit int) string {
	v, n := protowire.ConsumeString(r.b)
	if n < 0 {
		r.fail(errTruncated)
		return ""
	}
	if len(v) > limit {
		r.fail(fmt.Errorf("%s of %d bytes: must be at most %d", name, len(v), limit))
		return ""
	}
	r.b = r.b[n:]
	return v
}

// done reports the first error, trailing bytes being one.
func (r *reader) done() error {
	if r.err == nil && len(r.b) > 0 {
		return fmt.Errorf("%d bytes too many", len(r.b))
	}
	return r.err
}

// Append appends the frame's encoding.
func (f *Frame) Append(b []byte) []byte {
	b = protowire.AppendString(b, f.Node)
	b = protowire.AppendVarint(b, f.Incarnation)
	b = protowire.AppendVarint(b, f.Seq)
	b = protowire.AppendVarint(b, uint64(len(f.Calls)))
	for _, c := range f.Calls {
		b = protowire.AppendString(b, c.Domain)
		b = protowire.AppendString(b, c.Endpoint)
		b = protowire.AppendVarint(b, uint64(c.N))
	}
	b = protowire.AppendVarint(b, uint64(len(f.Returns)))
	for _, r := range f.Returns {
		b = protowire.AppendVarint(b, uint64(r.Index))
		b = protowire.AppendVarint(b, uint64(r.N))
	}
	return b
}

// DecodeFrame is the inverse of Frame.Append. It refuses what is truncated,
// longer than it says, or beyond the bounds of a frame.
func DecodeFrame(b []byte) (*Frame, error) {
	if len(b) > MaxFrameBytes {
		return nil, fmt.Errorf("quota frame of %d bytes: must be at most %d", len(b), MaxFrameBytes)
	}
	r := &reader{b: b}
	f := &Frame{
		Node:        r.string("node", maxNodeBytes),
		Incarnation: r.uvarint(),
		Seq:         r.bounded("seq", 1, 1<<63),
	}
	n := r.bounded("number of calls", 0, MaxFrameCalls)
	f.Calls = make([]Calls, 0, n)
	for range n {
		f.Calls = append(f.Calls, Calls{
			Domain:   r.string("domain", maxDomainBytes),
			Endpoint: r.string("endpoint", maxEndpointBytes),
			N:        uint32(r.bounded("calls", 1, MaxCalls)),
		})
	}
	n = r.bounded("number of returns", 0, MaxFrameCalls)
	f.Returns = make([]Return, 0, n)
	for range n {
		f.Returns = append(f.Returns, Return{
			Index: uint32(r.bounded("index", 0, MaxFrameCalls-1)),
			N:     uint32(r.bounded("units", 1, MaxCalls)),
		})
	}
	if err := r.done(); err != nil {
		return nil, fmt.Errorf("quota frame: %w", err)
	}
	if f.Node == "" {
		return nil, errors.New("quota frame: names no node")
	}
	return f, nil
}

// CallsBytes bounds what Calls of the given names add to a frame's encoding.
func CallsBytes(domain, endpoint string) int { return len(domain) + len(endpoint) + 12 }

// Append appends the result's encoding.
func (res Result) Append(b []byte) []byte {
	b = protowire.AppendVarint(b, protowire.EncodeBool(res.Stale))
	b = protowire.AppendVarint(b, uint64(len(res.Decisions)))
	for _, d := range res.Decisions {
		b = protowire.AppendVarint(b, uint64(d.Admitted))
		b = protowire.AppendVarint(b, uint64(d.RetryAfter))
	}
	return b
}

// DecodeResult is the inverse of Result.Append.
func DecodeResult(b []byte) (Result, error) {
	r := &reader{b: b}
	res := r.result()
	if err := r.done(); err != nil {
		return Result{}, fmt.Errorf("quota result: %w", err)
	}
	return res, nil
}

func (r *reader) result() Result {
	res := Result{Stale: r.bounded("stale", 0, 1) == 1}
	n := r.bounded("number of decisions", 0, MaxFrameCalls)
	res.Decisions = make([]Decision, 0, n)
	for range n {
		res.Decisions = append(res.Decisions, Decision{
			Admitted:   uint32(r.bounded("admitted", 0, MaxCalls)),
			RetryAfter: int64(r.bounded("retry after", 0, 1<<62)),
		})
	}
	return res
}

// sorted lists a map's keys in order, so that no encoding depends on the map's.
func sorted[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
