package log

import (
	"errors"
	"fmt"

	"github.com/hashicorp/raft"
)

// Errors that callers of a Store see; no error of the raft package leaves it.
var (
	// ErrNotLeader: this node does not lead. Nothing was proposed.
	ErrNotLeader = errors.New("this node is not the leader")
	// ErrNoLeader: no leader is known now. Nothing was proposed.
	ErrNoLeader = errors.New("the cluster has no leader now")
	// ErrUnknownOutcome: leadership was lost, or time ran out, with the
	// command under way. It may yet be applied, or never.
	ErrUnknownOutcome = errors.New("the outcome is unknown: leadership was lost or time ran out with the command under way")
	// ErrClosed: the store is closed; a command under way then has an unknown
	// outcome.
	ErrClosed = errors.New("the store is closed")
)

// translate turns an error of the raft package into one of the above. Enqueue
// timeouts are certain (nothing was enqueued) because we do not set
// BatchApplyCh; lost leadership is not (raft Apply documentation).
func translate(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, raft.ErrNotLeader), errors.Is(err, raft.ErrLeadershipTransferInProgress), errors.Is(err, raft.ErrEnqueueTimeout):
		return ErrNotLeader
	case errors.Is(err, raft.ErrLeadershipLost), errors.Is(err, raft.ErrAbortedByRestore):
		return ErrUnknownOutcome
	case errors.Is(err, raft.ErrRaftShutdown):
		return ErrClosed
	default:
		// Such as a disk that refuses the log: raft steps down and the entry
		// may or may not have reached others.
		return fmt.Errorf("%w (%v)", ErrUnknownOutcome, err)
	}
}
