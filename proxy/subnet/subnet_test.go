package subnet

import (
	"math/rand/v2"
	"net/netip"
	"testing"
)

// TestFind compares the search with asking every subnet.
func TestFind(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	address := func() netip.Addr {
		b := [4]byte{10, 0, byte(r.IntN(4)), byte(r.IntN(64))} // few, so that they meet
		if r.IntN(3) == 0 {
			return netip.AddrFrom16([16]byte{0x20, 1, 14: b[2], 15: b[3]})
		}
		return netip.AddrFrom4(b)
	}
	for range 300 {
		var all []netip.Prefix
		for range r.IntN(40) {
			a := address()
			p, err := Parse(netip.PrefixFrom(a, a.BitLen()-r.IntN(11)).String())
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, p)
		}
		list := NewList(all)
		for range 200 {
			a := address()
			want := false
			for _, p := range all {
				want = want || p.Contains(a)
			}
			if _, got := list.Find(a); got != want {
				t.Fatalf("%v: %v: %v, want %v", all, a, got, want)
			}
		}
	}
}
