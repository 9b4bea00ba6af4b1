package plugin

import (
	"fmt"
	"net/netip"

	"github.com/tollgate/tollgate/proxy/envelope"
	"github.com/tollgate/tollgate/proxy/subnet"
	"github.com/tollgate/tollgate/store/catalog"
)

// ipacl is IPACL: who may call, by the client's address. What X-Forwarded-For
// says of it is believed from trusted proxies only (ours): anybody can write it.
type ipacl struct {
	permit bool
	list   subnet.List
}

func buildIPACL(d *catalog.Domain) (Step, error) {
	from := d.Plugins.IPACL
	if from == nil {
		return nil, nil
	}
	all := make([]netip.Prefix, 0, len(from.IPList))
	for _, entry := range from.IPList {
		p, err := subnet.Parse(entry.IP)
		if err != nil {
			return nil, err
		}
		all = append(all, p)
	}
	return &ipacl{from.IsPermit, subnet.NewList(all)}, nil
}

func (a *ipacl) Serve(c *Call) (answered bool, err error) {
	// An address that is not known is on nobody's list, and does not get in by
	// not being on a list of those refused.
	if _, listed := a.list.Find(c.Client); listed != a.permit || !c.Client.IsValid() {
		return false, envelope.AddressNotAllowed
	}
	return false, nil
}

func (a *ipacl) Explain(c *Call) Finding {
	if !c.Client.IsValid() {
		return unknown("no client address was given; it decides")
	}
	where := fmt.Sprintf("%v is not in the list", c.Client)
	within, listed := a.list.Find(c.Client)
	if listed {
		where = fmt.Sprintf("%v is in %v", c.Client, within)
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
