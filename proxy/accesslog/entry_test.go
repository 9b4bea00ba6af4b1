package accesslog

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// line is an entry as a program reads it.
type line struct {
	Time            time.Time `json:"time"`
	RequestID       *string   `json:"requestId"`
	ClientAddress   *string   `json:"clientAddress"`
	Method          *string   `json:"method"`
	Domain          *string   `json:"domain"`
	Endpoint        *string   `json:"endpoint"`
	Path            *string   `json:"path"`
	Status          int       `json:"status"`
	ResultCode      int       `json:"resultCode"`
	Plugin          *string   `json:"plugin"`
	Consumer        *string   `json:"consumer"`
	QuotaUnits      int64     `json:"quotaUnits"`
	BytesIn         int64     `json:"bytesIn"`
	BytesOut        int64     `json:"bytesOut"`
	UpstreamAddress *string   `json:"upstreamAddress"`
	UpstreamSeconds *float64  `json:"upstreamSeconds"`
	TotalSeconds    float64   `json:"totalSeconds"`
	TraceID         *string   `json:"traceId"`
	Cut             *string   `json:"cut,omitempty"`
}

func TestEntry(t *testing.T) {
	const all = `{"time":"2026-11-26T08:09:03.000450Z","requestId":"r-1","clientAddress":"2001:db8::1","method":"GET","domain":"shop",` +
		`"endpoint":"GET /a/{id}","path":"/shop/a/\"1\"","status":200,"resultCode":20004,"plugin":"MOCK","consumer":"kim","quotaUnits":3,` +
		`"bytesIn":5,"bytesOut":7,"upstreamAddress":"up:80","upstreamSeconds":1.000002,"totalSeconds":61.500000,"traceId":"0af7","cut":"client"}` + "\n"
	e := Entry{
		Time:      time.Date(2026, 11, 26, 17, 9, 3, 450_999, time.FixedZone("", 9*3600)),
		RequestID: []byte("r-1"), ClientAddress: []byte("2001:db8::1"), Method: "GET", Path: []byte(`/shop/a/"1"`),
		Domain: "shop", Endpoint: "GET /a/{id}", Status: 200, ResultCode: 20004, Plugin: "MOCK", Consumer: "kim",
		QuotaUnits: 3, BytesIn: 5, BytesOut: 7, Upstream: "up:80", UpstreamTime: time.Second + 1500, Total: 61500 * time.Millisecond,
		TraceID: []byte("0af7"), Cut: Client,
	}
	if got := string(e.Append(nil)); got != all {
		t.Errorf("\n%s, want\n%s", got, all)
	}
	const none = `{"time":"0001-01-01T00:00:00.000000Z","requestId":null,"clientAddress":null,"method":null,"domain":null,"endpoint":null,"path":null,` +
		`"status":0,"resultCode":0,"plugin":null,"consumer":null,"quotaUnits":0,"bytesIn":0,"bytesOut":0,"upstreamAddress":null,"upstreamSeconds":null,` +
		`"totalSeconds":0.000000,"traceId":null}` + "\n"
	if got := string(new(Entry).Append(nil)); got != none {
		t.Errorf("\n%s, want\n%s", got, none)
	}
}

// FuzzEntry: whatever a client sends, a line is one line, and encoding/json
// reads it as it would read its own.
func FuzzEntry(f *testing.F) {
	f.Add([]byte("/a"), "GET /a", int64(0))
	f.Add([]byte("\xff\xc3\x28é\u2028\x00\x7f\\\"\r\n\t\b"), "\xed\xa0\x80", int64(1e18))
	f.Add([]byte("\xf0\x90\x80"), "\ufffd", int64(-1))
	f.Fuzz(func(t *testing.T, path []byte, endpoint string, nanos int64) {
		e := Entry{Path: path, Endpoint: endpoint, Method: endpoint, Plugin: string(path), Total: time.Duration(nanos), Upstream: "x", UpstreamTime: time.Duration(nanos)}
		text := e.Append([]byte("before"))[len("before"):]
		if bytes.Count(text, []byte{'\n'}) != 1 || text[len(text)-1] != '\n' || !utf8.Valid(text) {
			t.Fatalf("%q is not one line of UTF-8", text)
		}
		var got line
		dec := json.NewDecoder(bytes.NewReader(text))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&got); err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		for name, pair := range map[string][2]string{
			"path": {deref(got.Path), string(path)}, "endpoint": {deref(got.Endpoint), endpoint},
			"method": {deref(got.Method), endpoint}, "plugin": {deref(got.Plugin), string(path)},
		} {
			if want := throughJSON(t, pair[1]); pair[0] != want {
				t.Errorf("%s %q, want %q", name, pair[0], want)
			}
		}
		seconds := max(time.Duration(nanos), 0).Round(time.Microsecond).Seconds()
		if d := got.TotalSeconds - seconds; d > 1e-6*max(1, seconds) || d < -1e-6*max(1, seconds) {
			t.Errorf("%v s, want %v", got.TotalSeconds, seconds)
		}
	})
}

// throughJSON is a text as encoding/json writes and reads it.
func throughJSON(t *testing.T, s string) (out string) {
	text, err := json.Marshal(s)
	if err == nil {
		err = json.Unmarshal(text, &out)
	}
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// TestAppendCosts: a line is made without an allocation.
func TestAppendCosts(t *testing.T) {
	e := Entry{Path: []byte("/shop/é\"" + strings.Repeat("x", 100)), Endpoint: "GET /é", Upstream: "a:1"}
	buf := make([]byte, 0, 4096)
	if n := testing.AllocsPerRun(100, func() { buf = e.Append(buf[:0]) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkAppend(b *testing.B) {
	e := Entry{
		Time: time.Now(), RequestID: []byte("0123456789abcdef0123456789abcdef"), ClientAddress: []byte("192.0.2.1"), Method: "GET",
		Path: []byte("/shop/members/17"), Domain: "shop", Endpoint: "GET /members/{id}", Status: 200, Plugin: "HTTP_PROXY",
		QuotaUnits: 1, BytesOut: 1234, Upstream: "10.0.0.1:8080", UpstreamTime: 1234567, Total: 2345678,
	}
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		buf = e.Append(buf[:0])
	}
}

// TestPlainPrefix: what it skips stands for itself, and nothing that is plain
// stops it but for bytes beside one that is not.
func TestPlainPrefix(t *testing.T) {
	for at := range 24 {
		for c := range 256 {
			text := []byte(strings.Repeat("a~ /z!", 4))
			text[at] = byte(c)
			isPlain := c < utf8.RuneSelf && plain[c]
			n := plainPrefix(text)
			if isPlain && n != len(text) || !isPlain && (n > at || n < at-at%8) {
				t.Errorf("%q: %d", text, n)
			}
		}
	}
}
