package main

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tollgate/tollgate/cmd/internal/cli"
	"github.com/tollgate/tollgate/store"
	"github.com/tollgate/tollgate/store/log"
)

func (a *app) recoverCommand() *cobra.Command {
	var dataDir string
	var yes bool
	cmd := &cobra.Command{
		Use:   "recover --data-dir DIR --yes",
		Short: "Make a cluster of one node whose majority is gone for good",
		Long: "Make a cluster of one node, which does not run, alone: for when the majority of its cluster is gone for good.\n" +
			"Choose the node that has applied most. What only the others had is lost; what this node has and what was never\n" +
			"committed, counts from now on. The cluster keeps its ID and begins a new generation: nodes of the former one are\n" +
			"foreign to it, and join it again with empty data directories. Without --yes it only says what it would do.",
		Example: "  tollgate recover --data-dir /var/lib/tollgate --yes",
		Args:    cli.Takes(),
		RunE: func(*cobra.Command, []string) error {
			if dataDir == "" {
				return cli.Usagef("--data-dir is missing: the data directory of the node that is left")
			}
			r, err := store.Recover(dataDir, slog.New(slog.DiscardHandler), func(found log.Recovered) error {
				var others []string
				for _, m := range found.Before {
					if m.ID != found.ID {
						others = append(others, cli.Cell(m.ID))
					}
				}
				fmt.Fprintf(a.Stderr, "Node %s has the log up to entry %d of term %d. Its cluster has had %s.\n",
					cli.Cell(found.ID), found.Index, found.Term, cli.Plural(len(found.Before), "member"))
				if len(others) > 0 {
					fmt.Fprintf(a.Stderr, "Without %s, what only they had is lost: changes that were answered, and what is used of quotas. What this\nnode has counts from now on, whether or not it was committed. None of them may run, or come back with its data.\n", strings.Join(others, ", "))
				}
				if !yes {
					return errNotConfirmed
				}
				return nil
			})
			if errors.Is(err, errNotConfirmed) {
				return cli.Usagef("nothing was changed; --yes does it")
			}
			if err != nil {
				return err
			}
			return a.Print(fmt.Appendf(nil, "Cluster %s is %s alone now, generation %d, with %s. Start it as before; start the others with --join and empty\ndata directories.\n",
				cli.Cell(r.ClusterID), cli.Cell(r.ID), r.Generation, cli.Plural(r.Domains, "domain")))
		},
	}
	cmd.Flags().StringVar(&dataDir, "data-dir", "", "`DIR` of the node's data")
	cmd.Flags().BoolVar(&yes, "yes", false, "do it")
	return cmd
}

var errNotConfirmed = errors.New("not confirmed")
