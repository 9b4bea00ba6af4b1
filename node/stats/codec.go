package stats

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/tollgate/tollgate/proxy/callstats"
)

// Counts are kept, and sent between nodes, as uvarints:
//
//	successes, failures, byGateway, micros, bytesOut
//	number of result codes, then of each: its distance from the one before, count
//	number of buckets, then of each: its distance from the one before, count

// format is the version of this encoding and of the file's layout.
const format = 1

var errEncoding = errors.New("the encoding of statistics is broken")

func appendCounts(b []byte, c *callstats.Counts) []byte {
	for _, n := range [...]uint64{c.Successes, c.Failures, c.ByGateway, c.Micros, c.BytesOut} {
		b = binary.AppendUvarint(b, n)
	}
	return appendList(appendList(b, c.Refusals), c.Times)
}

func appendList(b []byte, list []callstats.Count) []byte {
	b = binary.AppendUvarint(b, uint64(len(list)))
	last := uint32(0)
	for _, c := range list {
		b = binary.AppendUvarint(b, uint64(c.Of-last))
		b = binary.AppendUvarint(b, c.N)
		last = c.Of
	}
	return b
}

// reader takes values off the front of b; after an error it gives zeros.
type reader struct {
	b   []byte
	err error
}

func (r *reader) uvarint() uint64 {
	n, size := binary.Uvarint(r.b)
	if size <= 0 {
		r.err, r.b = errEncoding, nil
		return 0
	}
	r.b = r.b[size:]
	return n
}

func (r *reader) text() string {
	n := r.uvarint()
	if n > uint64(len(r.b)) {
		r.err, r.b = errEncoding, nil
		return ""
	}
	s := string(r.b[:n])
	r.b = r.b[n:]
	return s
}

func (r *reader) counts() (c callstats.Counts) {
	for _, n := range [...]*uint64{&c.Successes, &c.Failures, &c.ByGateway, &c.Micros, &c.BytesOut} {
		*n = r.uvarint()
	}
	c.Refusals, c.Times = r.list(), r.list()
	return c
}

// list reads a list in ascending order. Each of its entries takes two bytes or more,
// which bounds what a broken length can ask for.
func (r *reader) list() []callstats.Count {
	n := r.uvarint()
	if n == 0 || n > uint64(len(r.b)/2) {
		if n != 0 {
			r.err, r.b = errEncoding, nil
		}
		return nil
	}
	list := make([]callstats.Count, 0, n)
	of := uint64(0)
	for i := range n {
		step := r.uvarint()
		of += step
		if step > math.MaxUint32 || of > math.MaxUint32 || i > 0 && step == 0 {
			r.err, r.b = errEncoding, nil
			return nil
		}
		list = append(list, callstats.Count{Of: uint32(of), N: r.uvarint()})
	}
	return list
}

// decodeCounts reads what appendCounts has written, and nothing behind it.
func decodeCounts(b []byte) (callstats.Counts, error) {
	r := reader{b: b}
	c := r.counts()
	if r.err == nil && len(r.b) > 0 {
		r.err = errEncoding
	}
	return c, r.err
}

// EncodePoints puts points into a message between nodes: the format, and of each point
// its time as a uvarint, the length of its endpoint, the endpoint, and its counts.
func EncodePoints(points []Point) []byte {
	b := []byte{format}
	for i := range points {
		p := &points[i]
		b = binary.AppendUvarint(b, uint64(p.At))
		b = binary.AppendUvarint(b, uint64(len(p.Endpoint)))
		b = append(b, p.Endpoint...)
		b = appendCounts(b, &p.Counts)
	}
	return b
}

// DecodePoints reads what EncodePoints has written.
func DecodePoints(b []byte) ([]Point, error) {
	if len(b) == 0 || b[0] != format {
		return nil, fmt.Errorf("%w: it is not of format %d", errEncoding, format)
	}
	var points []Point
	for r := (reader{b: b[1:]}); len(r.b) > 0; {
		p := Point{At: int64(r.uvarint() & math.MaxInt64), Endpoint: r.text()}
		if p.Counts = r.counts(); r.err != nil {
			return nil, r.err
		}
		points = append(points, p)
	}
	return points, nil
}
