package upstream

import (
	"bytes"

	"github.com/tollgate/tollgate/proxy/header"
)

// Forwarded is what a request says in X-Forwarded-* and Forwarded of where it
// comes from. What is empty is not said.
type Forwarded struct {
	// Client is the client's address, for Forwarded (RFC 7239), where it is the
	// only one. Peer is who is connected to the gateway: the client, or a proxy
	// between the two. X-Forwarded-For ends with it.
	Client, Peer []byte
	// Chain says that Peer is trusted: X-Forwarded-For goes on behind what the
	// request has of it.
	Chain bool
	// Scheme is how the client called, "http" or "https"; Host what it called.
	Scheme string
	Host   []byte
	// Prefix is what proxies before the gateway have cut off the path, Key what
	// the gateway has, without its slash.
	Prefix, Key []byte
}

// AppendForwarded appends the lines of X-Forwarded-* and Forwarded, without
// those that header.Lookup's rules in Without name.
func (r *Request) AppendForwarded(dst []byte) []byte {
	f := &r.Forwarded
	if len(f.Peer) > 0 && r.Without&header.ForwardedFor == 0 {
		dst = append(dst, "X-Forwarded-For: "...)
		if f.Chain {
			dst = r.appendChain(dst)
		}
		dst = append(append(dst, f.Peer...), "\r\n"...)
	}
	if f.Scheme != "" && r.Without&header.ForwardedProto == 0 {
		dst = append(append(append(dst, "X-Forwarded-Proto: "...), f.Scheme...), "\r\n"...)
	}
	if len(f.Host) > 0 && r.Without&header.ForwardedHost == 0 {
		dst = append(append(append(dst, "X-Forwarded-Host: "...), f.Host...), "\r\n"...)
	}
	if len(f.Key) > 0 && r.Without&header.ForwardedPrefix == 0 {
		dst = append(append(dst, "X-Forwarded-Prefix: "...), f.Prefix...)
		dst = append(append(append(dst, '/'), f.Key...), "\r\n"...)
	}
	if len(f.Client) > 0 && r.Without&header.Forwarded == 0 {
		dst = f.appendRFC7239(dst)
	}
	return dst
}

// appendChain appends what the request has of X-Forwarded-For, as one value
// that goes on.
func (r *Request) appendChain(dst []byte) []byte {
	for i := range r.Fields {
		if f := &r.Fields[i]; f.Rules&header.ForwardedFor != 0 && len(f.Value) > 0 {
			dst = append(append(dst, f.Value...), ", "...)
		}
	}
	return dst
}

// appendRFC7239 appends the line of Forwarded. What is no token is quoted; no
// address and no host has a quote or a backslash in it.
func (f *Forwarded) appendRFC7239(dst []byte) []byte {
	dst = append(dst, "Forwarded: for="...)
	if bytes.IndexByte(f.Client, ':') >= 0 {
		dst = append(append(append(dst, `"[`...), f.Client...), `]"`...)
	} else {
		dst = append(dst, f.Client...)
	}
	if len(f.Host) > 0 {
		dst = append(dst, ";host="...)
		if bytes.IndexByte(f.Host, ':') >= 0 {
			dst = append(append(append(dst, '"'), f.Host...), '"')
		} else {
			dst = append(dst, f.Host...)
		}
	}
	if f.Scheme != "" {
		dst = append(append(dst, ";proto="...), f.Scheme...)
	}
	return append(dst, "\r\n"...)
}
