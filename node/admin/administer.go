package admin

import (
	"context"
	"encoding/json"
	"errors"
	"net/netip"
	"strconv"

	"github.com/tollgate/tollgate/node/admin/api"
	"github.com/tollgate/tollgate/store/catalog"
	"github.com/tollgate/tollgate/store/quota"
)

// Quotas is what the admin API needs of its node to change running windows. A change
// returns once all members that answer have applied it.
type Quotas interface {
	// Callers reads the conditions of a domain out for one caller each, by what each
	// tells callers apart by: value says what the caller is to it, nothing where it is
	// none. Conditions without By are not among them.
	Callers(ctx context.Context, key string, value func(quota.By) []byte) ([]quota.Reading, error)
	// Top reads out up to n callers of each condition with By, who have used most.
	Top(ctx context.Context, key string, n int) ([]quota.CallerReading, error)
	// ResetQuota ends a running window; AdjustQuota adds to its maximum. value is the
	// caller's, nil for a condition without By. Errors are quota.ErrNoCondition,
	// quota.ErrWindow and those of other changes.
	ResetQuota(ctx context.Context, t quota.Target, value []byte) error
	AdjustQuota(ctx context.Context, t quota.Target, value []byte, add int64) error
}

// callerValue is a caller's value as conditions by it count it; ok is false where it can be
// none.
func callerValue(by quota.By, caller string) (value []byte, ok bool) {
	if by != quota.ByIP {
		return []byte(caller), true
	}
	addr, err := netip.ParseAddr(caller)
	if err != nil {
		return nil, false
	}
	return quota.AddressValue(addr), true
}

// target reads the body of a reset or an adjustment.
func (r *request) target(more ...field) (t quota.Target, value []byte, problems []catalog.Problem, err error) {
	if t.Domain, err = r.domainKey(); err != nil {
		return t, nil, nil, err
	}
	var endpoint, by, caller *string
	var shadow *bool
	var window, windowID json.RawMessage
	fields := append([]field{
		{"endpoint", &endpoint}, {"window", (*anything)(&window)}, {"by", &by}, {"shadow", &shadow}, {"caller", &caller}, {"windowId", (*anything)(&windowID)},
	}, more...)
	if problems, err = r.command(fields...); err != nil {
		return t, nil, nil, err
	}
	bad := func(path, message string) { problems = append(problems, catalog.Problem{Path: path, Message: message}) }
	if endpoint != nil {
		t.Name.Endpoint = *endpoint
	}
	if by != nil {
		t.Name.By = quota.By(*by)
	}
	t.Name.Shadow = shadow != nil && *shadow
	if fault := readWindow(window, &t.Name); fault != "" {
		bad("$.window", fault)
	}
	if len(windowID) > 0 && string(windowID) != "null" {
		if t.Window, err = strconv.ParseInt(string(windowID), 10, 64); err != nil || t.Window < 1 {
			bad("$.windowId", "must be the windowId of the read-out, a whole number")
		}
	}
	switch {
	case t.Name.By == quota.ByAll && caller != nil:
		bad("$.caller", "needs by: a condition without it counts all callers together")
	case t.Name.By != quota.ByAll && caller == nil:
		bad("$.caller", "is missing: must be the caller whose window it is")
	case caller != nil:
		var ok bool
		if value, ok = callerValue(t.Name.By, *caller); !ok {
			bad("$.caller", "must be an IP address")
		}
	}
	return t, value, problems, nil
}

// readWindow reads a window: resetTimeSeconds, or a period's unit.
func readWindow(raw json.RawMessage, name *quota.ConditionName) (fault string) {
	const want = "must be a condition's resetTimeSeconds, or its period's unit"
	if len(raw) == 0 || string(raw) == "null" {
		return "is missing: " + want
	}
	var unit string
	if json.Unmarshal(raw, &unit) == nil {
		var ok bool
		if name.Period.Unit, ok = quota.ParseUnit(unit); !ok {
			return want
		}
		return ""
	}
	seconds, err := strconv.ParseUint(string(raw), 10, 32)
	if err != nil || seconds == 0 {
		return want
	}
	name.ResetSeconds = uint32(seconds)
	return ""
}

func (s *server) resetQuota(r *request) (any, error) {
	t, value, problems, err := r.target()
	if err != nil {
		return nil, err
	}
	if problems != nil {
		return nil, wrong("the reset", problems)
	}
	if err := s.Control.ResetQuota(r.Context(), t, value); err != nil {
		return nil, noCondition(t.Domain, err)
	}
	return api.QuotaChanged{Key: t.Domain, Reset: true}, nil
}

func (s *server) adjustQuota(r *request) (any, error) {
	var add json.RawMessage
	t, value, problems, err := r.target(field{"add", (*anything)(&add)})
	if err != nil {
		return nil, err
	}
	n, err := strconv.ParseInt(string(add), 10, 64)
	if err != nil || n == 0 || n > catalog.MaxQuota || n < -catalog.MaxQuota {
		problems = append(problems, catalog.Problem{Path: "$.add", Message: "must be a whole number from -1000000000000 to 1000000000000 other than 0: what is added to the maximum"})
	}
	if problems != nil {
		return nil, wrong("the adjustment", problems)
	}
	if err := s.Control.AdjustQuota(r.Context(), t, value, n); err != nil {
		return nil, noCondition(t.Domain, err)
	}
	return api.QuotaChanged{Key: t.Domain, Added: n}, nil
}

func noCondition(key string, err error) error {
	if errors.Is(err, quota.ErrNoCondition) {
		return notFound("the domain %q has no such condition in force: endpoint, window, by and shadow name one", key)
	}
	return noDomain(key, err)
}
