package cluster

import (
	"errors"
	"net"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
)

// maxHostLength is the longest name that DNS can hold (RFC 1035).
const maxHostLength = 253

var (
	idPattern   = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)
	hostPattern = regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9._-]*[A-Za-z0-9_.])?$`)
	portPattern = regexp.MustCompile(`^[0-9]{1,5}$`)
)

// CheckID says what a node's ID must be, nil if it is (spec section 11).
func CheckID(id string) error {
	if !idPattern.MatchString(id) {
		return errors.New("must be 1 to 64 of A-Z a-z 0-9 . _ -")
	}
	return nil
}

const addressForm = "must be HOST:PORT, such as 10.0.0.5:7001"

// CheckAddress says what an address must be that other nodes are to connect to, nil
// if it is.
func CheckAddress(addr string) error {
	host, err := splitAddress(addr, 1)
	if err != nil {
		return err
	}
	ip, err := netip.ParseAddr(host)
	switch {
	case err != nil && (len(host) > maxHostLength || !hostPattern.MatchString(host)):
		return errors.New(addressForm + " with a host name or an IP address")
	case err != nil:
		return nil // a name
	case ip.IsUnspecified() || ip.IsMulticast() || ip.Zone() != "":
		return errors.New(addressForm + " with an address that other nodes can connect to")
	}
	return nil
}

// CheckListen says what an address must be that a node is to listen on, nil if it is:
// it may have port 0, and need not be one that others can connect to.
func CheckListen(addr string) error {
	host, err := splitAddress(addr, 0)
	if err != nil {
		return err
	}
	if ip, err := netip.ParseAddr(host); host == "" || err == nil && !ip.IsMulticast() {
		return nil
	}
	return CheckAddress(net.JoinHostPort(host, "1"))
}

// splitAddress takes the host out of HOST:PORT, with a port of leastPort or more.
func splitAddress(addr string, leastPort int) (host string, err error) {
	if strings.Contains(addr, "://") {
		return "", errors.New(addressForm + " (without http:// or the like)")
	}
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return "", errors.New(addressForm)
	}
	if n, err := strconv.Atoi(port); err != nil || !portPattern.MatchString(port) || n < leastPort || n > 65535 {
		return "", errors.New(addressForm + " with a port from " + strconv.Itoa(leastPort) + " to 65535")
	}
	return host, nil
}
