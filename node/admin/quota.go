package admin

import (
	"encoding/hex"
	"strconv"
	"time"

	"github.com/tollgate/tollgate/node/admin/api"
	"github.com/tollgate/tollgate/store/catalog"
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
	out := api.Quota{Conditions: make([]api.Condition, 0, len(readings))}
	caller, asked := r.query["caller"]
	for _, q := range readings {
		if !asked || q.By == quota.ByAll {
			c := newCondition(q)
			if r.query.is("holders") {
				c.Holders = holdersOf(q)
			}
			out.Conditions = append(out.Conditions, c)
		}
	}
	if asked {
		own, err := s.Control.Callers(r.Context(), key, func(by quota.By) []byte {
			value, _ := callerValue(by, caller)
			return value
		})
		if err != nil {
			return nil, noDomain(key, err)
		}
		for _, q := range own {
			c := newCondition(q)
			c.Caller, c.Callers = shownCaller(q.By, caller), nil
			out.Conditions = append(out.Conditions, c)
		}
	}
	if text, asked := r.query["top"]; asked {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > maxTop {
			return nil, wrong("the query", []catalog.Problem{{Path: "?top", Message: "must be a whole number from 1 to 1000"}})
		}
		top, err := s.Control.Top(r.Context(), key, n)
		if err != nil {
			return nil, noDomain(key, err)
		}
		for _, c := range top {
			out.Top = append(out.Top, newCaller(c))
		}
	}
	return out, nil
}

// maxTop bounds how many callers of a condition are listed.
const maxTop = 1000

// shownCaller is a caller as it may be shown: the value of a header may let somebody in
// somewhere.
func shownCaller(by quota.By, caller string) string {
	if _, header := by.Header(); header {
		return catalog.SecretPlaceholder
	}
	return caller
}

func newCaller(c quota.CallerReading) api.Caller {
	out := api.Caller{
		By: string(c.By), Caller: c.Value, Digest: hex.EncodeToString(c.Digest[:]), Used: c.Used, WindowMax: c.WindowMax, WindowID: c.Window,
		WindowEndsAt: time.UnixMilli(c.WindowEnds).UTC().Format(timeForm), Window: c.ResetSeconds,
	}
	if c.Period.Unit != quota.NoUnit {
		out.Window = c.Period.Unit.String()
	}
	if c.Endpoint != "" {
		out.Endpoint = &c.Endpoint
	}
	return out
}

// holdersOf is how many units each node holds. A node that was started again may hold
// some of both its lives.
func holdersOf(q quota.Reading) map[string]uint64 {
	held := map[string]uint64{}
	for _, h := range q.Holders {
		held[h.Node] += h.Units
	}
	return held
}

func newCondition(q quota.Reading) api.Condition {
	out := api.Condition{
		MaxUsageQuota: q.Max, ResetTimeSeconds: q.ResetSeconds, Used: q.Used, Leased: q.Leased, Pool: q.Pool, Lost: q.Lost,
		By: string(q.By), Shadow: q.Shadow, Reserved: q.Reserved, Shared: q.Shared,
	}
	if q.Endpoint != "" {
		out.Endpoint = &q.Endpoint
	}
	if q.Period.Unit != quota.NoUnit {
		out.Period = &api.Period{Unit: q.Period.Unit.String(), TimeZone: q.Period.Zone}
	}
	if q.By != quota.ByAll {
		out.Callers = &q.Callers
	}
	if q.WindowEnds != 0 {
		ends := time.UnixMilli(q.WindowEnds).UTC().Format(timeForm)
		phase := q.Phase.String()
		out.Phase, out.WindowEndsAt, out.WindowID = &phase, &ends, &q.Window
		if q.WindowMax != q.Max {
			out.WindowMax = &q.WindowMax
		}
	}
	return out
}
