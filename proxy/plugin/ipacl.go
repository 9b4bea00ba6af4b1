package plugin

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"

	"github.com/tollgate/tollgate/proxy/envelope"
	"github.com/tollgate/tollgate/store/catalog"
)

// ipacl is IPACL: who may call, by the address of the TCP connection. What
// X-Forwarded-For says is not asked (ours): anybody can write it.
type ipacl struct {
	permit bool
	// list is sorted, and no subnet is within another, so that only the last
	// one that does not begin behind an address can contain it.
	list []netip.Prefix
}

func buildIPACL(d *catalog.Domain) (Step, error) {
	from := d.Plugins.IPACL
	if from == nil {
		return nil, nil
	}
	all := make([]netip.Prefix, 0, len(from.IPList))
	for _, entry := range from.IPList {
		p, err := parseSubnet(entry.IP)
		if err != nil {
			return nil, err
		}
		all = append(all, p)
	}
	// A subnet comes right before everything that is within it.
	slices.SortFunc(all, func(a, b netip.Prefix) int {
		return cmp.Or(a.Addr().Compare(b.Addr()), cmp.Compare(a.Bits(), b.Bits()))
	})
	acl := &ipacl{permit: from.IsPermit}
	for _, p := range all {
		if n := len(acl.list); n == 0 || !acl.list[n-1].Contains(p.Addr()) {
			acl.list = append(acl.list, p)
		}
	}
	return acl, nil
}

// parseSubnet reads an address or a subnet, IPv4 always as IPv4.
func parseSubnet(s string) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(s)
	if err != nil {
		addr, err := netip.ParseAddr(s)
		if err != nil || addr.Zone() != "" {
			return p, fmt.Errorf("%q is neither an address nor a subnet", s)
		}
		p = netip.PrefixFrom(addr, addr.BitLen())
	}
	if addr := p.Addr(); addr.Is4In6() {
		if p.Bits() < 96 {
			return p, fmt.Errorf("%q mixes IPv4 and IPv6", s)
		}
		p = netip.PrefixFrom(addr.Unmap(), p.Bits()-96)
	}
	return p.Masked(), nil
}

// find returns the subnet of the list that an address is in.
func (a *ipacl) find(addr netip.Addr) (subnet netip.Prefix, ok bool) {
	i, exact := slices.BinarySearchFunc(a.list, addr, func(p netip.Prefix, addr netip.Addr) int {
		return p.Addr().Compare(addr)
	})
	if !exact {
		i--
	}
	if i < 0 || !a.list[i].Contains(addr) {
		return netip.Prefix{}, false
	}
	return a.list[i], true
}

func (a *ipacl) Serve(c *Call) (answered bool, err error) {
	// An address that is not known is on nobody's list, and does not get in by
	// not being on a list of those refused.
	if _, listed := a.find(c.Client); listed != a.permit || !c.Client.IsValid() {
		return false, envelope.AddressNotAllowed
	}
	return false, nil
}

func (a *ipacl) Explain(c *Call) Finding {
	if !c.Client.IsValid() {
		return unknown("no client address was given; it decides")
	}
	where := fmt.Sprintf("%v is not in the list", c.Client)
	subnet, listed := a.find(c.Client)
	if listed {
		where = fmt.Sprintf("%v is in %v", c.Client, subnet)
	}
	if a.permit {
		where += ", and only what is listed may call"
	} else {
		where += ", and all but what is listed may call"
	}
	if listed != a.permit {
		return refuse(envelope.AddressNotAllowed, where)
	}
	return pass(where)
}
