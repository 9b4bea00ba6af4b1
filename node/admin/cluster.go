package admin

import (
	"errors"
	"net/http"
	"slices"

	"github.com/tollgate/tollgate/node/admin/api"
	"github.com/tollgate/tollgate/store/catalog"
)

func (s *server) getCluster(r *request) (any, error) { return s.status(r), nil }

func (s *server) getSelf(*request) (any, error) { return s.Control.Self(), nil }

// status is what every call of /v1/cluster answers: how things stand now.
func (s *server) status(r *request) api.ClusterStatus {
	status := s.Control.Cluster(r.Context())
	if status.Members == nil {
		status.Members = []api.MemberStatus{}
	}
	if !r.query.is("clocks") {
		for i := range status.Members {
			status.Members[i].ClockAheadSeconds = nil
		}
	}
	return status
}

func (s *server) join(r *request) (any, error) {
	var m api.NewMember
	var voter *bool
	problems, err := r.command(
		field{"id", &m.ID},
		field{"clusterAddress", &m.ClusterAddress},
		field{"adminAddress", &m.AdminAddress},
		field{"proxyAddress", &m.ProxyAddress},
		field{"voter", &voter},
	)
	if err != nil {
		return nil, err
	}
	m.Voter = voter == nil || *voter
	if problems = merge(problems, problemsOf(m)); problems != nil {
		return nil, wrong("the join", problems)
	}
	if caller := callerOf(r.Request); caller.Role == roleNode && caller.Name != m.ID {
		return nil, refusal(http.StatusForbidden, "the certificate is that of node %s: it cannot join %s", caller.Name, m.ID)
	}
	if err := s.Control.Join(r.Context(), m); err != nil {
		return nil, err
	}
	return s.status(r), nil
}

func (s *server) leave(r *request) (any, error) {
	id, err := memberID(r, "the leave", true)
	if err != nil {
		return nil, err
	}
	if err := s.Control.Leave(r.Context(), id); err != nil {
		return nil, noMember(id, err)
	}
	return s.status(r), nil
}

func (s *server) transfer(r *request) (any, error) {
	id, err := memberID(r, "the transfer", false)
	if err != nil {
		return nil, err
	}
	if err := s.Control.Transfer(r.Context(), id); err != nil {
		return nil, noMember(id, err)
	}
	return s.status(r), nil
}

// memberID reads a body of {"id"}.
func memberID(r *request, what string, required bool) (string, error) {
	var id *string
	problems, err := r.command(field{"id", &id})
	if err != nil {
		return "", err
	}
	given := id != nil
	if !given {
		id = new(string)
	}
	if given || required {
		if message := checkID(*id); message != "" {
			problems = merge(problems, []catalog.Problem{{Path: "$.id", Message: message}})
		}
	}
	if problems != nil {
		return "", wrong(what, problems)
	}
	return *id, nil
}

func noMember(id string, err error) error {
	if errors.Is(err, ErrNoMember) {
		return notFound("no member has the id %q", id)
	}
	return err
}

// merge adds the later problems of places that have none yet: a field of the
// wrong type is not missing as well.
func merge(first, later []catalog.Problem) []catalog.Problem {
	all := slices.Clip(first)
	for _, p := range later {
		if !slices.ContainsFunc(first, func(q catalog.Problem) bool { return q.Path == p.Path }) {
			all = append(all, p)
		}
	}
	return all
}
