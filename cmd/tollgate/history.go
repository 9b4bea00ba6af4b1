package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/tollgate/tollgate/cmd/internal/cli"
	"github.com/tollgate/tollgate/node/admin/api"
)

func (a *app) revisionsCommand() *cobra.Command {
	var f clientFlags
	cmd := &cobra.Command{
		Use:   "revisions KEY [REVISION]",
		Short: "List the kept revisions of a domain, or print one",
		Long: "List the revisions of a domain that are kept, the newest first: who saved them, when, and the note. With a\n" +
			"REVISION, print its document. `tollgate diff KEY --from N` compares, `tollgate rollback KEY N` makes one live.",
		Args: cli.Takes("KEY", "[REVISION]"),
		RunE: func(cmd *cobra.Command, args []string) error {
			rq := api.Request{Method: http.MethodGet, Path: api.RevisionsPath(args[0])}
			if len(args) == 1 {
				return a.call(cmd, &f, rq, showRevisions)
			}
			rq.Path += "/" + url.PathEscape(args[1])
			if !f.json {
				rq.Accept = api.AcceptAsItCame
			}
			return a.call(cmd, &f, rq, func(answer []byte, out *bytes.Buffer) error {
				_, err := out.Write(cli.Line(answer))
				return err
			})
		},
	}
	f.add(cmd)
	return cmd
}

func showRevisions(answer []byte, out *bytes.Buffer) error {
	var list []api.Revision
	if err := read(answer, &list); err != nil {
		return err
	}
	rows := make([][]string, len(list))
	for i, r := range list {
		live := ""
		if r.Deployed {
			live = "live"
		}
		rows[i] = []string{strconv.FormatUint(r.Revision, 10), live, r.At, r.Name, r.Note}
	}
	return cli.Table(out, "REVISION|LIVE|SAVED|BY|NOTE", rows)
}

func (a *app) rollbackCommand() *cobra.Command {
	var f clientFlags
	var ifMatch string
	cmd := &cobra.Command{
		Use:   "rollback KEY REVISION",
		Short: "Make a former revision of a domain live again",
		Long: "Make a former revision of a domain live again, on all nodes. The draft stays as it is, and the next `tollgate\n" +
			"deploy` makes that live.",
		Example: "  tollgate rollback shop 7",
		Args:    cli.Takes("KEY", "REVISION"),
		RunE: func(cmd *cobra.Command, args []string) error {
			revision, err := strconv.ParseUint(args[1], 10, 64)
			if err != nil || revision == 0 {
				return cli.Usagef("%s is no revision: revisions are numbered from 1; `tollgate revisions %s` lists them", cli.Cell(args[1]), cli.Cell(args[0]))
			}
			body, err := json.Marshal(api.RollBack{Revision: revision})
			if err != nil {
				return err
			}
			return a.deploy(cmd, &f, args[0], ifMatch, body)
		},
	}
	f.add(cmd)
	addIfMatch(cmd, &ifMatch)
	return cmd
}

func (a *app) auditCommand() *cobra.Command {
	var f clientFlags
	var limit int
	cmd := &cobra.Command{
		Use:   "audit",
		Short: "Show who changed what, the newest first",
		Args:  cli.Takes(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			query := url.Values{"limit": {strconv.Itoa(limit)}}
			return a.call(cmd, &f, api.Request{Method: http.MethodGet, Path: api.AuditPath, Query: query}, showAudit)
		},
	}
	f.add(cmd)
	cmd.Flags().IntVar(&limit, "limit", 50, "how many changes, up to 10000")
	return cmd
}

func showAudit(answer []byte, out *bytes.Buffer) error {
	var list []api.Audit
	if err := read(answer, &list); err != nil {
		return err
	}
	if len(list) == 0 {
		out.WriteString("Nobody has changed anything yet.\n")
		return nil
	}
	rows := make([][]string, len(list))
	for i, c := range list {
		revision := ""
		if c.Revision > 0 {
			revision = strconv.FormatUint(c.Revision, 10)
		}
		rows[i] = []string{c.At, c.Name, c.Role, c.Address, c.Action, c.Domain, revision}
	}
	return cli.Table(out, "AT|NAME|ROLE|ADDRESS|ACTION|OF|REVISION", rows)
}

// showRevisionDiff shows where two revisions differ.
func showRevisionDiff(key string, answer []byte, out *bytes.Buffer) error {
	var d api.RevisionDiff
	if err := read(answer, &d); err != nil {
		return err
	}
	key = cli.Cell(key)
	if d.Equal {
		fmt.Fprintf(out, "%s: revision %d is the same as revision %d\n", key, d.To, d.From)
		return nil
	}
	fmt.Fprintf(out, "%s: from revision %d to revision %d: %s\n", key, d.From, d.To, changeCount(len(d.Changes), d.Truncated))
	for _, c := range d.Changes {
		writeChange(api.Change{Path: c.Path, Draft: c.To, Deployed: c.From}, out)
	}
	if d.Truncated {
		out.WriteString("The node lists no more changes than these; `tollgate revisions KEY REVISION` prints a document.\n")
	}
	return nil
}
