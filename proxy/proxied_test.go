package proxy

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/pires/go-proxyproto"
)

// v2 is a PROXY header of version 2: command, family, and what is behind them.
func v2(command, family byte, behind string) string {
	return string(proxyproto.SIGV2) + string([]byte{command, family, byte(len(behind) >> 8), byte(len(behind))}) + behind
}

const (
	toPort = "\x30\x39\x01\xbb" // from port 12345 to 443
	ipv4s  = "\xc0\x00\x02\x01\x7f\x00\x00\x01"
	ipv6s  = "\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02"
	mapped = "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff\xc0\x00\x02\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff\x7f\x00\x00\x01"
)

// proxyHeaders are PROXY headers and the client that each names, "" where it is
// to be refused, "proxy" for the proxy itself.
var proxyHeaders = []struct{ name, header, client string }{
	{"v1 TCP4", "PROXY TCP4 192.0.2.1 127.0.0.1 12345 443\r\n", "192.0.2.1"},
	{"v1 TCP6", "PROXY TCP6 2001:db8::1 2001:db8::2 12345 443\r\n", "2001:db8::1"},
	{"v1 IPv4 in IPv6", "PROXY TCP6 ::ffff:192.0.2.1 ::ffff:127.0.0.1 12345 443\r\n", "192.0.2.1"},
	{"v1 UNKNOWN", "PROXY UNKNOWN\r\n", "proxy"},
	{"v1 UNKNOWN with more", "PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n", "proxy"},
	{"v1 LF", "PROXY TCP4 192.0.2.1 127.0.0.1 12345 443\n", ""},
	{"v1 with a name", "PROXY TCP4 client.example 127.0.0.1 12345 443\r\n", ""},
	{"v1 with a zone", "PROXY TCP6 fe80::1%eth0 fe80::2 12345 443\r\n", ""},
	{"v1 family that is none", "PROXY TCP5 192.0.2.1 127.0.0.1 12345 443\r\n", ""},
	{"v1 port that is none", "PROXY TCP4 192.0.2.1 127.0.0.1 123456 443\r\n", ""},
	{"v1 IPv6 as TCP4", "PROXY TCP4 2001:db8::1 127.0.0.1 12345 443\r\n", ""},
	{"v1 too short", "PROXY TCP4 192.0.2.1\r\n", ""},
	{"v1 with more", "PROXY TCP4 192.0.2.1 127.0.0.1 12345 443 1\r\n", ""},
	{"v1 without an end", "PROXY UNKNOWN " + strings.Repeat("x", 1000) + "\r\n", ""},
	{"v1 in small letters", "proxy TCP4 192.0.2.1 127.0.0.1 12345 443\r\n", ""},
	{"v1 without a space", "PROXYTCP4 192.0.2.1 127.0.0.1 12345 443\r\n", ""},
	{"v2 TCP4", v2(0x21, 0x11, ipv4s+toPort), "192.0.2.1"},
	{"v2 TCP6", v2(0x21, 0x21, ipv6s+toPort), "2001:db8::1"},
	{"v2 IPv4 in IPv6", v2(0x21, 0x21, mapped+toPort), "192.0.2.1"},
	{"v2 TCP4 and extensions", v2(0x21, 0x11, ipv4s+toPort+"\x01\x00\x08http/1.1"+"\x05\x00\x04abcd"), "192.0.2.1"},
	{"v2 much of them", v2(0x21, 0x11, ipv4s+toPort+strings.Repeat("\x04\x00\x05xxxxx", 500)), "192.0.2.1"},
	{"v2 LOCAL", v2(0x20, 0x00, ""), "proxy"},
	{"v2 LOCAL with addresses", v2(0x20, 0x11, ipv4s+toPort), "proxy"},
	{"v2 LOCAL with less than addresses", v2(0x20, 0x11, "abc"), "proxy"},
	{"v2 UNSPEC", v2(0x21, 0x00, ""), "proxy"},
	{"v2 UNSPEC with something", v2(0x21, 0x00, strings.Repeat("y", 400)), "proxy"},
	{"v2 UDP", v2(0x21, 0x12, ipv4s+toPort), "proxy"},
	{"v2 Unix", v2(0x21, 0x31, strings.Repeat("\x00", 216)), "proxy"},
	{"v2 too short", v2(0x21, 0x11, ipv4s), ""},
	{"v2 too long", v2(0x21, 0x11, ipv4s+toPort+strings.Repeat("\x04\x00\x05xxxxx", 1000)), ""},
	{"v2 UNSPEC too long", v2(0x21, 0x00, strings.Repeat("y", 5000)), ""},
	{"v2 version", v2(0x31, 0x11, ipv4s+toPort), ""},
	{"v2 command", v2(0x22, 0x11, ipv4s+toPort), ""},
	{"v2 family", v2(0x21, 0x13, ipv4s+toPort), ""},
	{"nothing but a request", "", ""},
	{"garbage", "\x00\x01\x02\x03\r\n", ""},
	{"the beginning of v2 and garbage", "\r\n\r\n\x00\r\nQUIX\n" + strings.Repeat("x", 100), ""},
}

// TestProxyProtocol: the header of a trusted proxy names the client, over plain
// HTTP and TLS, in whatever pieces it comes; without a good one the connection
// is closed without an answer.
func TestProxyProtocol(t *testing.T) {
	up := startRecorder(t, says(ok200))
	ca := newAuthority(t)
	for _, overTLS := range []bool{false, true} {
		g := startGateway(t, func(c *Config) {
			trusting(t, "127.0.0.9", "10.0.0.0/8")(c)
			c.ProxyProtocol, c.HeaderTimeout = true, patience
			if overTLS {
				secured(&tls.Config{Certificates: []tls.Certificate{ca.pair("a.example")}})(c)
			}
		}, domainOf("test", up.url(), everything...))
		for _, tc := range proxyHeaders {
			for _, piece := range []int{1 << 20, 3} {
				t.Run(fmt.Sprintf("TLS %v/%s/%d", overTLS, tc.name, piece), func(t *testing.T) {
					c := dialFrom(t, g.addr, aProxy)
					defer c.Close()
					c.pieces(tc.header, piece)
					if overTLS {
						c = newClient(t, tls.Client(c.Conn, &tls.Config{RootCAs: ca.pool, ServerName: "a.example"}))
						_ = c.SetDeadline(time.Now().Add(patience))
					}
					c.send(withFields("/test/a", "X-Forwarded-For: 6.6.6.6\r\n"))
					if tc.client == "" {
						if n, _ := c.Conn.Read(make([]byte, 1)); n > 0 {
							t.Error("it was answered")
						}
						return
					}
					if a := c.read(); a == nil || a.StatusCode != 200 {
						t.Fatalf("answered %+v", a)
					}
					// The proxy's own calls are those of a trusted proxy, the others no more.
					want := "\r\nX-Forwarded-For: " + tc.client + "\r\n"
					if tc.client == "proxy" {
						want = "\r\nX-Forwarded-For: 6.6.6.6, 127.0.0.9\r\n"
					}
					if heard := strings.Join(up.requests(), ""); !strings.Contains(heard, want) {
						t.Errorf("went on as %q, want %q", heard, want)
					}
				})
			}
		}
		up.requests()
	}
}

// pieces sends so many bytes at once.
func (c *client) pieces(raw string, size int) {
	_ = c.Conn.(*net.TCPConn).SetNoDelay(true)
	for ; len(raw) > size; raw = raw[size:] {
		if len(raw) < 200 { // else once will do
			time.Sleep(100 * time.Microsecond) // pieces are what is tested
		}
		c.send(raw[:size])
	}
	c.send(raw)
}

// TestProxyProtocolLimits: the header is read from trusted proxies only; the
// client that it names is the one that access control and limits go by.
func TestProxyProtocolLimits(t *testing.T) {
	up := startRecorder(t, says(ok200))
	g := startGateway(t, func(c *Config) {
		trusting(t, "127.0.0.9", "10.0.0.0/8")(c)
		c.ProxyProtocol, c.MaxConnsPerClient, c.MaxConns = true, 2, 10
	}, parsed(t, "test", up.url(), `"IPACL":{"isPermit":true,"ipList":[{"ip":"192.0.2.0/24"},{"ip":"10.0.0.0/8"}]}`, "GET /a"))
	from := func(source string) *client {
		c := dialFrom(t, g.addr, aProxy)
		c.send("PROXY TCP4 " + source + " 127.0.0.1 1 2\r\n")
		c.send(withFields("/test/a", "X-Forwarded-For: 198.51.100.1\r\n"))
		return c
	}
	stranger := dialFrom(t, g.addr, aClient)
	defer stranger.Close()
	stranger.send("PROXY TCP4 192.0.2.1 127.0.0.1 1 2\r\n\r\n")
	if a := stranger.read(); a == nil || a.StatusCode != 400 {
		t.Errorf("a header of a stranger: answered %+v", a)
	}
	for i, want := range []int{200, 200, 429} {
		c := from("192.0.2.1")
		defer c.Close()
		if a := c.read(); a == nil || a.StatusCode != want || (want == 429) != a.Close {
			t.Errorf("connection %d of one client: answered %+v, want %d", i, a, want)
		}
	}
	for source, want := range map[string]int{"192.0.2.2": 200, "198.51.100.1": 403, "10.0.0.1": 403} {
		c := from(source) // the last is a proxy before the proxy, which names a client
		if a := c.read(); a == nil || a.StatusCode != want {
			t.Errorf("%s: answered %+v, want %d", source, a, want)
		}
		c.Close()
	}
	if n := g.metric(t, "tollgate_proxy_connections_refused_total", "client"); n != 1 {
		t.Errorf("%v refused connections counted, want 1", n)
	}
	eventually(t, "only the two of one client are counted, and the stranger's perhaps", func() bool {
		g.clients.mu.Lock()
		defer g.clients.mu.Unlock()
		one := g.clients.by[netip.MustParseAddr("192.0.2.1")]
		return g.clients.by[netip.MustParseAddr("127.0.0.9")] == nil && len(g.clients.by) <= 2 && one != nil && one.conns == 2 && one.refs == 2
	})
}

// TestProxyProtocolLate: a header has the time of a request's.
func TestProxyProtocolLate(t *testing.T) {
	g := startGateway(t, func(c *Config) {
		trusting(t, "127.0.0.9")(c)
		c.ProxyProtocol, c.HeaderTimeout = true, 100*time.Millisecond
	})
	for _, begun := range []string{"", "P", "PROXY TCP4 192.0.2.1", v2(0x21, 0x11, ipv4s+toPort)[:20]} {
		c := dialFrom(t, g.addr, aProxy)
		c.send(begun)
		if n, err := io.Copy(io.Discard, c.Conn); n > 0 || isTimeout(err) {
			t.Errorf("%q: %d bytes came, %v", begun, n, err)
		}
		c.Close()
	}
	if n := g.metric(t, "tollgate_proxy_connections_unbegun_total", "proxyProtocol"); n != 4 {
		t.Errorf("%v counted, want 4", n)
	}
}

// TestProxyProtocolNobody: it is for trusted proxies, so there must be some.
func TestProxyProtocolNobody(t *testing.T) {
	if _, err := New(Config{Quota: admitAll{}, ProxyProtocol: true}); err == nil || !strings.Contains(err.Error(), "TrustedProxies") {
		t.Errorf("%v", err)
	}
}

// FuzzProxyHeader: whatever bytes come, reading ends, within bounds, and what
// follows a header is what is read next.
func FuzzProxyHeader(f *testing.F) {
	for _, tc := range proxyHeaders {
		f.Add([]byte(tc.header+"GET / HTTP/1.1\r\n\r\n"), 3)
	}
	f.Fuzz(func(t *testing.T, data []byte, piece int) {
		if piece < 1 {
			return
		}
		sock := &pieceConn{data: data, piece: piece}
		p := &proxied{Conn: sock}
		addr, err := p.readHeader()
		if err != nil {
			if addr.IsValid() {
				t.Fatalf("%q: %v and %v", data, addr, err)
			}
			if used := len(data) - len(sock.data); used > 16+int(proxyproto.MaxV2HeaderSize)+proxyBuffer {
				t.Fatalf("%d bytes were read before %v", used, err)
			}
			return
		}
		if addr.Is4In6() || addr.Zone() != "" {
			t.Fatalf("%q: %v", data, addr)
		}
		rest, err := io.ReadAll(p)
		if err != nil || !bytes.HasSuffix(data, rest) {
			t.Fatalf("%q: then %q, %v", data, rest, err)
		}
		header := data[:len(data)-len(rest)]
		if bytes.HasPrefix(header, proxyproto.SIGV1) {
			fields := strings.Fields(string(header))
			want, _ := netip.ParseAddr(append(fields, "", "")[2])
			if fields[1] != "UNKNOWN" && addr != want.Unmap() || !bytes.HasSuffix(header, []byte("\r\n")) || len(header) > longestLine {
				t.Fatalf("%q: read as %v", header, addr)
			}
			return
		}
		if !bytes.HasPrefix(header, proxyproto.SIGV2) || len(header) != 16+int(header[14])<<8+int(header[15]) {
			t.Fatalf("%q: took %q for the header", data, header)
		}
	})
}

// pieceConn gives data in pieces and then ends.
type pieceConn struct {
	net.Conn
	data  []byte
	piece int
}

func (c *pieceConn) Read(p []byte) (int, error) {
	if len(c.data) == 0 {
		return 0, io.EOF
	}
	n := copy(p, c.data[:min(len(c.data), c.piece)])
	c.data = c.data[n:]
	return n, nil
}
