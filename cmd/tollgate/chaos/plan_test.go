//go:build linux

package chaos

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// kind is a kind of fault.
type kind int

const (
	killed    kind = iota // kill -9, later the same command line
	allKilled             // every node, at once
	frozen                // SIGSTOP, for longer than a lease and an election
	cutOff                // from all others
	slowed                // what it sends and gets takes long
	severed               // every connection between nodes is reset
	transfer              // leadership is handed over
	restarted             // SIGTERM, then the same command line
	left                  // leaves, and returns
	replaced              // dies, is removed, and returns without its data
	kinds
)

var kindNames = []string{"kill", "kill-all", "stop", "cut-off", "slow", "reset", "transfer", "restart", "leave", "replace"}

func (k kind) String() string { return kindNames[k] }

// kindsNamed reads a list of names; an empty one is no list.
func kindsNamed(list string) (named []kind, err error) {
	if list == "" {
		return nil, nil
	}
	for name := range strings.SplitSeq(list, ",") {
		i := slices.Index(kindNames, name)
		if i < 0 {
			return nil, fmt.Errorf("%q is no kind of fault; there are %s", name, strings.Join(kindNames, ", "))
		}
		named = append(named, kind(i))
	}
	return named, nil
}

// loses reports whether units may be lost by it: those that a node held which
// died or could not be reached.
func (k kind) loses() bool {
	return k != slowed && k != severed && k != transfer && k != restarted
}

// alone reports whether no other fault may go on beside it: changes of the
// membership need the others up.
func (k kind) alone() bool { return k == allKilled || k == left || k == replaced }

// fault is one fault of a plan.
type fault struct {
	kind kind
	// at is when it begins, from the beginning of the round, lasts how long it
	// goes on.
	at, lasts time.Duration
	// leader: it strikes whoever leads then; else victim does.
	leader bool
	victim int
	// in and out say which directions a victim is cut off in, how what sent
	// there meets with.
	in, out bool
	how     weather
	// sever has the connections broken as well: when it begins where they are
	// refused, else when it ends.
	sever bool
	// gently has a node that leaves do so while it is well.
	gently bool
}

func (f fault) String() string {
	s := f.kind.String()
	switch {
	case f.kind == allKilled || f.kind == severed:
	case f.leader:
		s += " of the leader"
	default:
		s += fmt.Sprintf(" of n%d", f.victim+1)
	}
	if f.kind == cutOff {
		s += map[[2]bool]string{{true, true}: ", both ways", {true, false}: ", hears nothing", {false, true}: ", is not heard"}[[2]bool{f.in, f.out}]
	}
	if f.how != (weather{}) {
		s += ", " + f.how.String()
	}
	return fmt.Sprintf("%s for %v", s, f.lasts.Round(time.Millisecond))
}

// Between the faults of a round, and around them.
const (
	calmBefore = 500 * time.Millisecond
	calmAfter  = 500 * time.Millisecond
	least      = 200 * time.Millisecond
)

// deck has every kind of fault, those the more often that find the more.
var deck = []kind{
	killed, killed, killed, frozen, frozen, cutOff, cutOff, cutOff, allKilled, slowed, severed, transfer, restarted, left, replaced,
}

// gentleDeck has those that must not cost a unit.
var gentleDeck = []kind{transfer, restarted, severed, slowed, transfer, restarted}

// cards is what the faults of a round are drawn from: what the network can do
// of only, or where that is empty of the deck.
func cards(gentle bool, only []kind, net network) []kind {
	from := deck
	switch {
	case only != nil:
		from = only
	case gentle:
		from = gentleDeck
	}
	return slices.DeleteFunc(slices.Clone(from), func(k kind) bool { return (k == slowed || k == severed) && !net.slows() })
}

// plan draws up count faults for a round, off shuffled cards, so that what comes
// is mixed. It depends on nothing but its arguments.
func plan(rng *rand.Rand, nodes, count int, cards []kind) []fault {
	var faults []fault
	at := calmBefore
	var order []int
	for len(faults) < count && len(cards) > 0 {
		if len(order) == 0 {
			order = rng.Perm(len(cards))
		}
		f := draw(rng, cards[order[0]], nodes)
		order = order[1:]
		f.at = at
		faults = append(faults, f)
		next := f.lasts + between(rng, least, 3*least)
		if !f.kind.alone() && rng.IntN(3) == 0 {
			next = between(rng, least, f.lasts) // the next one begins before it ends
		}
		at += next
	}
	return faults
}

// between is a time from a to b.
func between(rng *rand.Rand, a, b time.Duration) time.Duration {
	return a + time.Duration(rng.Int64N(int64(max(b-a, 1))))
}

// draw makes one fault of a kind.
func draw(rng *rand.Rand, k kind, nodes int) fault {
	const second = time.Second
	f := fault{kind: k, leader: rng.IntN(2) == 0, victim: rng.IntN(nodes)}
	switch k {
	case killed, restarted:
		f.lasts = between(rng, second/10, 5*second/2)
	case allKilled, severed, transfer:
		f.lasts = between(rng, second/10, second/2)
	case frozen:
		f.lasts = between(rng, 13*second/5, 7*second/2)
	case cutOff:
		f.lasts = between(rng, second/2, 7*second/2)
		way := rng.IntN(4)
		f.in, f.out = way != 1, way != 2
		f.how = weather{lost: true}
		if rng.IntN(3) == 0 {
			f.how = weather{refused: true}
		}
		f.sever = f.how.refused || rng.IntN(2) == 0
	case slowed:
		f.lasts = between(rng, second, 2*second)
		f.how.delay = between(rng, second/200, second/20)
	case left, replaced:
		f.lasts = between(rng, second/10, second)
		f.gently = k == left
	}
	return f
}
