package admin

import (
	"errors"
	"net"
	"net/netip"
	"regexp"
	"strconv"
	"strings"

	"github.com/tollgate/tollgate/store/catalog"
)

// maxHostLength is the longest name that DNS can hold (RFC 1035).
const maxHostLength = 253

var (
	idPattern   = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)
	hostPattern = regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9._-]*[A-Za-z0-9_.])?$`)
	portPattern = regexp.MustCompile(`^[0-9]{1,5}$`)
)

const idRule = "must be 1 to 64 of A-Z a-z 0-9 . _ -"

// Problems lists everything that is wrong with a member as such, before the
// cluster is asked: its name, and addresses that nobody could connect to.
func (m NewMember) Problems() []catalog.Problem {
	var problems []catalog.Problem
	bad := func(path, message string) {
		problems = append(problems, catalog.Problem{Path: path, Message: message})
	}
	if message := checkID(m.ID); message != "" {
		bad("$.id", message)
	}
	seen := map[string]string{}
	for _, a := range []struct{ path, addr string }{
		{"$.clusterAddress", m.ClusterAddress},
		{"$.adminAddress", m.AdminAddress},
		{"$.proxyAddress", m.ProxyAddress},
	} {
		if err := checkAddress(a.addr); err != nil {
			bad(a.path, err.Error())
			continue
		}
		if other, taken := seen[a.addr]; taken {
			bad(a.path, "is the same as "+other+": each needs a port of its own")
		}
		seen[a.addr] = a.path
	}
	return problems
}

// checkID says what is wrong with a member's name, "" if nothing is.
func checkID(id string) string {
	switch {
	case id == "":
		return "is missing: " + idRule
	case !idPattern.MatchString(id):
		return idRule + ", is " + strconv.Quote(printable(id))
	}
	return ""
}

// checkAddress accepts a host:port that other machines could connect to.
func checkAddress(addr string) error {
	const form = "must be HOST:PORT, such as 10.0.0.5:7001"
	if addr == "" {
		return errors.New("is missing: " + form)
	}
	wrong := func(why string) error {
		return errors.New(form + why + "; is " + strconv.Quote(printable(addr)))
	}
	if strings.Contains(addr, "://") {
		return wrong(" (without http:// or the like)")
	}
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return wrong("")
	}
	if n, err := strconv.Atoi(port); err != nil || !portPattern.MatchString(port) || n < 1 || n > 65535 {
		return wrong(" with a port from 1 to 65535")
	}
	ip, err := netip.ParseAddr(host)
	switch {
	case err != nil && (len(host) > maxHostLength || !hostPattern.MatchString(host)):
		return wrong(" with a host name or an IP address")
	case err != nil:
		return nil // a name
	case ip.IsUnspecified() || ip.IsMulticast() || ip.Zone() != "":
		return wrong(" with an address that other nodes can connect to")
	}
	return nil
}
