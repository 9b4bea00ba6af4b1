package cluster

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/tollgate/tollgate/store"
	"github.com/tollgate/tollgate/store/catalog"
)

// TestErrorsOnTheWire: what a peer refused with is what the caller gets, and
// says what it said there.
func TestErrorsOnTheWire(t *testing.T) {
	for _, c := range []struct{ sent, want error }{
		{store.ErrNotLeader, store.ErrNotLeader},
		{store.ErrUnknownOutcome, store.ErrUnknownOutcome},
		{catalog.ErrNotFound, catalog.ErrNotFound},
		{catalog.ErrPrecondition, catalog.ErrPrecondition},
		{ErrNotMember, ErrNotMember},
		{ErrNoMember, ErrNoMember},
		// A peer without a leader leads no more than one that follows; a peer
		// that closes leaves open what it did.
		{store.ErrNoLeader, store.ErrNotLeader},
		{store.ErrClosed, store.ErrUnknownOutcome},
	} {
		if got := fromWire(toWire(c.sent)); !errors.Is(got, c.want) {
			t.Errorf("%v came as %v, want %v", c.sent, got, c.want)
		} else if c.sent == c.want && got != c.want {
			t.Errorf("%v came as %v, with more than was sent", c.sent, got)
		}
		wrapped := fmt.Errorf("members are n1, n2: %w", c.sent)
		if got := fromWire(toWire(wrapped)); !errors.Is(got, c.want) || !strings.Contains(got.Error(), "members are n1, n2") {
			t.Errorf("%v came as %v, want %v with what it says", wrapped, got, c.want)
		}
	}
	// These share a code.
	for _, sent := range []error{catalog.ErrNoConsumer, catalog.ErrNoKey, catalog.ErrNoRevision} {
		if got := fromWire(toWire(sent)); got != sent {
			t.Errorf("%v came as %v", sent, got)
		}
	}
	for _, sent := range []*Refusal{{true, "n1 is a member"}, {false, "cannot be reached"}, {true, ""}} {
		for _, err := range []error{sent, fmt.Errorf("joining: %w", sent)} {
			var got *Refusal
			if came := fromWire(toWire(err)); !errors.As(came, &got) || *got != *sent {
				t.Errorf("%+v came as %+v", sent, came)
			}
		}
	}
	if toWire(nil) != nil || fromWire(nil) != nil {
		t.Error("no error became one")
	}
	// What has no code is an error all the same, and none of the others: it
	// must not be taken for a reason to try again.
	got := fromWire(toWire(errors.New("the disk burns")))
	if got == nil || got.Error() != "the disk burns" {
		t.Errorf("an error without a code came as %v", got)
	}
	for _, known := range []error{store.ErrNotLeader, store.ErrUnknownOutcome, catalog.ErrNotFound, ErrNotMember, ErrNoMember, errUnreachable} {
		if errors.Is(got, known) {
			t.Errorf("an error without a code came as %v", known)
		}
	}
}

// TestErrorsOfTheWire: what gRPC says by itself is no answer of the peer.
func TestErrorsOfTheWire(t *testing.T) {
	for _, code := range []codes.Code{codes.Unavailable, codes.DeadlineExceeded, codes.Canceled, codes.Unknown, codes.Unimplemented, codes.ResourceExhausted} {
		if got := fromWire(status.Error(code, "transport is closing")); !errors.Is(got, errUnreachable) || !strings.Contains(got.Error(), "transport is closing") {
			t.Errorf("%v came as %v", code, got)
		}
	}
	for _, err := range []error{context.DeadlineExceeded, errors.New("dial tcp: refused")} {
		if got := fromWire(err); !errors.Is(got, errUnreachable) {
			t.Errorf("%v came as %v", err, got)
		}
	}
}
