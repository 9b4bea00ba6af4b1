package upstream

import (
	"errors"
	"fmt"
)

// Reason is why a call failed.
type Reason uint8

// The reasons.
const (
	// Timeout: no head within the call's Timeout, a longer pause behind it, or
	// no connection within ConnectTimeout.
	Timeout Reason = iota
	// Connect: the name, the connection or TLS failed.
	Connect
	// Busy: all Config.MaxConns connections were in use for Config.ConnWait.
	Busy
	// Broken: the connection broke, or what came is no answer.
	Broken
	// TooLarge: the answer's body has more than Config.MaxBody bytes.
	TooLarge
	// Full: Config.Memory had not enough left for the answer.
	Full
	// NoTarget: no target of a Group was tried, see Group.Do.
	NoTarget
	// Reasons is their number.
	Reasons
)

func (r Reason) String() string {
	return [Reasons]string{"timeout", "connect", "busy", "broken", "too_large", "full", "no_target"}[r]
}

// Error is a call without an answer that can be passed on.
type Error struct {
	Reason Reason
	Err    error
	// Unsent is true where no byte of the request was sent.
	Unsent bool
}

func (e *Error) Error() string { return e.Reason.String() + ": " + e.Err.Error() }
func (e *Error) Unwrap() error { return e.Err }

var errManyUploads = errors.New("too many bodies are still coming")

var errFull = errors.New("the memory for answers is used up (a quarter of --body-memory)")

// unsent is fail for a request of which no byte was sent.
func (s *Server) unsent(err error, otherwise Reason) *Error {
	e := s.fail(err, otherwise)
	e.Unsent = true
	return e
}

// fail makes an Error of whatever went wrong; otherwise is its reason when it
// is neither a timeout nor one of the pool's or reader's own.
func (s *Server) fail(err error, otherwise Reason) *Error {
	var own *Error
	switch {
	case errors.As(err, &own):
		return own
	case isTimeout(err):
		return &Error{Reason: Timeout, Err: err}
	case errors.Is(err, errManyUploads):
		return &Error{Reason: Busy, Err: fmt.Errorf("%d bodies that are still coming are being sent, half of all connections (--upstream-max-conns)", cap(s.uploads))}
	case errors.Is(err, errBusy):
		return &Error{Reason: Busy, Err: fmt.Errorf("all %d connections (--upstream-max-conns) were in use for %v (--upstream-conn-wait)", s.cfg.MaxConns, s.cfg.ConnWait)}
	}
	return &Error{Reason: otherwise, Err: err}
}
