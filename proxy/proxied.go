package proxy

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"

	"github.com/pires/go-proxyproto"
	"github.com/tollgate/tollgate/proxy/subnet"
)

// proxied is a connection that begins with a PROXY header, version 1 or 2
// (https://www.haproxy.org/download/3.4/doc/proxy-protocol.txt). The library
// bounds it: a line of 107 bytes, or 16 bytes and 4 KiB behind them.
type proxied struct {
	net.Conn
	// r has what came with the header; nil before that, and when it is read.
	r *bufio.Reader
}

const (
	// proxyBuffer is enough for a header without extensions.
	proxyBuffer = 256
	// longestLine is that of version 1.
	longestLine = 107
)

var errNoHeader = errors.New("the connection does not begin with a PROXY header, which --proxy-protocol requires of trusted proxies")

// readHeader reads the header and returns the client's address; the zero Addr
// is that of the proxy itself, which has called for its own sake (LOCAL) or
// does not know for whom (UNKNOWN, UNSPEC, or no TCP).
func (p *proxied) readHeader() (netip.Addr, error) {
	p.r = bufio.NewReaderSize(p.Conn, proxyBuffer)
	if err := p.awaitLine(); err != nil {
		return netip.Addr{}, err
	}
	if done, err := p.skipUnspecified(); done || err != nil {
		return netip.Addr{}, err
	}
	h, err := proxyproto.Read(p.r)
	if errors.Is(err, proxyproto.ErrNoProxyProtocol) {
		return netip.Addr{}, errNoHeader
	}
	if err != nil || h.Command.IsLocal() {
		return netip.Addr{}, err
	}
	source, _, ok := h.TCPAddrs()
	if !ok {
		return netip.Addr{}, nil
	}
	addr, _ := netip.AddrFromSlice(source.IP)
	return subnet.Plain(addr), nil
}

// awaitLine waits for the whole line of a header of version 1: the library
// wants it in one piece, which the protocol does not promise.
func (p *proxied) awaitLine() error {
	for n := 1; n <= longestLine; n++ {
		if _, err := p.r.Peek(n); err != nil {
			return unlessEOF(err)
		}
		n = p.r.Buffered()
		have, _ := p.r.Peek(n) // it is in the buffer
		begun := min(len(proxyproto.SIGV1), n)
		if !bytes.Equal(have[:begun], proxyproto.SIGV1[:begun]) || bytes.IndexByte(have, '\n') >= 0 {
			return nil
		}
	}
	return nil
}

// skipUnspecified skips a header of version 2 that says PROXY and UNSPEC, as
// UNKNOWN does in version 1. The library takes it for an error.
func (p *proxied) skipUnspecified() (done bool, err error) {
	first, err := p.r.Peek(1)
	if err != nil || first[0] != proxyproto.SIGV2[0] {
		return false, unlessEOF(err)
	}
	const fixed = 16
	head, err := p.r.Peek(fixed)
	if err != nil {
		return false, unlessEOF(err)
	}
	if !bytes.HasPrefix(head, proxyproto.SIGV2) || head[12] != byte(proxyproto.PROXY) || head[13] != byte(proxyproto.UNSPEC) {
		return false, nil
	}
	length := binary.BigEndian.Uint16(head[14:])
	if length > proxyproto.MaxV2HeaderSize {
		return false, proxyproto.ErrInvalidLength
	}
	_, err = p.r.Discard(fixed + int(length))
	return true, err
}

// unlessEOF leaves it to the library to say that there is no header.
func unlessEOF(err error) error {
	if err == io.EOF {
		return nil
	}
	return err
}

// Read implements net.Conn.
func (p *proxied) Read(b []byte) (int, error) {
	if p.r != nil {
		if p.r.Buffered() > 0 {
			return p.r.Read(b)
		}
		p.r = nil
	}
	return p.Conn.Read(b)
}

// NetConn is the connection below.
func (p *proxied) NetConn() net.Conn { return p.Conn }

// CloseWrite says that nothing more will come.
func (p *proxied) CloseWrite() error { return closeWrite(p.Conn) }
