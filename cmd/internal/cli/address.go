package cli

import (
	"net/url"
	"strings"

	"github.com/tollgate/tollgate/proxy/gate"
)

// SplitAddress finds the request target in a URL: what follows the host, as it
// stands. A URL library would spell it in its own way. host is false where the
// address is only a target.
func SplitAddress(address string) (target string, host bool, err error) {
	if strings.HasPrefix(address, "/") {
		return address, false, nil
	}
	u, err := url.Parse(address)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return "", false, Usagef("%q must be a URL such as http://127.0.0.1:8001/shop/items, or only its path and query", address)
	}
	if u.User != nil {
		return "", false, Usagef("%q has a user before the host, which would take the place of the signature", address)
	}
	_, rest, _ := strings.Cut(address, "://")
	at := strings.IndexAny(rest, "/?#")
	switch {
	case at < 0:
		return "/", true, nil
	case rest[at] == '/':
		return rest[at:], true, nil
	}
	return "/" + rest[at:], true, nil
}

// CheckCall refuses what a gateway refuses before it looks at a signature.
func CheckCall(method, target string) error {
	var r gate.Request
	err := r.Read(gate.Raw{
		Method: []byte(method), Target: []byte(target),
		Protocol: []byte("HTTP/1.1"), Header: []byte("Host: gateway\r\n\r\n"),
	}, 1)
	if err != nil {
		return Usagef("%s %s: the gateway would answer: %w", Cell(method), Cell(target), err)
	}
	return nil
}
