package catalog

// Replace puts the domains and consumers of another state, a backup's, in the place of
// this one's. Their revisions get serials that none of this state's ever had. It takes
// from over.
func (s *State) Replace(from *State) {
	offset := s.serial
	s.serial += from.serial
	var all []*Entry
	from.domains.Scan(func(_ string, e *Entry) bool {
		all = append(all, e)
		return true
	})
	*s = State{serial: s.serial}
	for _, e := range all {
		e.Draft.Serial += offset
		if e.Deployed.Serial != 0 {
			e.Deployed.Serial += offset
		}
		for i := range e.History {
			e.History[i].Serial += offset
		}
		s.domains.Set(e.Key, e)
	}
	s.consumers = from.consumers
}
