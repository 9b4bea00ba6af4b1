package chaos

import (
	"fmt"
	"time"

	"github.com/anishathalye/porcupine"
)

// The second opinion: porcupine, with one window as an object that calls are
// operations of.

const (
	// mostChecked bounds the calls of one window that porcupine is given: what
	// it does is exponential at worst.
	mostChecked = 500
	// checkPatience is how long it may take. Not to know is a failure.
	checkPatience = 30 * time.Second
	// mostPerhaps bounds the calls that may have used a unit in a history that
	// is held to the exact model: each multiplies what there is to look at.
	mostPerhaps = 6
)

// window is the state of the specification.
type window struct {
	admitted int
	closed   bool
}

// windowModel is one window of limit calls, one call after the other. exact
// lets a call be refused only when limit have been admitted; without it,
// refusals may be early, as when a node was lost with units in its hands.
func windowModel(limit int, exact bool) porcupine.Model {
	model := porcupine.NondeterministicModel{
		Init: func() []any { return []any{window{}} },
		Step: func(state, _, output any) []any {
			w := state.(window)
			var next []any
			v := output.(verdict)
			if (v == admitted || v == unknown) && !w.closed && w.admitted < limit {
				next = append(next, window{w.admitted + 1, false})
			}
			if (v == refused || v == unknown) && (!exact || w.closed || w.admitted == limit) {
				next = append(next, window{w.admitted, true})
			}
			if v == unknown { // it never came to be decided
				next = append(next, w)
			}
			return next
		},
		DescribeOperation: func(_, output any) string { return output.(verdict).String() },
		DescribeState:     func(state any) string { return fmt.Sprintf("%+v", state) },
	}
	return model.ToModel()
}

// operations is what of a history the model is asked about. A call of which
// nothing is known, or that could not be decided in time, may have used a unit or
// done nothing, which hinders no other: with a model that allows early refusals, a
// history is possible with it exactly if it is without, so only exact ones need
// it, where its unit explains a refusal. It may take effect at any time after its
// call.
func operations(h history, exact bool) []porcupine.Operation {
	var list []porcupine.Operation
	last := time.Duration(0)
	for _, o := range h {
		last = max(last, o.ret)
	}
	for _, o := range h {
		end := o.ret
		switch {
		case o.verdict == admitted || o.verdict == refused:
		case exact && (o.verdict == unknown || o.verdict == undecided):
			end, o.verdict = last+1, unknown
		default:
			continue
		}
		list = append(list, porcupine.Operation{ClientId: o.client, Call: int64(o.call), Return: int64(end), Output: o.verdict})
	}
	return list
}

// checkLinearizable asks porcupine whether the calls of one window, on all
// nodes, can have been made one after the other on one counter. draw, if it is
// not empty, is where to put a drawing of a history that cannot.
func checkLinearizable(t *target, h history, exact bool, draw string) []violation {
	ops := operations(h, exact)
	if len(ops) > mostChecked {
		return []violation{{fmt.Sprintf("the test gave porcupine %d calls of %v, more than %d", len(ops), t, mostChecked), nil}}
	}
	model := windowModel(t.limit, exact)
	result, info := porcupine.CheckOperationsVerbose(model, ops, checkPatience)
	if result == porcupine.Ok {
		return nil
	}
	what := fmt.Sprintf("linearizable: porcupine finds the history of %v (limit %d) %s", t, t.limit, result)
	if draw != "" && porcupine.VisualizePath(model, info, draw) == nil {
		what += "; drawn in " + draw
	}
	return []violation{{what + "; its last calls:", h[max(0, len(h)-mostShown):]}}
}
