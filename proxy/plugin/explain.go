package plugin

import (
	"strings"

	"github.com/tollgate/tollgate/proxy/envelope"
	"github.com/tollgate/tollgate/store/catalog"
)

// Decision is what a step would do with a call.
type Decision string

// The decisions.
const (
	// Passed: the call goes on to the next plugin.
	Passed Decision = "pass"
	// Answered: the plugin gives the answer, which is no error.
	Answered Decision = "answer"
	// Refused: the plugin refuses the call, with the envelope in Answer.
	Refused Decision = "refuse"
	// Called: the endpoint server is called, and what it says is the answer.
	Called Decision = "call"
	// Unknown: only a real call shows it. What follows is explained as for a
	// call that goes on.
	Unknown Decision = "unknown"
	// Unreached: a plugin before it has ended the call.
	Unreached Decision = "unreached"
)

// Finding is what the plugins at one place would do with a call, and why. No
// secret is ever in it.
type Finding struct {
	// Plugins is one name of spec section 4, or both quotas, which are decided
	// as one.
	Plugins  []string `json:"plugins"`
	Decision Decision `json:"decision"`
	// Reason is for people.
	Reason string `json:"reason"`
	// StringToSign is what a signature of this request has to cover; only HMAC
	// has one. Its line ends are single LFs.
	StringToSign string `json:"stringToSign,omitempty"`
	// Answer is what the client gets; nil unless Decision is Answered or Refused.
	Answer *Answer `json:"answer,omitempty"`
}

// Ends reports whether the call goes no further.
func (f *Finding) Ends() bool { return f.Decision == Answered || f.Decision == Refused }

// Answer is an answer that the gateway itself would give.
type Answer struct {
	Status int `json:"status"`
	// ResultCode and ResultMessage are those of the envelope; 0 and empty for
	// an answer that is no error of the gateway.
	ResultCode    int    `json:"resultCode,omitempty"`
	ResultMessage string `json:"resultMessage,omitempty"`
	// Headers are configured ones, by name.
	Headers map[string]string `json:"headers,omitempty"`
	// BodyBytes is the length of a configured body.
	BodyBytes int `json:"bodyBytes,omitempty"`
}

// RefusedWith is a refusal as an Answer.
func RefusedWith(e *envelope.Sealed) *Answer {
	return &Answer{Status: e.Status, ResultCode: e.Code, ResultMessage: e.Error()}
}

func pass(reason string) Finding {
	return Finding{Decision: Passed, Reason: reason}
}

func unknown(reason string) Finding {
	return Finding{Decision: Unknown, Reason: reason}
}

func refuse(e *envelope.Sealed, reason string) Finding {
	return Finding{Decision: Refused, Reason: reason, Answer: RefusedWith(e)}
}

func answer(m *mock, reason string) Finding {
	a := &Answer{Status: m.status, BodyBytes: len(m.body)}
	for _, h := range m.headers {
		if a.Headers == nil {
			a.Headers = map[string]string{}
		}
		name, value := string(h[0]), string(h[1])
		a.Headers[name] = Shown(name, value)
	}
	return Finding{Decision: Answered, Reason: reason, Answer: a}
}

// Shown is a configured header value as it may be shown: not at all where the
// name says that it lets somebody in somewhere.
func Shown(name, value string) string {
	lower := strings.ToLower(name)
	for _, word := range [...]string{"auth", "cookie", "token", "key", "secret", "password", "credential", "signature", "session"} {
		if strings.Contains(lower, word) {
			return catalog.SecretPlaceholder
		}
	}
	return value
}

// Explain says what CORS would do with a call, where the domain has it.
func (d *Domain) Explain(c *Call) (findings []Finding) {
	if d.door != nil {
		findings = append(findings, explain(d.door, 0, c))
	}
	return findings
}

// Explain says what each step would do with a call, in their order.
func (ch *Chain) Explain(c *Call) (findings []Finding) {
	over := false
	for i, s := range ch.steps {
		f := Finding{Plugins: order[ch.places[i]].plugins, Decision: Unreached, Reason: "the call has ended before"}
		if !over {
			f = explain(s, ch.places[i], c)
			over = f.Ends()
		}
		findings = append(findings, f)
	}
	return findings
}

func explain(s Step, place int, c *Call) Finding {
	f := s.Explain(c)
	f.Plugins = order[place].plugins
	return f
}
