package quota

import (
	"errors"
	"math"

	"github.com/tollgate/tollgate/store/wire"
)

var (
	// ErrNoCondition: the domain has no such condition.
	ErrNoCondition = errors.New("no such condition")
	// ErrWindow: the window that was named does not run, or none does.
	ErrWindow = errors.New("that window does not run")
)

// Target is a window that an administrator means.
type Target struct {
	Domain string
	Name   ConditionName
	// Caller is whose counter it is, zero for a condition of all calls.
	Caller Digest
	// Window must be the running window's name, if it is not 0.
	Window int64
}

// Append appends the target's encoding; store.Command has the diagram.
func (t Target) Append(b []byte) []byte {
	b = wire.AppendString(wire.AppendString(b, t.Domain), t.Name.Endpoint)
	b = wire.AppendUints(b, uint64(t.Name.ResetSeconds), uint64(t.Name.Period.Unit))
	b = wire.AppendString(wire.AppendString(b, t.Name.Period.Zone), string(t.Name.By))
	b = append(wire.AppendUints(b, bit(t.Name.Shadow)), t.Caller[:]...)
	return wire.AppendUints(b, uint64(t.Window))
}

// ReadTarget reads what Target.Append wrote.
func ReadTarget(of *wire.Reader) Target {
	r := reader{of}
	return Target{
		Domain: r.String("domain", 1, maxDomainBytes),
		Name: ConditionName{
			Endpoint: r.String("endpoint", 0, maxEndpointBytes), ResetSeconds: uint32(r.Uint("reset", 0, math.MaxUint32)),
			Period: Period{Unit(r.Uint("unit", 0, uint64(Month))), r.String("zone", 0, maxNameBytes)},
			By:     By(r.String("by", 0, maxByBytes)), Shadow: r.flag("shadow"),
		},
		Caller: r.digest(),
		Window: r.time("window"),
	}
}

// target finds the counter, to be changed.
func (s *State) target(t Target) (*counter, error) {
	r := s.find(t.Domain, t.Name)
	if r == nil || (r.own == nil) == (t.Caller == Digest{}) {
		return nil, ErrNoCondition
	}
	c := r.own
	if c == nil {
		s.spares.free()
		c = s.get(r, t.Caller)
	}
	if c == nil || !c.running(s.now) || t.Window != 0 && t.Window != c.window.serial {
		return nil, ErrWindow
	}
	return c, nil
}

// Reset ends the running window. The next call opens another. What is leased of it may
// yet be spent, and counts in the window that was. ErrNoCondition and ErrWindow are its
// errors.
func (s *State) Reset(t Target) error {
	c, err := s.target(t)
	if err != nil {
		return err
	}
	info := c.info()
	info.Phase, info.Window, info.Ends = Leasing, s.nextSerial(), s.now // of no window, and newer than that
	s.changed = append(s.changed, info)
	if c.rule.own != nil {
		c.window = window{}
	} else {
		s.remove(c.rule, callerEnd{c.window.ends, c.caller})
	}
	return nil
}

// Adjust adds to the maximum of the running window, an exhausted one's too; a
// deployment does not undo it. ErrNoCondition and ErrWindow are its errors.
func (s *State) Adjust(t Target, add int64) error {
	c, err := s.target(t)
	if err != nil {
		return err
	}
	const most = 1 << 50 // no sum comes near overflowing
	adjust := max(min(c.window.adjust+max(min(add, most), -most), most), -most)
	c.raise(s, c.window.limit, adjust)
	s.alert(c)
	if c.rule.callers != nil {
		s.keep(c)
	}
	return nil
}

// Lookup finds a condition, and the seed of its callers' digests. Of a period the time
// zone may be left out, where that leaves one.
func (s *State) Lookup(key string, name ConditionName) (rule Rule, ok bool) {
	found := 0
	for _, r := range s.Rules(key) {
		like := r.Condition.Name()
		if name.Period.Zone == "" {
			like.Period.Zone = ""
		}
		if like == name {
			rule = r
			found++
		}
	}
	return rule, found == 1
}
