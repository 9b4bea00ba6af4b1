package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/tollgate/tollgate/cmd/internal/cli"
	"github.com/tollgate/tollgate/node"
	"github.com/tollgate/tollgate/store/catalog"
)

// verdict is the answer of `tollgate validate --json`.
type verdict struct {
	Valid bool `json:"valid"`
	// Key and Name are empty when the document is not valid.
	Key      string            `json:"key"`
	Name     string            `json:"name"`
	Errors   []catalog.Problem `json:"errors"`
	Warnings []catalog.Problem `json:"warnings"`
}

func (a *app) validateCommand() *cobra.Command {
	var asJSON bool
	var beside documentFlags
	cmd := &cobra.Command{
		Use:   "validate FILE|-",
		Short: "Check a Swagger or OpenAPI document without a node",
		Args:  cli.Takes("FILE|-"),
		RunE: func(_ *cobra.Command, args []string) error {
			raw, err := a.readDocument(args[0])
			if err != nil {
				return err
			}
			opts := node.ParseOptions()
			opts.Key, opts.Name, opts.Scheme, opts.EndpointServer = beside.key, beside.name, beside.scheme, beside.endpointServer
			doc, err := catalog.Parse(raw, opts)
			var problems catalog.Problems
			if err != nil && !errors.As(err, &problems) {
				return err
			}
			if asJSON {
				if err := a.printVerdict(doc, problems); err != nil {
					return err
				}
			}
			if err != nil {
				return fmt.Errorf("%s is not valid: %s%s", documentName(args[0]), cli.Plural(len(problems), "problem"), problemLines(problems))
			}
			if asJSON {
				return nil
			}
			a.warn(doc.Warnings)
			return a.Print([]byte(describe(args[0], doc)))
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON, for scripts")
	beside.add(cmd)
	return cmd
}

func (a *app) printVerdict(doc *catalog.Document, problems []catalog.Problem) error {
	v := verdict{Valid: doc != nil, Errors: problems, Warnings: []catalog.Problem{}}
	if v.Errors == nil {
		v.Errors = []catalog.Problem{}
	}
	if doc != nil {
		v.Key, v.Name = doc.Domain.Key, doc.Domain.Name
		v.Warnings = append(v.Warnings, doc.Warnings...)
	}
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return a.Print(cli.Line(b))
}

// describe sums a valid document up.
func describe(file string, doc *catalog.Document) string {
	d := doc.Domain
	return fmt.Sprintf("%s is valid: domain %s (%s) with %s and %s\n", documentName(file), cli.Cell(d.Key), cli.Cell(d.Name),
		cli.Plural(len(d.Endpoints), "endpoint"), cli.Plural(len(d.Conditions()), "quota condition"))
}

func documentName(file string) string {
	if file == "-" {
		return "the document"
	}
	return file
}

// readDocument reads a file, or stdin for "-", as far as a document may go:
// one byte more shows that it is too large.
func (a *app) readDocument(file string) ([]byte, error) {
	in := a.Stdin
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in = f
	}
	raw, err := io.ReadAll(io.LimitReader(in, catalog.MaxDocumentBytes+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", documentName(file), err)
	}
	return raw, nil
}
