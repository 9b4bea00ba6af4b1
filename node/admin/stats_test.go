package admin

import (
	"testing"
	"time"

	"github.com/tollgate/tollgate/node/stats"
	"github.com/tollgate/tollgate/proxy/callstats"
)

// TestStats: what is asked of the node, and the answer to the byte (spec section 13).
func TestStats(t *testing.T) {
	const noon = 1_700_049_600
	const zero = `{"successes":0,"failures":0,"byGateway":0,"total":0,"meanMillis":0,"p50Millis":0,"p99Millis":0,"bytesOut":0,"refusals":{}}`
	const whole = "must be a time in Unix seconds, a whole number from 0 to 253402300799"
	tooMany := &Refusal{Message: stats.ErrTooMany.Error()}
	run(t, []call{
		{name: "by default", do: "GET /v1/domains/shop/stats", status: 200,
			asked: "stats {Domain:shop Endpoint: From:1700046060 To:1700049660 Step:60}",
			want: `{"domain":"shop","from":1700046060,"to":1700049660,"step":60,"missing":["n3"],` +
				`"sum":{"successes":4,"failures":10,"byGateway":9,"total":14,"meanMillis":0.714,"p50Millis":1.008,"p99Millis":9.984,"bytesOut":77,"refusals":{"20004":7,"40401":2}},"points":[` +
				`{"at":1700049540,"endpoint":"","successes":0,"failures":2,"byGateway":2,"total":2,"meanMillis":0,"p50Millis":0,"p99Millis":0,"bytesOut":0,"refusals":{"40401":2}},` +
				`{"at":1700049600,"endpoint":"GET /a/{id}","successes":4,"failures":8,"byGateway":7,"total":12,"meanMillis":0.833,"p50Millis":1.008,"p99Millis":9.984,"bytesOut":77,"refusals":{"20004":7}}]}`},
		{name: "an unknown domain", do: "GET /v1/domains/nope/stats?from=0", status: 404, asked: "stats {Domain:nope Endpoint: From:0 To:1700092800 Step:86400}",
			want: failed(40400, `no domain has the key "nope"`)},
		{name: "nothing right", do: "GET /v1/domains/shop/stats?from=-1&to=now&step=61", status: 422,
			want: failed(42200, "the query is refused: 3 problems", "?from", whole, "?step", "must be 60, 600 or 86400 seconds", "?to", whole)},
		{name: "too late", do: "GET /v1/domains/shop/stats?from=253402300800", status: 422, want: failed(42200, "the query is refused: 1 problem", "?from", whole)},
		{name: "no time", do: "GET /v1/domains/shop/stats?from=60&to=60", status: 422,
			want: failed(42200, "the query is refused: 1 problem", "?to", "must be later than from: they are 60 and 60")},
		{name: "unknown parameter", do: "GET /v1/domains/shop/stats?since=1", status: 422,
			want: failed(42200, "the query is refused: 1 problem", "?since", "unknown parameter; this call takes endpoint, from, step, to")},
		{name: "too many points", do: "GET /v1/domains/shop/stats", fail: tooMany, status: 422, asked: "stats {Domain:shop Endpoint: From:1700046060 To:1700049660 Step:60}",
			want: failed(42200, "that is more than 100000 points: ask for one endpoint, a longer step or a shorter time")},
	}, func(cfg *Config) {
		cfg.Clock = func() time.Time { return time.Unix(noon+30, 0) }
		fake := cfg.Control.(*fakeControl)
		fake.pending = []string{"n3"}
		fake.points = []stats.Point{
			{At: noon - 60, Counts: callstats.Counts{Failures: 2, ByGateway: 2, Refusals: []callstats.Count{{Of: 40401, N: 2}}}},
			{At: noon, Endpoint: "GET /a/{id}", Counts: callstats.Counts{
				Successes: 4, Failures: 8, ByGateway: 7, Micros: 10_000, BytesOut: 77, Refusals: []callstats.Count{{Of: 20004, N: 7}},
				Times: []callstats.Count{{Of: 111, N: 11}, {Of: 163, N: 1}},
			}},
		}
	})
	run(t, []call{
		{name: "all parameters", do: "GET /v1/domains/shop/stats?from=1700000001&to=1700049599&step=600&endpoint=GET%20/a/%7Bid%7D", status: 200,
			asked: "stats {Domain:shop Endpoint:GET /a/{id} From:1699999800 To:1700049600 Step:600}",
			want:  `{"domain":"shop","from":1699999800,"to":1700049600,"step":600,"missing":[],"sum":` + zero + `,"points":[]}`},
		{name: "empty ones are not given", do: "GET /v1/domains/shop/stats?from=0&to=60&step=&endpoint=", status: 200, asked: "stats {Domain:shop Endpoint: From:0 To:86400 Step:86400}",
			want: `{"domain":"shop","from":0,"to":86400,"step":86400,"missing":[],"sum":` + zero + `,"points":[]}`},
	}, nil)
}
