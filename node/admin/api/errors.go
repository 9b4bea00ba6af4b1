package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/tollgate/tollgate/store/catalog"
)

// Error is an answer other than the success of a call.
type Error struct {
	Status int
	// Code and Message are the envelope's (spec section 2), Problems its list of
	// errors. Code is 0 where the answer is none of the admin API's, Message then
	// what it says.
	Code     int
	Message  string
	Problems []catalog.Problem
	// ContentType and Body are the answer as it came.
	ContentType string
	Body        []byte
}

// Error is the status and what was said.
func (e *Error) Error() string {
	text := fmt.Sprintf("%d %s: %s", e.Status, http.StatusText(e.Status), e.Message)
	for _, p := range e.Problems {
		text += "; " + p.Path + ": " + p.Message
	}
	return text
}

// newError reads an answer that is no success.
func newError(r *response) *Error {
	e := &Error{Status: r.Status, ContentType: r.header.Get("Content-Type"), Body: r.Body}
	envelope, ok := readEnvelope(r.Body)
	if r.Status < 400 || !ok {
		e.Message = strings.TrimSpace(string(r.Body))
		return e
	}
	e.Code, e.Message, e.Problems = envelope.Header.ResultCode, envelope.Header.ResultMessage, envelope.Errors
	return e
}

// envelope is what a refusal says (spec section 2).
type envelope struct {
	Header *struct {
		ResultCode    int    `json:"resultCode"`
		ResultMessage string `json:"resultMessage"`
	} `json:"header"`
	Errors []catalog.Problem `json:"errors"`
}

func readEnvelope(body []byte) (e envelope, ok bool) {
	err := json.Unmarshal(body, &e)
	return e, err == nil && e.Header != nil
}

// ResultCode is the code in an envelope, of the client port's too; 0 where the
// body is none.
func ResultCode(body []byte) int {
	e, ok := readEnvelope(body)
	if !ok {
		return 0
	}
	return e.Header.ResultCode
}

// LostError is a call without an answer.
type LostError struct {
	// Sent tells whether the call may have arrived, at least partly.
	Sent bool
	Err  error
}

// Error is what went wrong.
func (e *LostError) Error() string { return e.Err.Error() }

// Unwrap is what went wrong.
func (e *LostError) Unwrap() error { return e.Err }

// withoutURL is an error of http.Client without method and URL, which the
// caller knows.
func withoutURL(err error) error {
	var outer *url.Error
	if errors.As(err, &outer) {
		return outer.Err
	}
	return err
}

// StatusOf is the status that an error of a call has, 0 where no answer came.
func StatusOf(err error) int {
	var e *Error
	if errors.As(err, &e) {
		return e.Status
	}
	return 0
}
