package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/tollgate/tollgate/cmd/internal/cli"
	"github.com/tollgate/tollgate/node/admin/api"
	"github.com/tollgate/tollgate/store/catalog"
)

// call sends one request and prints the answer: its JSON as it came, or what
// show makes of it for people.
func (a *app) call(cmd *cobra.Command, f *clientFlags, rq api.Request, show func(answer []byte, out *bytes.Buffer) error) error {
	return a.callForTag(cmd, f, rq, func(answer *api.Answer, out *bytes.Buffer) error { return show(answer.Body, out) })
}

// callForTag is call where the answer's ETag is shown too.
func (a *app) callForTag(cmd *cobra.Command, f *clientFlags, rq api.Request, show func(answer *api.Answer, out *bytes.Buffer) error) error {
	c, err := a.client(f)
	if err != nil {
		return err
	}
	answer, err := c.do(cmd.Context(), rq)
	var refused *refusedError
	if f.json && errors.As(err, &refused) {
		return errors.Join(err, a.Print(cli.Line(refused.answer.Body)))
	}
	if err != nil {
		return err
	}
	if f.json {
		return a.Print(cli.Line(answer.Body))
	}
	var out bytes.Buffer
	if err := show(answer, &out); err != nil {
		return err
	}
	return a.Print(out.Bytes())
}

// read decodes an answer of a node.
func read(answer []byte, into any) error {
	if err := json.Unmarshal(answer, into); err != nil {
		return fmt.Errorf("the node's answer is not what this version of tollgate expects: %w", err)
	}
	return nil
}

// warn lists warnings on stderr: stdout is for what was asked.
func (a *app) warn(warnings []catalog.Problem) {
	for _, w := range warnings {
		fmt.Fprintf(a.Stderr, "warning: %s: %s\n", cli.Cell(w.Path), cli.Cell(w.Message))
	}
}
