// Package envelope is the body of every answer that a node itself makes as an
// error, on the client port as on the admin port (spec section 2).
package envelope

import (
	"encoding/json"
	"fmt"

	"github.com/tollgate/tollgate/store/catalog"
)

// ContentType goes with every envelope.
const ContentType = "application/json;charset=UTF-8"

// Error is an answer that refuses. Its JSON form is the contract, to the byte.
type Error struct {
	// Status is the HTTP status.
	Status int
	// Code is the five-digit result code.
	Code int
	// Message is the result message without the code that prefixes it.
	Message string
	// Details lists the single problems, where there is a list of them.
	Details []catalog.Problem
}

// New is an Error without details.
func New(status, code int, message string) *Error {
	return &Error{Status: status, Code: code, Message: message}
}

// Error makes the envelope usable as a Go error.
func (e *Error) Error() string { return fmt.Sprintf("%d %s", e.Code, e.Message) }

// JSON is the envelope's bytes, keys in the order of the contract.
func (e *Error) JSON() []byte {
	type header struct {
		ResultCode    int    `json:"resultCode"`
		ResultMessage string `json:"resultMessage"`
		IsSuccessful  bool   `json:"isSuccessful"`
	}
	b, err := json.Marshal(struct {
		Header header            `json:"header"`
		Errors []catalog.Problem `json:"errors,omitempty"`
	}{header{e.Code, e.Error(), false}, e.Details})
	if err != nil { // strings and ints only: cannot happen
		panic(err)
	}
	return b
}
