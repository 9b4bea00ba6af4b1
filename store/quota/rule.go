package quota

// Rule is one of the rules that keep the promises of spec section 10.
type Rule uint8

const (
	// ExpiredIsUsed: units of a holder that is not waited for any more count
	// as used, because it may have spent them.
	ExpiredIsUsed Rule = iota + 1
	// ExhaustedIsFinal: nothing comes back to an exhausted window.
	ExhaustedIsFinal
)

// Without switches a rule off. It is for the simulation, which shows by it that
// each rule is needed and that it would notice; nothing else calls it.
func (s *State) Without(r Rule) { s.without = r }
