package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tollgate/tollgate/cluster"
	"github.com/tollgate/tollgate/cluster/pki"
	"github.com/tollgate/tollgate/cmd/internal/cli"
	"github.com/tollgate/tollgate/node"
	"github.com/tollgate/tollgate/store"
)

func (a *app) recoverCommand() *cobra.Command {
	var r recovery
	var members []string
	cmd := &cobra.Command{
		Use:   "recover --data-dir DIR --yes",
		Short: "Make a cluster of one node whose majority is gone for good",
		Long: "Make a cluster of one node, which does not run, alone: for when the majority of its cluster is gone for good.\n" +
			"Choose the node whose log goes furthest. What only the others had is lost; what this node has and what was never\n" +
			"committed, counts from now on. The cluster keeps its ID and begins a new generation: nodes of the former one are\n" +
			"foreign to it, and join it again with empty data directories. The other members are asked before: while a majority\n" +
			"of them answers, nothing is recovered. With --members, those that are left stay members, without a vote until they\n" +
			"join anew, and only the node with the most recovers. Without --yes it only says what it would do.",
		Example: "  tollgate recover --data-dir /var/lib/tollgate --yes\n" +
			"  tollgate recover --data-dir /var/lib/tollgate --members n2=10.0.0.2:7001,n3=10.0.0.3:7001 --yes",
		Args: cli.Takes(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if r.dataDir == "" {
				return cli.Usagef("--data-dir is missing: the data directory of the node that is left")
			}
			var err error
			if r.survivors, err = parseMembers(members); err != nil {
				return err
			}
			return a.recover(cmd.Context(), &r)
		},
	}
	cmd.Flags().StringVar(&r.dataDir, "data-dir", "", "`DIR` of the node's data")
	cmd.Flags().StringSliceVar(&members, "members", nil, "the members that are left, as `ID=ADDRESS,…` of their cluster ports")
	cmd.Flags().BoolVar(&r.yes, "yes", false, "do it")
	addKeyFile(cmd, &r.keyFile)
	return cmd
}

// recovery is what recover is told.
type recovery struct {
	dataDir, keyFile string
	survivors        []store.Server
	yes              bool
}

// parseMembers reads --members.
func parseMembers(list []string) (members []store.Server, err error) {
	for _, item := range list {
		id, addr, ok := strings.Cut(item, "=")
		if !ok {
			return nil, cli.Usagef("--members %s: must be ID=ADDRESS, such as n2=10.0.0.2:7001", cli.Cell(item))
		}
		if err := cluster.CheckID(id); err != nil {
			return nil, cli.Usagef("--members %s: the ID %w", cli.Cell(item), err)
		}
		if err := cluster.CheckAddress(addr); err != nil {
			return nil, cli.Usagef("--members %s: the address %w", cli.Cell(item), err)
		}
		if slices.ContainsFunc(members, func(m store.Server) bool { return m.ID == id }) {
			return nil, cli.Usagef("--members: %s is there twice", id)
		}
		members = append(members, store.Server{ID: id, Address: addr})
	}
	return members, nil
}

var errNotConfirmed = errors.New("not confirmed")

func (a *app) recover(ctx context.Context, r *recovery) error {
	key, err := a.secretOf("", "", "--"+node.ClusterKeyFile, r.keyFile, envClusterKey, envClusterKeyFile)
	if err != nil {
		return err
	}
	var authority *pki.Authority
	if key != "" {
		if authority, err = pki.Derive(key); err != nil {
			return err
		}
	}
	done, err := store.Recover(r.dataDir, slog.New(slog.DiscardHandler), func(found store.Recoverable) ([]store.Server, error) {
		others, err := r.others(found)
		if err != nil {
			return nil, err
		}
		asked := cluster.Survey(ctx, found.ID, found.Identity, authority, others)
		a.tell(found, asked)
		if err := r.refuse(found, asked); err != nil {
			return nil, err
		}
		if !r.yes {
			return nil, errNotConfirmed
		}
		return r.survivors, nil
	})
	if errors.Is(err, errNotConfirmed) {
		return cli.Usagef("nothing was changed; --yes does it")
	}
	if err != nil {
		return err
	}
	who := "is " + cli.Cell(done.ID) + " alone now"
	if len(r.survivors) > 0 {
		who = "has " + cli.Plural(1+len(r.survivors), "member") + " now, of which " + cli.Cell(done.ID) + " votes"
	}
	return a.Print(fmt.Appendf(nil, "Cluster %s %s, generation %d, with %s. Start it as before; start the others with --join and empty\ndata directories.\n",
		cli.Cell(done.ClusterID), who, done.Generation, cli.Plural(done.Domains, "domain")))
}

// others are the members but this one, where --members or the membership has them. It
// takes this one out of --members.
func (r *recovery) others(found store.Recoverable) (others []store.Server, err error) {
	r.survivors = slices.DeleteFunc(r.survivors, func(m store.Server) bool { return m.ID == found.ID })
	for _, m := range found.Before {
		if m.ID == found.ID {
			continue
		}
		for _, s := range r.survivors {
			if s.ID == m.ID {
				m.Address = s.Address
			}
		}
		others = append(others, m)
	}
	for _, s := range r.survivors {
		if !slices.ContainsFunc(others, func(m store.Server) bool { return m.ID == s.ID }) {
			return nil, cli.Usagef("--members: %s is no member of this cluster: the others are %s", s.ID, ids(others))
		}
	}
	return others, nil
}

func ids(members []store.Server) string {
	var list []string
	for _, m := range members {
		list = append(list, cli.Cell(m.ID))
	}
	return strings.Join(list, ", ")
}

// tell says what there is, and what may be lost.
func (a *app) tell(found store.Recoverable, asked []cluster.Survivor) {
	fmt.Fprintf(a.Stderr, "Node %s has the log up to entry %d of term %d. Its cluster has had %s.\n",
		cli.Cell(found.ID), found.Index, found.Term, cli.Plural(len(found.Before), "member"))
	var others []store.Server
	for _, s := range asked {
		others = append(others, s.Server)
		if s.Err != nil {
			fmt.Fprintf(a.Stderr, "%s does not answer: %s\n", cli.Cell(s.ID), cli.Cell(s.Err.Error()))
		} else {
			fmt.Fprintf(a.Stderr, "%s answers, and has the log up to entry %d of term %d.\n", cli.Cell(s.ID), s.Index, s.Term)
		}
	}
	if len(others) > 0 {
		fmt.Fprintf(a.Stderr, "Without %s, what only they had is lost: changes that were answered, and what is used of quotas. What this\nnode has counts from now on, whether or not it was committed. None of them may run, or come back with its data.\n", ids(others))
	}
}

// refuse says why this node must not recover: a majority is there, or another of the
// survivors has more.
func (r *recovery) refuse(found store.Recoverable, asked []cluster.Survivor) error {
	voters, answer := 0, []store.Server{}
	for _, m := range found.Before {
		if m.Voter {
			voters++
		}
	}
	for _, s := range asked {
		if s.Err == nil && s.Voter {
			answer = append(answer, s.Server)
		}
	}
	if len(answer) > voters/2 {
		return fmt.Errorf("a majority of the cluster is there: %s answer, of %s. Start this node as before, and nothing is lost", ids(answer), cli.Plural(voters, "voter"))
	}
	for _, s := range asked {
		if len(r.survivors) > 0 && s.Ahead(found.Index, found.Term) {
			return fmt.Errorf("%s has more, up to entry %d of term %d: recover that node", cli.Cell(s.ID), s.Index, s.Term)
		}
	}
	return nil
}
