package stats

import (
	"bytes"
	"reflect"
	"testing"

	"github.com/tollgate/tollgate/proxy/callstats"
)

var somePoints = []Point{
	{0, "", callstats.Counts{Failures: 1, Refusals: []callstats.Count{{Of: 40401, N: 1}}}},
	{noon, "GET /a/{id}", callstats.Counts{
		Successes: 1 << 40, Failures: 3, ByGateway: 2, Micros: 1<<64 - 1, BytesOut: 5,
		Refusals: []callstats.Count{{Of: 20004, N: 7}, {Of: 40100, N: 1 << 33}}, Times: []callstats.Count{{Of: 0, N: 1}, {Of: 1, N: 2}, {Of: callstats.Buckets - 1, N: 300}},
	}},
}

// TestCodec: what is encoded comes back, and what is cut off is refused.
func TestCodec(t *testing.T) {
	raw := EncodePoints(somePoints)
	got, err := DecodePoints(raw)
	if err != nil || !reflect.DeepEqual(got, somePoints) {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err = DecodePoints(EncodePoints(nil)); err != nil || len(got) > 0 {
		t.Errorf("%+v, %v", got, err)
	}
	whole := map[int]bool{1: true, len(EncodePoints(somePoints[:1])): true, len(raw): true}
	for i := range raw {
		if _, err := DecodePoints(raw[:i]); (err == nil) != whole[i] {
			t.Errorf("cut off at %d of %d: %v", i, len(raw), err)
		}
	}
	one := appendCounts(nil, &somePoints[1].Counts)
	if _, err := decodeCounts(append(one, 0)); err == nil {
		t.Error("something behind the counts is not noticed")
	}
	if _, err := DecodePoints(append([]byte{format + 1}, raw[1:]...)); err == nil {
		t.Error("another format is read")
	}
}

// FuzzDecodePoints: whatever another node sends is refused, or is points that encode to
// something that decodes to the same.
func FuzzDecodePoints(f *testing.F) {
	f.Add(EncodePoints(somePoints))
	f.Add([]byte{format, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0x0f})
	f.Fuzz(func(t *testing.T, raw []byte) {
		points, err := DecodePoints(raw)
		if err != nil {
			return
		}
		again := EncodePoints(points)
		back, err := DecodePoints(again)
		if err != nil || !reflect.DeepEqual(back, points) || !bytes.Equal(EncodePoints(back), again) {
			t.Errorf("%+v, %v", back, err)
		}
	})
}
