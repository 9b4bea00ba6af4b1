package proxy

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

// keepsOpen says something and waits for the client to go.
func keepsOpen(say string) reply {
	return func(c net.Conn, _ int, _ string) bool {
		_, _ = io.WriteString(c, say)
		_, _ = io.Copy(io.Discard, c)
		return false
	}
}

// brokenAnswers are no answers (spec section 12, Strict bytes; pitfalls 4 27). What is
// wrong has come: nobody has to wait for more to see it.
var brokenAnswers = []struct{ name, say string }{
	{"garbage", "SSH-2.0-OpenSSH_9.6\r\n\r\n"},
	{"an empty line first", "\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"},
	{"HTTP/2.0", "HTTP/2.0 200 OK\r\nContent-Length: 2\r\n\r\nok"},
	{"HTTP/1.2", "HTTP/1.2 200 OK\r\nContent-Length: 2\r\n\r\nok"},
	{"HTTP/0.9", "HTTP/0.9 200 OK\r\nContent-Length: 2\r\n\r\nok"},
	{"http/1.1", "http/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"},
	{"status 000", "HTTP/1.1 000 Nothing\r\nContent-Length: 2\r\n\r\nok"},
	{"status 099", "HTTP/1.1 099 Low\r\nContent-Length: 2\r\n\r\nok"},
	{"status 600", "HTTP/1.1 600 High\r\nContent-Length: 2\r\n\r\nok"},
	{"status 999", "HTTP/1.1 999 High\r\nContent-Length: 2\r\n\r\nok"},
	{"status 20", "HTTP/1.1 20 OK\r\nContent-Length: 2\r\n\r\nok"},
	{"status 2000", "HTTP/1.1 2000 OK\r\nContent-Length: 2\r\n\r\nok"},
	{"status +20", "HTTP/1.1 +20 OK\r\nContent-Length: 2\r\n\r\nok"},
	{"two spaces before the status", "HTTP/1.1  200 OK\r\nContent-Length: 2\r\n\r\nok"},
	{"NUL in the phrase", "HTTP/1.1 200 O\x00K\r\nContent-Length: 2\r\n\r\nok"},
	{"CR in the phrase", "HTTP/1.1 200 O\rK\r\nContent-Length: 2\r\n\r\nok"},
	{"switching", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"},
	{"100 early hints", strings.Repeat("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n", 100) + ok200},

	{"LF behind the status line", "HTTP/1.1 200 OK\nContent-Length: 2\r\n\r\nok"},
	{"LF behind a field", "HTTP/1.1 200 OK\r\nContent-Length: 2\nX: 1\r\n\r\nok"},
	{"LF for the empty line", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\nok"},
	{"LF everywhere", "HTTP/1.1 200 OK\nContent-Length: 2\n\nok"},
	{"LF in an interim answer", "HTTP/1.1 103 Early Hints\nLink: x\r\n\r\n" + ok200},
	{"CR in a value", "HTTP/1.1 200 OK\r\nX: a\rb\r\nContent-Length: 2\r\n\r\nok"},
	{"NUL in a value", "HTTP/1.1 200 OK\r\nX: a\x00b\r\nContent-Length: 2\r\n\r\nok"},
	{"folded", "HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 2\r\n\r\nok"},
	{"space in a name", "HTTP/1.1 200 OK\r\nX Y: 1\r\nContent-Length: 2\r\n\r\nok"},
	{"space behind a name", "HTTP/1.1 200 OK\r\nContent-Length : 2\r\n\r\nok"},
	{"NUL in a name", "HTTP/1.1 200 OK\r\nX\x00: 1\r\nContent-Length: 2\r\n\r\nok"},
	{"no name", "HTTP/1.1 200 OK\r\n: 1\r\nContent-Length: 2\r\n\r\nok"},
	{"no colon", "HTTP/1.1 200 OK\r\nX\r\nContent-Length: 2\r\n\r\nok"},
	{"header too large", "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 20<<10) + "\r\n\r\n"},

	{"CL twice", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok"},
	{"CL 2, 2", "HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nok"},
	{"CL negative", "HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nok"},
	{"CL +2", "HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nok"},
	{"CL 0x2", "HTTP/1.1 200 OK\r\nContent-Length: 0x2\r\n\r\nok"},
	{"CL empty", "HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\nok"},
	{"CL beyond int64", "HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551618\r\n\r\nok"},
	{"CL and chunks", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"},
	{"gzip, chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"},
	{"identity", "HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\nContent-Length: 2\r\n\r\nok"},
	{"chunked twice", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"},
	{"chunked in HTTP/1.0", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"},

	{"chunk zz", inChunks + "zz\r\n"},
	{"chunk 0x2", inChunks + "0x2\r\nok\r\n0\r\n\r\n"},
	{"chunk size empty", inChunks + "\r\nok\r\n0\r\n\r\n"},
	{"chunk size of 16 digits", inChunks + "0000000000000002\r\nok\r\n0\r\n\r\n"},
	{"chunk size beyond int64", inChunks + "fffffffffffffffff\r\nok\r\n0\r\n\r\n"},
	{"space behind a chunk size", inChunks + "2 \r\nok\r\n0\r\n\r\n"},
	{"tab before an extension", inChunks + "2\t;a=b\r\nok\r\n0\r\n\r\n"},
	{"space before a chunk size", inChunks + " 2\r\nok\r\n0\r\n\r\n"},
	{"LF behind a chunk size", inChunks + "2\nok\r\n0\r\n\r\n"},
	{"LF behind a chunk", inChunks + "2\r\nok\n0\r\n\r\n"},
	{"nothing behind a chunk", inChunks + "2\r\nok0\r\n\r\n"},
	{"LF behind the last size", inChunks + "2\r\nok\r\n0\n\r\n"},
	{"LF at the end", inChunks + "2\r\nok\r\n0\r\n\n"},
	{"NUL in an extension", inChunks + "2;a=\x00\r\nok\r\n0\r\n\r\n"},
	{"CR in an extension", inChunks + "2;a=\rb\r\nok\r\n0\r\n\r\n"},
	{"extension too long", inChunks + "2;" + strings.Repeat("x", 300) + "\r\nok\r\n0\r\n\r\n"},
	{"extension without an end", inChunks + "2;" + strings.Repeat("x", 8000)},
	{"LF behind a trailer", inChunks + "2\r\nok\r\n0\r\nX: 1\n\r\n"},
	{"space in the name of a trailer", inChunks + "2\r\nok\r\n0\r\nX Y: 1\r\n\r\n"},
	{"no colon in a trailer", inChunks + "2\r\nok\r\n0\r\nX\r\n\r\n"},
	{"folded trailer", inChunks + "2\r\nok\r\n0\r\nX: 1\r\n y\r\n\r\n"},
	{"NUL in a trailer", inChunks + "2\r\nok\r\n0\r\nX: \x00\r\n\r\n"},
	{"trailers too large", inChunks + "0\r\n" + strings.Repeat("X: y\r\n", 5000) + "\r\n"},
}

const inChunks = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"

// TestBrokenAnswer: 50200 at once, one try, and the connection is closed.
func TestBrokenAnswer(t *testing.T) {
	for _, tc := range brokenAnswers {
		t.Run(tc.name, func(t *testing.T) {
			up := startRecorder(t, keepsOpen(tc.say))
			g := startGateway(t, nil, domainOf("test", up.url(), everything...))
			if a := g.get(t, "/test/a"); a.StatusCode != 502 || a.code() != 50200 || a.Header.Get("Link") != "" {
				t.Errorf("answered %s", a.raw)
			}
			if n := len(up.requests()); n != 1 {
				t.Errorf("sent %d times", n)
			}
			eventually(t, "the connection is closed", func() bool { return up.open() == 0 })
		})
	}
}

// TestOddAnswer: what looks odd and is an answer.
func TestOddAnswer(t *testing.T) {
	for _, tc := range []struct{ name, say, body string }{
		{"no phrase", "HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok", "ok"},
		{"phrase beyond ASCII", "HTTP/1.1 200 \xec\x98\xa4\r\nContent-Length: 2\r\n\r\nok", "ok"},
		{"CL 002", "HTTP/1.1 200 OK\r\nContent-Length: 002\r\n\r\nok", "ok"},
		{"Chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", "ok"},
		{"extensions", inChunks + "1;a=b;c=\"d e\"\r\no\r\n1;x\r\nk\r\n00;y\r\n\r\n", "ok"},
		{"trailers", inChunks + "00002\r\nok\r\n0\r\nX-T: 1\r\nContent-Length: 9\r\n\r\n", "ok"},
		{"upper-case size", inChunks + "A\r\n0123456789\r\n0\r\n\r\n", "0123456789"},
		{"a tab in a value", "HTTP/1.1 200 OK\r\nX: a\tb\r\nContent-Length: 2\r\n\r\nok", "ok"},
	} {
		up := startRecorder(t, says(tc.say))
		g := startGateway(t, nil, domainOf("test", up.url(), everything...))
		for range 2 {
			if a := g.get(t, "/test/a"); a.StatusCode != 200 || a.body != tc.body || len(a.Trailer) > 0 {
				t.Errorf("%s: answered %s", tc.name, a.raw)
			}
		}
		if n := up.accepted(); n != 1 {
			t.Errorf("%s: %d connections", tc.name, n)
		}
	}
}

// TestCutAnswer: an answer that breaks when the client has some of it already
// is cut, in either framing: the client never sees a whole message (pitfalls 4 28).
func TestCutAnswer(t *testing.T) {
	big := strings.Repeat("x", 100_000)
	chunk := "186a0\r\n" + big + "\r\n" // 100,000
	for _, tc := range []struct {
		name, say string
		ends      bool // the server closes the connection
	}{
		{"length, cut", "HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n" + big, true},
		{"length, silence", "HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n" + big, false},
		{"chunks, cut in one", inChunks + chunk + "186a0\r\n" + big[:50_000], true},
		{"chunks, cut between two", inChunks + chunk + chunk, true},
		{"chunks, cut in the last size", inChunks + chunk + "0", true},
		{"chunks, cut behind 0 CR LF", inChunks + chunk + "0\r\n", true},
		{"chunks, cut in a trailer", inChunks + chunk + "0\r\nX: 1\r\n", true},
		{"chunks, silence", inChunks + chunk, false},
		{"LF behind a chunk size", inChunks + chunk + "2\nok\r\n0\r\n\r\n", false},
		{"nothing behind a chunk", inChunks + chunk + "2\r\nok0\r\n\r\n", false},
		{"space behind a chunk size", inChunks + chunk + "2 \r\nok\r\n0\r\n\r\n", false},
		{"NUL in an extension", inChunks + chunk + "2;\x00\r\nok\r\n0\r\n\r\n", false},
		{"LF at the end", inChunks + chunk + "0\r\n\n", false},
		{"a trailer's name", inChunks + chunk + "0\r\nX Y: 1\r\n\r\n", false},
	} {
		for _, version := range []string{"1.1", "1.0"} {
			t.Run(tc.name+", HTTP/"+version, func(t *testing.T) {
				up := startRecorder(t, keepsOpen(tc.say))
				if tc.ends {
					up = startRecorder(t, func(c net.Conn, n int, r string) bool { says(tc.say)(c, n, r); return false })
				}
				g := startGateway(t, short, domainOf("test", up.url(), everything...))
				c := dial(t, g.addr)
				defer c.Close()
				c.send("GET /test/a HTTP/" + version + "\r\nHost: h\r\n\r\n")
				resp, err := http.ReadResponse(bufio.NewReader(c), &http.Request{Method: "GET"})
				if err != nil {
					t.Fatal(err)
				}
				body, err := io.ReadAll(resp.Body)
				if err == nil || isTimeout(err) {
					t.Errorf("the client took %d bytes for the whole body: %v", len(body), err)
				}
				if version == "1.0" && len(resp.TransferEncoding) > 0 {
					t.Errorf("chunks for HTTP/1.0")
				}
				if len(body) > 200_000 || strings.Trim(string(body), "x") != "" && !strings.HasSuffix(string(body), "ok") {
					t.Errorf("the client got %d bytes", len(body))
				}
				eventually(t, "the connection is closed", func() bool { return up.open() == 0 })
				eventually(t, "the failure is counted", func() bool {
					return g.metric(t, "tollgate_proxy_upstream_failures_total", "test") == 1
				})
			})
		}
	}
}
