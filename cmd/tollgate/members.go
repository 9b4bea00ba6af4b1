package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tollgate/tollgate/cmd/internal/cli"
	"github.com/tollgate/tollgate/node/admin/api"
)

func (a *app) membersCommand() *cobra.Command {
	var f clientFlags
	cmd := &cobra.Command{
		Use:   "members",
		Short: "List the nodes of the cluster",
		Args:  cli.Takes(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.call(cmd, &f, api.Request{Method: http.MethodGet, Path: api.ClusterPath}, func(answer []byte, out *bytes.Buffer) error {
				status, err := readStatus(answer)
				if err != nil {
					return err
				}
				return showMembers(status, out)
			})
		},
	}
	f.add(cmd)
	return cmd
}

func readStatus(answer []byte) (api.ClusterStatus, error) {
	var status api.ClusterStatus
	return status, read(answer, &status)
}

func showMembers(status api.ClusterStatus, out *bytes.Buffer) error {
	leader := "no leader is known"
	if status.Leader != "" {
		leader = "leader " + cli.Cell(status.Leader)
	}
	fmt.Fprintf(out, "Cluster %s, %s, term %d\n", cli.Cell(status.ClusterID), leader, status.Term)
	rows := make([][]string, len(status.Members))
	for i, m := range status.Members {
		rows[i] = []string{m.ID, m.Role, cli.YesNo(m.Voter), cli.YesNo(m.Reachable), strconv.FormatUint(m.AppliedIndex, 10), m.Version, strconv.FormatUint(uint64(m.Rules), 10), m.ProxyAddress, m.AdminAddress, m.ClusterAddress}
	}
	return cli.Table(out, "ID|ROLE|VOTER|REACHABLE|APPLIED|VERSION|RULES|PROXY|ADMIN|CLUSTER", rows)
}

func (a *app) joinCommand() *cobra.Command {
	var f clientFlags
	var m api.NewMember
	var nonvoter bool
	cmd := &cobra.Command{
		Use:   "join ID --cluster-address HOST:PORT --admin-address HOST:PORT --proxy-address HOST:PORT",
		Short: "Take a running node into the cluster",
		Long: "Take a running node into the cluster. A node that is started with --join asks for this by itself;\n" +
			"the command is for one that was not.",
		Args: cli.Takes("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			m.ID, m.Voter = args[0], !nonvoter
			var missing []string
			for _, name := range []string{"cluster-address", "admin-address", "proxy-address"} {
				if cmd.Flags().Lookup(name).Value.String() == "" {
					missing = append(missing, "--"+name)
				}
			}
			if missing != nil {
				return cli.Usagef("%s must be given: the addresses where the other nodes and clients reach %s", strings.Join(missing, ", "), cli.Cell(m.ID))
			}
			return a.change(cmd, &f, api.JoinPath, m, func(api.ClusterStatus) string {
				return cli.Cell(m.ID) + " is a member of the cluster"
			})
		},
	}
	f.add(cmd)
	flags := cmd.Flags()
	flags.StringVar(&m.ClusterAddress, "cluster-address", "", "`HOST:PORT` for Raft and node-to-node calls")
	flags.StringVar(&m.AdminAddress, "admin-address", "", "`HOST:PORT` of its admin API")
	flags.StringVar(&m.ProxyAddress, "proxy-address", "", "`HOST:PORT` for clients")
	flags.BoolVar(&nonvoter, "nonvoter", false, "it gets no vote")
	return cmd
}

func (a *app) leaveCommand() *cobra.Command {
	var f clientFlags
	cmd := &cobra.Command{
		Use:   "leave ID",
		Short: "Remove a node from the cluster for good",
		Args:  cli.Takes("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.change(cmd, &f, api.LeavePath, api.MemberID{ID: args[0]}, func(api.ClusterStatus) string {
				return cli.Cell(args[0]) + " has left the cluster"
			})
		},
	}
	f.add(cmd)
	return cmd
}

func (a *app) transferCommand() *cobra.Command {
	var f clientFlags
	cmd := &cobra.Command{
		Use:   "transfer [ID]",
		Short: "Hand leadership over, to one node or to any voter",
		Args:  cli.Takes("[ID]"),
		RunE: func(cmd *cobra.Command, args []string) error {
			var body api.MemberID
			if len(args) == 1 {
				body.ID = args[0]
			}
			return a.change(cmd, &f, api.TransferPath, body, func(status api.ClusterStatus) string {
				if status.Leader == "" {
					return "leadership was handed over; the new leader is not known yet"
				}
				return "the leader is " + cli.Cell(status.Leader)
			})
		},
	}
	f.add(cmd)
	return cmd
}

// change sends a command of the cluster and says in a sentence what it did.
func (a *app) change(cmd *cobra.Command, f *clientFlags, path string, body any, sentence func(api.ClusterStatus) string) error {
	raw, err := json.Marshal(body)
	if err != nil {
		return err
	}
	return a.call(cmd, f, api.Request{Method: http.MethodPost, Path: path, Body: raw}, func(answer []byte, out *bytes.Buffer) error {
		status, err := readStatus(answer)
		if err != nil {
			return err
		}
		out.WriteString(sentence(status) + "\n")
		return nil
	})
}
