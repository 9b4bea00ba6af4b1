package cluster

import (
	"errors"
	"fmt"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/tollgate/tollgate/store"
	"github.com/tollgate/tollgate/store/catalog"
)

var (
	// ErrNotMember: the node that asks has left, or never joined, the cluster.
	ErrNotMember = errors.New("the node is not a member of the cluster")
	// ErrNoMember: the member that a change is about is none of the cluster's.
	ErrNoMember = errors.New("no such member")
	// errUnreachable: the peer did not answer; what was asked of it may or
	// may not have happened.
	errUnreachable = errors.New("the node did not answer")
)

// Refusal is a change of the cluster that was understood and refused: nothing
// was changed.
type Refusal struct {
	// Conflict is true for what contradicts the present state of the
	// cluster, false for what is wrong in itself.
	Conflict bool
	// Message says what is wrong and what would be right.
	Message string
}

func (r *Refusal) Error() string { return r.Message }

func refuse(format string, args ...any) error {
	return &Refusal{Message: fmt.Sprintf(format, args...)}
}

func conflict(format string, args ...any) error {
	return &Refusal{Conflict: true, Message: fmt.Sprintf(format, args...)}
}

// wireCodes is how errors cross the wire, both ways. Codes that gRPC itself
// gives (Unavailable, DeadlineExceeded, …) are none of them.
var wireCodes = []struct {
	err  error
	code codes.Code
}{
	{store.ErrNotLeader, codes.FailedPrecondition},
	{store.ErrUnknownOutcome, codes.Aborted},
	// A peer that knows no leader does not lead. What was under way at a peer that
	// closes may have happened. Of two errors with one code, the first comes back.
	{store.ErrNoLeader, codes.FailedPrecondition},
	{store.ErrClosed, codes.Aborted},
	{catalog.ErrNotFound, codes.NotFound},
	{catalog.ErrPrecondition, codes.OutOfRange},
	{catalog.ErrNoConsumer, codes.NotFound}, // told apart by their text
	{catalog.ErrNoKey, codes.NotFound},
	{catalog.ErrNoRevision, codes.NotFound},
	{ErrNotMember, codes.PermissionDenied},
	{ErrNoMember, codes.DataLoss}, // a code that nothing else uses
}

// Refusals cross as these two codes, with their message.
const (
	codeRefused  = codes.InvalidArgument
	codeConflict = codes.AlreadyExists
)

// toWire gives an error its code.
func toWire(err error) error {
	if err == nil {
		return nil
	}
	var r *Refusal
	if errors.As(err, &r) {
		if r.Conflict {
			return status.Error(codeConflict, r.Message)
		}
		return status.Error(codeRefused, r.Message)
	}
	for _, w := range wireCodes {
		if errors.Is(err, w.err) {
			return status.Error(w.code, err.Error())
		}
	}
	return status.Error(codes.Internal, err.Error())
}

// fromWire is the inverse of toWire; what never came from a peer's toWire is
// errUnreachable.
func fromWire(err error) error {
	if err == nil {
		return nil
	}
	st := status.Convert(err)
	switch st.Code() {
	case codeConflict:
		return &Refusal{Conflict: true, Message: st.Message()}
	case codeRefused:
		return &Refusal{Message: st.Message()}
	case codes.Internal:
		return errors.New(st.Message())
	}
	for _, w := range wireCodes {
		if st.Code() == codes.NotFound && w.code == codes.NotFound && st.Message() == w.err.Error() {
			return w.err
		}
	}
	for _, w := range wireCodes {
		if st.Code() == w.code {
			if st.Message() == w.err.Error() {
				return w.err
			}
			return fmt.Errorf("%w (%s)", w.err, st.Message())
		}
	}
	return fmt.Errorf("%w: %s", errUnreachable, st.Message())
}
