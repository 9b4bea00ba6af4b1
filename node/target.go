package node

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"strings"

	"github.com/tollgate/tollgate/store/catalog"
)

// importOptions is how a document is checked that is imported at this node: as
// ParseOptions says, and for calls that would go to the cluster itself.
func (n *Node) importOptions() catalog.ParseOptions {
	opts := ParseOptions()
	opts.Target = n.checkTarget
	return opts
}

// checkTarget refuses a URL whose host and port are those of an admin or
// cluster port: clients of the gateway could then call what is not for them.
// It knows this node's addresses, and the other members' as far as the replica
// does; a name that leads to one of them is found out only if it is localhost
// or this machine's.
func (n *Node) checkTarget(u *url.URL) error {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[strings.ToLower(u.Scheme)]
	}
	target := net.JoinHostPort(u.Hostname(), port)
	self := n.Self()
	for _, own := range []struct{ what, addr string }{
		{"admin", n.AdminAddr()}, {"admin", self.AdminAddress},
		{"cluster", n.ClusterAddr()}, {"cluster", self.ClusterAddress},
	} {
		if sameAddress(target, own.addr) || listensAt(own.addr, target) {
			return fmt.Errorf("is the %s address of this node, which is not for clients: name the endpoint server", own.what)
		}
	}
	for id, m := range n.store.Members() {
		if sameAddress(target, m.AdminAddress) {
			return fmt.Errorf("is the admin address of the member %s, which is not for clients: name the endpoint server", id)
		}
	}
	for _, s := range n.store.Servers().List {
		if sameAddress(target, s.Address) {
			return fmt.Errorf("is the cluster address of the member %s, which is not for clients: name the endpoint server", s.ID)
		}
	}
	return nil
}

// sameAddress tells whether two HOST:PORT are spelled for the same.
func sameAddress(a, b string) bool {
	hostA, portA, errA := net.SplitHostPort(a)
	hostB, portB, errB := net.SplitHostPort(b)
	if errA != nil || errB != nil || portA != portB {
		return false
	}
	return plainHost(hostA) == plainHost(hostB)
}

// plainHost is one spelling of a host.
func plainHost(host string) string {
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	if ip, err := netip.ParseAddr(host); err == nil {
		return ip.Unmap().WithZone("").String()
	}
	return host
}

// listensAt tells whether a socket of this machine that listens on addr is
// reached by target.
func listensAt(addr, target string) bool {
	_, port, err := net.SplitHostPort(addr)
	host, targetPort, targetErr := net.SplitHostPort(target)
	if err != nil || targetErr != nil || port != targetPort {
		return false
	}
	ip, err := netip.ParseAddr(host)
	// A connection to 0.0.0.0 or [::] goes to this machine itself.
	if plainHost(host) == "localhost" || err == nil && ip.Unmap().IsUnspecified() {
		return loopback(addr) || unspecified(addr)
	}
	if !unspecified(addr) {
		return false
	}
	if err == nil {
		return ip.Unmap().IsLoopback() || ofThisMachine(ip.Unmap())
	}
	name, err := os.Hostname()
	return err == nil && strings.EqualFold(name, host)
}

// ofThisMachine tells whether an interface of this machine has the address.
func ofThisMachine(ip netip.Addr) bool {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return false
	}
	for _, a := range addrs {
		if p, err := netip.ParsePrefix(a.String()); err == nil && p.Addr().Unmap() == ip {
			return true
		}
	}
	return false
}
