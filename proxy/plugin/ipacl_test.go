package plugin

import (
	"net/netip"
	"testing"

	"github.com/tollgate/tollgate/proxy/envelope"
	"github.com/tollgate/tollgate/store/catalog"
)

func aclOf(t testing.TB, permit bool, ips ...string) *ipacl {
	t.Helper()
	d := &catalog.Domain{}
	d.Plugins.IPACL = &catalog.IPACL{IsPermit: permit}
	for _, ip := range ips {
		d.Plugins.IPACL.IPList = append(d.Plugins.IPACL.IPList, catalog.IPIn{IP: ip})
	}
	s, err := buildIPACL(d)
	if err != nil {
		t.Fatal(err)
	}
	return s.(*ipacl)
}

// TestIPACL: which addresses a list lets in.
func TestIPACL(t *testing.T) {
	for _, tc := range []struct {
		list, in, out []string
	}{
		{[]string{"192.0.2.1"}, []string{"192.0.2.1"}, []string{"192.0.2.0", "192.0.2.2", "::1"}},
		{[]string{"192.0.2.77/24"}, []string{"192.0.2.0", "192.0.2.255"}, []string{"192.0.1.255", "192.0.3.0"}},
		{[]string{"10.0.0.0/8", "10.1.0.0/16", "10.2.0.0/16", "10.2.3.4"}, []string{"10.0.0.0", "10.1.2.3", "10.3.0.0", "10.255.255.255"}, []string{"9.255.255.255", "11.0.0.0"}},
		{[]string{"10.0.0.1", "10.0.0.0/31", "10.0.0.3"}, []string{"10.0.0.0", "10.0.0.1", "10.0.0.3"}, []string{"10.0.0.2", "10.0.0.4"}},
		{[]string{"0.0.0.0/0"}, []string{"0.0.0.0", "255.255.255.255"}, []string{"::", "2001:db8::1"}},
		{[]string{"::/0"}, []string{"::", "ffff::"}, []string{"192.0.2.1"}},
		{[]string{"2001:db8::/32", "::1"}, []string{"2001:db8:ffff::1", "::1"}, []string{"2001:db9::", "::2", "127.0.0.1"}},
		{[]string{"::ffff:192.0.2.1", "::ffff:10.0.0.0/104"}, []string{"192.0.2.1", "10.9.9.9"}, []string{"192.0.2.2", "11.0.0.0"}},
		{nil, nil, []string{"192.0.2.1", "::1"}},
	} {
		for _, permit := range []bool{true, false} {
			acl := aclOf(t, permit, tc.list...)
			check := func(address string, listed bool) {
				t.Helper()
				want := error(nil)
				if listed != permit {
					want = envelope.AddressNotAllowed
				}
				c := &Call{Client: netip.MustParseAddr(address)}
				if answered, err := acl.Serve(c); answered || err != want {
					t.Errorf("%q permit=%v: %s: %v, want %v", tc.list, permit, address, err, want)
				}
				if f := acl.Explain(c); f.Ends() != (want != nil) {
					t.Errorf("%q permit=%v: %s: explained as %+v", tc.list, permit, address, f)
				}
			}
			for _, a := range tc.in {
				check(a, true)
			}
			for _, a := range tc.out {
				check(a, false)
			}
			if _, err := acl.Serve(&Call{}); err != envelope.AddressNotAllowed {
				t.Errorf("%q permit=%v: an unknown address got in", tc.list, permit)
			}
		}
	}
	for _, bad := range []string{"", "x", "192.0.2.1/33", "fe80::1%eth0", "::ffff:10.0.0.0/95"} {
		d := &catalog.Domain{Plugins: catalog.DomainPlugins{IPACL: &catalog.IPACL{IPList: []catalog.IPIn{{IP: bad}}}}}
		if _, err := buildIPACL(d); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}
