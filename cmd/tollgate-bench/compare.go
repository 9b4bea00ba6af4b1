package main

import (
	"bytes"

	"github.com/spf13/cobra"

	"github.com/tollgate/tollgate/bench/report"
	"github.com/tollgate/tollgate/cmd/internal/cli"
)

func (a *app) compareCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "compare OLD NEW",
		Short: "Compare two results of the benchmark",
		Long: "Compare two results of `tollgate-bench run`, each its folder or the report.json in it: every figure of both,\n" +
			"whether it differs by more than its noise, and, of two runs of one commit, whether they agree.",
		Args: cli.Takes("OLD", "NEW"),
		RunE: func(_ *cobra.Command, args []string) error {
			before, err := report.Load(args[0])
			if err != nil {
				return err
			}
			after, err := report.Load(args[1])
			if err != nil {
				return err
			}
			var out bytes.Buffer
			if err := report.Compare(before, after).Write(&out); err != nil {
				return err
			}
			return a.Print(out.Bytes())
		},
	}
}
