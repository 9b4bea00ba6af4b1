package admin

// SelfPath is where a node says what it is, to nodes that know only its admin URL.
const SelfPath = "/v1/cluster/self"

// Self is what a node is to others, whether it belongs to a cluster or not.
type Self struct {
	ID string `json:"id"`
	// ClusterID is empty for a node of no cluster.
	ClusterID string `json:"clusterId"`
	// Fresh is true for a node without any state.
	Fresh          bool   `json:"fresh"`
	ClusterAddress string `json:"clusterAddress"`
	AdminAddress   string `json:"adminAddress"`
	ProxyAddress   string `json:"proxyAddress"`
}

func (s *server) getSelf(*request) (any, error) { return s.Control.Self(), nil }
