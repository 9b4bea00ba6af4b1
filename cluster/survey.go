package cluster

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"

	"google.golang.org/grpc"

	"github.com/tollgate/tollgate/cluster/clusterpb"
	"github.com/tollgate/tollgate/cluster/pki"
	"github.com/tollgate/tollgate/store"
)

// Survivor is a member that was asked how far its log goes.
type Survivor struct {
	store.Server
	// Index and Term are of the newest entry in its log.
	Index, Term uint64
	// Err is why it has not answered; nil if it has.
	Err error
}

// Ahead reports whether the survivor's log has more than one that ends there.
func (s Survivor) Ahead(index, term uint64) bool {
	return s.Err == nil && (s.Term > term || s.Term == term && s.Index > index)
}

// Survey asks members how far their logs go, on behalf of the member self, which does not
// run. identity is that of the cluster; authority is nil where it has no key.
func Survey(ctx context.Context, self, identity string, authority *pki.Authority, members []store.Server) []Survivor {
	t := &Transport{network: TCP{}, id: self, logger: slog.New(slog.DiscardHandler), greeting: map[net.Conn]struct{}{}, self: absent(identity)}
	if authority != nil {
		t.certificates = &certificates{authority: authority, id: self}
	}
	peers := newPeers(t)
	defer func() { _ = peers.close() }() // nothing is under way
	answers := make([]Survivor, len(members))
	var wg sync.WaitGroup
	for i, m := range members {
		wg.Go(func() {
			answers[i] = Survivor{Server: m}
			who, err := identify(ctx, t, peers, m.ID, m.Address, forRPC, &clusterpb.IdentifyRequest{Asker: self, Log: true})
			switch {
			case err != nil:
				answers[i].Err = err
			case who.GetId() != m.ID || who.GetFresh():
				answers[i].Err = errors.New("it has no data of the cluster")
			default:
				answers[i].Index, answers[i].Term = max(who.GetLastIndex(), who.GetAppliedIndex()), who.GetLastTerm()
			}
		})
	}
	wg.Wait()
	return answers
}

// askEnd asks a member that runs where its log ends.
func (c *Cluster) askEnd(ctx context.Context, id, addr string) (end store.End, ok bool) {
	peer, err := c.peers.at(id, addr)
	if err != nil {
		return store.End{}, false
	}
	who, err := peer.Identify(ctx, &clusterpb.IdentifyRequest{Asker: c.cfg.ID, Log: true}, grpc.WaitForReady(true))
	if err != nil || who.GetId() != id {
		return store.End{}, false
	}
	return store.End{Term: who.GetLastTerm(), Index: who.GetLastIndex()}, true
}

// absent is the Identity of a node that does not run.
type absent string

func (a absent) Identity() string { return string(a) }
func (absent) Fresh() bool        { return false }
