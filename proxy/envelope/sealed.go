package envelope

// Sealed is an Error whose bytes are built, for answers made at the rate of
// requests. It is read-only and safe for concurrent use.
type Sealed struct {
	// Status is the HTTP status, Code the five-digit result code.
	Status, Code int
	// Body is the JSON form.
	Body []byte
	// Closes is true where the connection cannot be trusted to be at the start
	// of a next request, or would only be used to send more of the same.
	Closes bool

	text string
}

// Error makes the envelope usable as a Go error.
func (s *Sealed) Error() string { return s.text }

// Seal builds the bytes of e.
func (e *Error) Seal() *Sealed {
	return &Sealed{Status: e.Status, Code: e.Code, Body: e.JSON(), text: e.Error()}
}

// SealClosing is Seal for an answer after which the connection is closed.
func (e *Error) SealClosing() *Sealed {
	s := e.Seal()
	s.Closes = true
	return s
}
