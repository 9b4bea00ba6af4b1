package admin

import (
	"time"

	"github.com/tollgate/tollgate/node/admin/api"
	"github.com/tollgate/tollgate/store/quota"
)

// timeForm is RFC 3339 with milliseconds, always as many digits.
const timeForm = "2006-01-02T15:04:05.000Z07:00"

func (s *server) getQuota(r *request) (any, error) {
	key, err := r.domainKey()
	if err != nil {
		return nil, err
	}
	readings, err := s.Control.Quota(r.Context(), key)
	if err != nil {
		return nil, noDomain(key, err)
	}
	list := make([]api.Condition, len(readings))
	for i, q := range readings {
		list[i] = newCondition(q)
	}
	return api.Quota{Conditions: list}, nil
}

func newCondition(q quota.Reading) api.Condition {
	out := api.Condition{MaxUsageQuota: q.Max, ResetTimeSeconds: q.ResetSeconds, Used: q.Used, Leased: q.Leased, Pool: q.Pool, Lost: q.Lost}
	if q.Endpoint != "" {
		out.Endpoint = &q.Endpoint
	}
	if q.WindowEnds != 0 {
		ends := time.UnixMilli(q.WindowEnds).UTC().Format(timeForm)
		phase := q.Phase.String()
		out.Phase, out.WindowEndsAt = &phase, &ends
	}
	return out
}
