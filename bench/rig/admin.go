package rig

import (
	"net/http"
	"time"

	"github.com/tollgate/tollgate/node/admin/api"
)

// Bounds of calls of the admin API.
const (
	// adminPatience is above what the nodes bound by themselves.
	adminPatience = 40 * time.Second
	// leaderPatience bounds asking a node who leads: it asks the others, too.
	leaderPatience  = 2500 * time.Millisecond
	mostAnswerBytes = 64 << 20
)

// newHTTP makes the client of all calls that are no load.
func newHTTP() *http.Client {
	return &http.Client{Timeout: adminPatience, Transport: &http.Transport{MaxIdleConnsPerHost: importers}, CheckRedirect: api.NoRedirect}
}

// api calls the admin API of a node.
func (c *Cluster) api(n *Node) *api.Client {
	return &api.Client{URL: "http://" + n.admin, HTTP: c.http}
}
