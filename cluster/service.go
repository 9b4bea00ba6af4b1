package cluster

import (
	"context"

	"github.com/tollgate/tollgate/cluster/clusterpb"
	"github.com/tollgate/tollgate/store"
	"github.com/tollgate/tollgate/store/quota"
)

// service answers other nodes. It never forwards: who asks finds the leader.
type service struct {
	clusterpb.UnimplementedClusterServer
	c *Cluster
}

func (s *service) Identify(ctx context.Context, r *clusterpb.IdentifyRequest) (*clusterpb.IdentifyResponse, error) {
	if addr := r.GetAskerAddress(); addr != "" {
		// Where it fails, the asker stays where the membership has it.
		_ = s.c.found(ctx, r.GetAsker(), addr)
	}
	who := s.c.identity(r.GetAsker())
	if r.GetLog() {
		who.LastIndex, who.LastTerm = s.c.store.Last()
	}
	return who, nil
}

func (s *service) Digest(ctx context.Context, r *clusterpb.DigestRequest) (*clusterpb.DigestResponse, error) {
	var right []byte
	if len(r.GetDigest()) > 0 {
		right = r.GetDigest()
	}
	return &clusterpb.DigestResponse{Digest: s.c.compareDigest(ctx, r.GetIndex(), right)}, nil
}

func (s *service) Served(ctx context.Context, r *clusterpb.ServedRequest) (*clusterpb.ServedResponse, error) {
	return &clusterpb.ServedResponse{}, toWire(s.c.servedHere(ctx, r.GetIndex()))
}

func (s *service) Stats(ctx context.Context, r *clusterpb.StatsRequest) (*clusterpb.StatsResponse, error) {
	points, err := s.c.statsHere(ctx, StatsQuery{
		Domain: r.GetDomain(), Endpoint: r.GetEndpoint(), From: r.GetFrom(), To: r.GetTo(), Step: r.GetStep(),
	})
	if err != nil {
		return nil, toWire(err)
	}
	return &clusterpb.StatsResponse{Points: points}, nil
}

func (s *service) SubmitFrame(ctx context.Context, r *clusterpb.SubmitFrameRequest) (*clusterpb.SubmitFrameResponse, error) {
	f, err := quota.DecodeFrame(r.GetFrame(), s.c.store.FrameVersion())
	if err != nil {
		return nil, toWire(refuse("%v", err))
	}
	if !s.c.store.IsLeader() {
		return nil, toWire(store.ErrNotLeader)
	}
	if s.c.store.Servers().Find(f.Node) == nil {
		return nil, toWire(ErrNotMember)
	}
	res, err := s.c.merger.submit(ctx, r.GetFrame())
	if err != nil {
		return nil, toWire(err)
	}
	return &clusterpb.SubmitFrameResponse{Result: res.Append(nil)}, nil
}

func (s *service) Report(ctx context.Context, r *clusterpb.ReportRequest) (*clusterpb.ReportResponse, error) {
	s.c.ledger.Settle(ctx, r.GetDomain())
	return &clusterpb.ReportResponse{}, nil
}

func (s *service) Apply(ctx context.Context, r *clusterpb.ApplyRequest) (*clusterpb.ApplyResponse, error) {
	cmd, err := store.DecodeCommand(r.GetCommand())
	if err != nil {
		return nil, toWire(refuse("%v", err))
	}
	done, err := s.c.applyHere(ctx, cmd)
	if err != nil {
		return nil, toWire(err)
	}
	return &clusterpb.ApplyResponse{Index: done.Index, Revision: done.Revision, Serial: done.Serial}, nil
}

func (s *service) ReadIndex(ctx context.Context, _ *clusterpb.ReadIndexRequest) (*clusterpb.ReadIndexResponse, error) {
	index, now, err := s.c.store.ReadIndex(ctx)
	if err != nil {
		return nil, toWire(err)
	}
	return &clusterpb.ReadIndexResponse{Index: index, Now: now}, nil
}

func (s *service) Join(ctx context.Context, r *clusterpb.JoinRequest) (*clusterpb.JoinResponse, error) {
	index, err := s.c.joinHere(ctx, Member{
		ID: r.GetId(), ClusterAddress: r.GetClusterAddress(),
		AdminAddress: r.GetAdminAddress(), ProxyAddress: r.GetProxyAddress(), Voter: r.GetVoter(),
	}, r.GetAnnounce())
	if err != nil {
		return nil, toWire(err)
	}
	return &clusterpb.JoinResponse{Index: index}, nil
}

func (s *service) Leave(ctx context.Context, r *clusterpb.LeaveRequest) (*clusterpb.LeaveResponse, error) {
	if err := s.c.leaveHere(ctx, r.GetId()); err != nil {
		return nil, toWire(err)
	}
	return &clusterpb.LeaveResponse{}, nil
}

func (s *service) Transfer(_ context.Context, r *clusterpb.TransferRequest) (*clusterpb.TransferResponse, error) {
	if err := s.c.transferHere(r.GetId()); err != nil {
		return nil, toWire(err)
	}
	return &clusterpb.TransferResponse{}, nil
}
