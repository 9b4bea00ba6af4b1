package quota

// Call is a call as the conditions see it.
type Call struct {
	// Domain is the domain's key, Endpoint the ID of the endpoint whose conditions
	// apply too; empty where it has none.
	Domain, Endpoint string
	// Stage says which of their conditions it is to be decided on now.
	Stage Stage
	// Units is what it takes of each condition, up to MaxUnits; 0 means 1.
	Units uint32
	// Reserve has the units reserved, if it is admitted, until they are settled.
	Reserve bool
	// Caller tells who calls. It is asked only where a condition has By, before the
	// decision returns.
	Caller Caller
}

// Cost is the units that the call takes.
func (c *Call) Cost() uint32 { return max(c.Units, 1) }

// Stage is where on its way a call is decided.
type Stage uint8

// The stages.
const (
	BeforeAuth Stage = iota
	AfterAuth
)

// Caller tells conditions who calls. Its methods must not block or allocate.
type Caller interface {
	// CallerBy is the value that a condition counts this caller by, such as an
	// address or a header's value; empty if the call has none. It is read-only, and
	// good until the next call of this method.
	CallerBy(By) []byte
	// CallerPlan is the name of the caller's plan: what the verified JWT's claim of
	// that name says or, without a name, what the consumer has. Empty: none.
	CallerPlan(claim string) string
}

// Standing is where a call stands with one condition, for the client to know.
type Standing struct {
	Name ConditionName
	// Max is the maximum of the caller's window.
	Max uint64
	// Remaining is units that are left at least. It is 0 only if none is.
	Remaining uint64
	// ResetMillis is the time until the window ends, in ms; 0 if none runs.
	ResetMillis int64
	// Known is false where this node cannot tell what remains.
	Known bool
}
