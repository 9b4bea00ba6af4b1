package admin

import (
	"time"

	"github.com/tollgate/tollgate/store/quota"
)

// timeForm is RFC 3339 with milliseconds, always as many digits.
const timeForm = "2006-01-02T15:04:05.000Z07:00"

// reading is one condition of GET …/quota.
type reading struct {
	// Endpoint is null for a condition of the whole domain.
	Endpoint         *string `json:"endpoint"`
	MaxUsageQuota    uint64  `json:"maxUsageQuota"`
	ResetTimeSeconds uint32  `json:"resetTimeSeconds"`
	Used             uint64  `json:"used"`
	// WindowEndsAt and Phase are null when no window runs.
	WindowEndsAt *string `json:"windowEndsAt"`
	// Leased is what nodes hold and may spend, Pool what nobody has, Lost the
	// part of Used that lost nodes held.
	Leased uint64  `json:"leased"`
	Pool   uint64  `json:"pool"`
	Phase  *string `json:"phase"`
	Lost   uint64  `json:"lost"`
}

func (s *server) getQuota(r *request) (any, error) {
	key, err := r.domainKey()
	if err != nil {
		return nil, err
	}
	readings, err := s.Control.Quota(r.Context(), key)
	if err != nil {
		return nil, noDomain(key, err)
	}
	list := make([]reading, len(readings))
	for i, q := range readings {
		list[i] = newReading(q)
	}
	return struct {
		Conditions []reading `json:"conditions"`
	}{list}, nil
}

func newReading(q quota.Reading) reading {
	out := reading{MaxUsageQuota: q.Max, ResetTimeSeconds: q.ResetSeconds, Used: q.Used, Leased: q.Leased, Pool: q.Pool, Lost: q.Lost}
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
