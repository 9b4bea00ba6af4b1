package proxy

import (
	"bytes"
	"net/netip"
	"unsafe"

	"github.com/tollgate/tollgate/proxy/gate"
	"github.com/tollgate/tollgate/proxy/header"
	"github.com/tollgate/tollgate/proxy/subnet"
	"github.com/tollgate/tollgate/proxy/upstream"
)

// identify finds out whose call it is, and counts it among that client's: that
// of the connection, unless a trusted proxy holds its other end and says more.
func (c *call) identify(readable bool) {
	conn, f := c.conn, &c.Upstream.Forwarded
	c.Client = conn.ip
	f.Client, f.Peer, f.Scheme = conn.address, conn.address, conn.scheme
	f.Host, f.Key = c.Request.Host, c.Request.Key
	if !conn.trusted || !readable {
		c.who = conn.client
	} else {
		c.believe(f)
		c.who, c.behind = c.proxy.clients.begin(c.Client), true
	}
	c.who.calls.Add(1)
}

// believe takes from the header what a trusted proxy says in it.
func (c *call) believe(f *upstream.Forwarded) {
	fields := c.Request.Fields
	f.Chain = true
	if client := clientOf(fields, c.Client, c.proxy.trusted); client != c.Client {
		c.Client = client
		c.address = client.AppendTo(c.address[:0])
		f.Client = c.address
	}
	if scheme := schemeOf(fields); scheme != "" {
		f.Scheme = scheme
	}
	if host := lastElement(fields, header.ForwardedHost); gate.IsHost(host) {
		f.Host = host
	}
	c.prefix = appendPrefix(c.prefix[:0], fields)
	f.Prefix = c.prefix
}

// clientOf walks X-Forwarded-For from its end, from peer on, for as long as who
// has written an entry is trusted. An entry that is no address ends the walk,
// an empty one too: whoever has written it does not know who called.
func clientOf(fields header.List, peer netip.Addr, trusted subnet.List) netip.Addr {
	for i := len(fields) - 1; i >= 0; i-- {
		f := &fields[i]
		if f.Rules&header.ForwardedFor == 0 {
			continue
		}
		for rest, more := f.Value, true; more; {
			if !trusted.Contains(peer) {
				return peer
			}
			var entry []byte
			rest, entry, more = cutLast(rest)
			addr, ok := parseEntry(entry)
			if !ok {
				return peer
			}
			peer = addr
		}
	}
	return peer
}

// cutLast cuts the last element off a comma-separated value; more is true when
// rest is one or several others.
func cutLast(value []byte) (rest, element []byte, more bool) {
	i := bytes.LastIndexByte(value, ',')
	if i < 0 {
		return nil, header.Trim(value), false
	}
	return value[:i], header.Trim(value[i+1:]), true
}

// parseEntry reads an address of X-Forwarded-For as it is spelled by some proxy
// or other: bare, in brackets, with a port, with a zone.
func parseEntry(entry []byte) (netip.Addr, bool) {
	host, ok := entry, true
	switch first, colon := bytes.IndexByte(entry, ':'), bytes.LastIndexByte(entry, ':'); {
	case len(entry) > 0 && entry[0] == '[':
		end := bytes.IndexByte(entry, ']')
		if end < 0 {
			return netip.Addr{}, false
		}
		host, ok = entry[1:end], isPort(entry[end+1:]) && first > 0 && first < end
	case colon >= 0 && first == colon: // an IPv4 address and a port
		host, ok = entry[:colon], isPort(entry[colon:]) && bytes.IndexByte(entry[:colon], '%') < 0
	}
	if zone := bytes.IndexByte(host, '%'); zone >= 0 {
		ok = ok && zone+1 < len(host) && bytes.IndexByte(host[:zone], ':') >= 0
		host = host[:zone]
	}
	// Without a zone nothing of the text outlives the call.
	addr, err := netip.ParseAddr(unsafe.String(unsafe.SliceData(host), len(host)))
	if !ok || err != nil {
		return netip.Addr{}, false
	}
	return subnet.Plain(addr), true
}

// isPort accepts nothing, or a colon and a port.
func isPort(b []byte) bool {
	if len(b) == 0 {
		return true
	}
	n := 0
	for _, digit := range b[1:] {
		if digit < '0' || digit > '9' {
			return false
		}
		if n = n*10 + int(digit-'0'); n > 65535 {
			return false
		}
	}
	return b[0] == ':' && len(b) > 1
}

// lastElement is the last one of a field that lists several: what the proxy
// that is connected has added, or all that it lets through.
func lastElement(fields header.List, rule header.Rules) []byte {
	for i := len(fields) - 1; i >= 0; i-- {
		if fields[i].Rules&rule != 0 {
			_, element, _ := cutLast(fields[i].Value)
			return element
		}
	}
	return nil
}

// schemeOf is "http" or "https" as X-Forwarded-Proto has it, else "". Some
// proxies call those of a WebSocket ws and wss.
func schemeOf(fields header.List) string {
	scheme := lastElement(fields, header.ForwardedProto)
	for _, known := range [...]struct{ name, scheme string }{{"https", "https"}, {"http", "http"}, {"wss", "https"}, {"ws", "http"}} {
		if len(scheme) == len(known.name) && bytes.EqualFold(scheme, []byte(known.name)) {
			return known.scheme
		}
	}
	return ""
}

// appendPrefix appends what X-Forwarded-Prefix says, as one path without a
// slash at its end: each proxy adds an element for what it has cut off. It
// appends nothing if one of them is no path.
func appendPrefix(dst []byte, fields header.List) []byte {
	start := len(dst)
	for i := range fields {
		if fields[i].Rules&header.ForwardedPrefix == 0 {
			continue
		}
		element, rest, done := header.NextToken(fields[i].Value)
		for ; !done; element, rest, done = header.NextToken(rest) {
			element = bytes.TrimRight(element, "/")
			if len(element) > 0 && !gate.IsPath(element) {
				return dst[:start]
			}
			dst = append(dst, element...)
		}
	}
	return dst
}
