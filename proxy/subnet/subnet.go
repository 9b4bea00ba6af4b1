// Package subnet finds out whether an address is in one of many subnets.
package subnet

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
)

// Parse reads an address or a subnet (CIDR), IPv4 always as IPv4.
func Parse(s string) (netip.Prefix, error) {
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

// Plain is an address as subnets have it: IPv4 as IPv4, and without a zone.
func Plain(addr netip.Addr) netip.Addr { return addr.Unmap().WithZone("") }

// List is subnets in order, none of them within another, so that only the last
// one that does not begin behind an address can contain it.
type List []netip.Prefix

// NewList makes a List of subnets that Parse gave.
func NewList(subnets []netip.Prefix) List {
	all := slices.Clone(subnets)
	// A subnet comes right before everything that is within it.
	slices.SortFunc(all, func(a, b netip.Prefix) int {
		return cmp.Or(a.Addr().Compare(b.Addr()), cmp.Compare(a.Bits(), b.Bits()))
	})
	list := all[:0]
	for _, p := range all {
		if n := len(list); n == 0 || !list[n-1].Contains(p.Addr()) {
			list = append(list, p)
		}
	}
	return list
}

// Find returns the subnet that a plain address is in.
func (l List) Find(addr netip.Addr) (subnet netip.Prefix, ok bool) {
	i, exact := slices.BinarySearchFunc(l, addr, func(p netip.Prefix, addr netip.Addr) int {
		return p.Addr().Compare(addr)
	})
	if !exact {
		i--
	}
	if i < 0 || !l[i].Contains(addr) {
		return netip.Prefix{}, false
	}
	return l[i], true
}

// Contains reports whether a plain address is in one of the subnets.
func (l List) Contains(addr netip.Addr) bool {
	_, ok := l.Find(addr)
	return ok
}
