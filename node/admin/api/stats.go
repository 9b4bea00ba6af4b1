package api

// Stats is the answer of GET …/stats. Times are Unix seconds.
type Stats struct {
	Domain string `json:"domain"`
	// From and To are whole steps of Step seconds; To is not told of.
	From int64 `json:"from"`
	To   int64 `json:"to"`
	Step int64 `json:"step"`
	// Missing are the IDs of the members that have not answered: their calls are not in
	// the figures.
	Missing []string `json:"missing"`
	// Sum is of all points together.
	Sum CallStats `json:"sum"`
	// Points are in order of time, and then of endpoint; none is without a call.
	Points []StatsPoint `json:"points"`
}

// StatsPoint is what happened to the calls of an endpoint in the step that begins At.
type StatsPoint struct {
	At int64 `json:"at"`
	// Endpoint is METHOD /pattern; empty for the calls of the domain without one, "other"
	// for those beyond --metrics-endpoints.
	Endpoint string `json:"endpoint"`
	CallStats
}

// CallStats is what happened to calls.
type CallStats struct {
	// Successes are answers with a status below 400, Failures the others; ByGateway are
	// those of both that no endpoint server has given.
	Successes uint64 `json:"successes"`
	Failures  uint64 `json:"failures"`
	ByGateway uint64 `json:"byGateway"`
	Total     uint64 `json:"total"`
	// The times are those of whole calls, in ms with three decimals. Half of the calls
	// took P50Millis at most, 99 % of them P99Millis, give or take a 32nd.
	MeanMillis float64 `json:"meanMillis"`
	P50Millis  float64 `json:"p50Millis"`
	P99Millis  float64 `json:"p99Millis"`
	// BytesOut is bytes of the bodies of answers.
	BytesOut uint64 `json:"bytesOut"`
	// Refusals are how many calls the gateway refused, by result code.
	Refusals map[string]uint64 `json:"refusals"`
}
