package quota

// Event: a window has come to one of its condition's Alerts, or the window has opened
// that callers beyond Condition.MaxCallers share: then Percent is 0.
type Event struct {
	Domain string
	Name   ConditionName
	// Caller is zero for a condition of all calls; Shared is true of the callers
	// beyond Condition.MaxCallers.
	Caller Digest
	Shared bool
	// Percent is which of the Alerts; 0 is none.
	Percent uint8
	// Used of Max units are gone. Leased ones are not among them.
	Used, Max uint64
	// Window names the window, and Ends is when it ends, cluster time, ms.
	Window, Ends int64
}

// alert notes that a window has come to thresholds, once for each.
func (s *State) alert(c *counter) {
	w := &c.window
	for i, percent := range c.rule.cond.Alerts {
		if s.version < Third || w.alerted&(1<<i) != 0 || !c.running(s.now) || !reached(w.used, w.max(), percent) {
			continue
		}
		w.alerted |= 1 << i
		s.happened(c, percent)
	}
}

func (s *State) happened(c *counter, percent uint8) {
	w := &c.window
	s.events = append(s.events, Event{
		Domain: c.rule.domain, Name: c.rule.cond.Name(), Caller: c.caller, Shared: c.shared,
		Percent: percent, Used: w.used, Max: w.max(), Window: w.serial, Ends: w.ends,
	})
}

// reached reports whether used is that part of most.
func reached(used, most uint64, percent uint8) bool {
	return used/100 >= most || used*100 >= most*uint64(percent) // no number here overflows
}

// TakeEvents returns what has happened since the last call.
func (s *State) TakeEvents() []Event {
	list := s.events
	s.events = nil
	return list
}
