package admin

import (
	"strconv"

	"github.com/tollgate/tollgate/cluster"
	"github.com/tollgate/tollgate/node/admin/api"
	"github.com/tollgate/tollgate/store/catalog"
)

// problemsOf lists everything that is wrong with a member as such, before the
// cluster is asked: its name, and addresses that nobody could connect to.
func problemsOf(m api.NewMember) []catalog.Problem {
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
		if err := cluster.CheckAddress(a.addr); err != nil {
			bad(a.path, given(a.addr, "; ", err))
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
	if err := cluster.CheckID(id); err != nil {
		return given(id, ", ", err)
	}
	return ""
}

// given is what a value must be, and what it is.
func given(value, separator string, must error) string {
	if value == "" {
		return "is missing: " + must.Error()
	}
	return must.Error() + separator + "is " + strconv.Quote(printable(value))
}
