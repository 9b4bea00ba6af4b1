package cluster

import (
	"errors"
	"fmt"
	"io"
	"net"
)

// A connection between nodes begins with a greeting. The dialler says what the
// connection is for, which node of which cluster it is, and which node it wants. The
// other end says who it is and, in one byte, whether it accepts. s is a length in one
// byte and as many bytes.
//
//	greeting  "TGT2" purpose:byte cluster:s from:s to:s
//	answer    verdict:byte cluster:s id:s
//
// So Raft and RPC share one port, a connection is bound to the two nodes at its
// ends, and neither clusters nor nodes are mixed up where an address has changed
// hands: Raft itself counts any answer at a voter's address as that voter's. Where
// there is a cluster key, the certificates must say the same as the greeting.
//
// A node that belongs to no cluster yet is welcome everywhere and welcomes
// everybody. It takes part in Raft only once a leader that is about to make it a
// member has invited it. So a node that has lost its state, and with it its votes,
// does not vote again under its old name.
const greetingMagic = "TGT2"

// greeting is what a connection begins with.
type greeting struct {
	purpose byte
	// cluster is the dialler's, empty while it belongs to none.
	cluster, from, to string
}

const (
	forRaft byte = 'R'
	forRPC  byte = 'G'
	forJoin byte = 'J' // invites, and is closed
)

// answer is what is said to a greeting.
type greetingAnswer struct {
	verdict     byte
	cluster, id string
}

const (
	answerWelcome byte = iota
	answerForeign
	answerUninvited
	answerOther
)

var (
	// errForeign: the other end belongs to another cluster.
	errForeign = errors.New("it belongs to another cluster")
	// errUninvited: the other end takes no part in Raft yet.
	errUninvited = errors.New("it has no state and was not asked to join")
	// errStranger: what answers is no node, or has another cluster key.
	errStranger = errors.New("no Tollgate node answers there, or one with another cluster key")
)

// otherError: another node answers than the one that is wanted.
type otherError struct{ id string }

func (e *otherError) Error() string { return "another node answers there, " + e.id }

// err is why a greeting was refused, nil if it was not.
func (a greetingAnswer) err() error {
	switch a.verdict {
	case answerWelcome:
		return nil
	case answerForeign:
		return fmt.Errorf("%w: it is %s of %s", errForeign, a.id, a.cluster)
	case answerUninvited:
		return errUninvited
	case answerOther:
		return &otherError{a.id}
	}
	return errStranger
}

// writeTo writes the greeting at once.
func (g greeting) writeTo(c net.Conn) error {
	b := append([]byte(greetingMagic), g.purpose)
	_, err := c.Write(appendStrings(b, g.cluster, g.from, g.to))
	return err
}

func readGreeting(c net.Conn) (g greeting, err error) {
	head := make([]byte, len(greetingMagic)+1)
	if _, err := io.ReadFull(c, head); err != nil {
		return g, err
	}
	if string(head[:len(greetingMagic)]) != greetingMagic {
		return g, errors.New("not a Tollgate node of this version")
	}
	g.purpose = head[len(greetingMagic)]
	return g, readStrings(c, &g.cluster, &g.from, &g.to)
}

func (a greetingAnswer) writeTo(c net.Conn) error {
	_, err := c.Write(appendStrings([]byte{a.verdict}, a.cluster, a.id))
	return err
}

func readAnswer(c net.Conn) (a greetingAnswer, err error) {
	var verdict [1]byte
	if _, err := io.ReadFull(c, verdict[:]); err != nil {
		return a, err
	}
	a.verdict = verdict[0]
	return a, readStrings(c, &a.cluster, &a.id)
}

// appendStrings appends strings of at most 255 bytes; IDs are shorter.
func appendStrings(b []byte, list ...string) []byte {
	for _, s := range list {
		b = append(append(b, byte(len(s))), s...)
	}
	return b
}

// readStrings takes no byte that is not the greeting's: what follows is Raft's or
// gRPC's.
func readStrings(r io.Reader, list ...*string) error {
	for _, s := range list {
		var n [1]byte
		if _, err := io.ReadFull(r, n[:]); err != nil {
			return err
		}
		b := make([]byte, n[0])
		if _, err := io.ReadFull(r, b); err != nil {
			return err
		}
		*s = string(b)
	}
	return nil
}
