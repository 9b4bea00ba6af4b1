package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tollgate/tollgate/cmd/internal/cli"
	"github.com/tollgate/tollgate/node/admin/api"
	"github.com/tollgate/tollgate/store/catalog"
)

// maxDiffValue is how many characters of a value a line of a diff shows.
const maxDiffValue = 200

func (a *app) diffCommand() *cobra.Command {
	var f clientFlags
	var from, to uint64
	cmd := &cobra.Command{
		Use:   "diff KEY",
		Short: "Show what a deploy of a domain's draft would change, or how two revisions differ",
		Long: "Show where a domain's draft differs from what is live: + stands only in the draft, - only in what is live,\n" +
			"~ in both, with the live value first. Secret keys are never shown. Long values are cut; --json has them whole.\n" +
			"With --from or --to, two revisions of `tollgate revisions` are compared in the same way.\n" +
			"Exit status 0 whether or not they differ.",
		Args: cli.Takes("KEY"),
		RunE: func(cmd *cobra.Command, args []string) error {
			query := url.Values{}
			show := showDiff
			for name, revision := range map[string]uint64{"from": from, "to": to} {
				if cmd.Flags().Changed(name) {
					query.Set(name, strconv.FormatUint(revision, 10))
					show = showRevisionDiff
				}
			}
			return a.call(cmd, &f, api.Request{Method: http.MethodGet, Path: api.DiffPath(args[0]), Query: query}, func(answer []byte, out *bytes.Buffer) error {
				return show(args[0], answer, out)
			})
		},
	}
	f.add(cmd)
	cmd.Flags().Uint64Var(&from, "from", 0, "the `REVISION` to compare with (default: what is live)")
	cmd.Flags().Uint64Var(&to, "to", 0, "the `REVISION` to compare (default: the draft)")
	return cmd
}

func showDiff(key string, answer []byte, out *bytes.Buffer) error {
	var d api.Diff
	if err := read(answer, &d); err != nil {
		return err
	}
	key = cli.Cell(key)
	switch {
	case d.DeployedRevision == nil:
		fmt.Fprintf(out, "%s: nothing is live yet; `tollgate deploy %s` makes the draft, revision %d, live\n", key, key, d.DraftRevision)
		return nil
	case d.Equal:
		fmt.Fprintf(out, "%s: the draft, revision %d, is the same as what is live, revision %d\n", key, d.DraftRevision, *d.DeployedRevision)
		return nil
	}
	count := changeCount(len(d.Changes), d.Truncated)
	fmt.Fprintf(out, "%s: from revision %d, which is live, to the draft, revision %d: %s\n", key, *d.DeployedRevision, d.DraftRevision, count)
	writeChanges(&d, out)
	if d.Truncated {
		out.WriteString("The node lists no more changes than these; `tollgate export` prints both documents.\n")
	}
	return nil
}

// changeCount is how many changes there are.
func changeCount(n int, truncated bool) string {
	count := cli.Plural(n, "change")
	if truncated {
		count = "more than " + count
	}
	return count
}

// writeChanges writes a line a change.
func writeChanges(d *api.Diff, out *bytes.Buffer) {
	for _, c := range d.Changes {
		writeChange(c, out)
	}
}

func writeChange(c api.Change, out *bytes.Buffer) {
	path, draft, live := cli.Cell(c.Path), diffValue(c.Draft), diffValue(c.Deployed)
	switch {
	case c.Deployed == nil:
		fmt.Fprintf(out, "+ %s: %s\n", path, draft)
	case c.Draft == nil:
		fmt.Fprintf(out, "- %s: %s\n", path, live)
	case isMask(c.Draft) && isMask(c.Deployed):
		fmt.Fprintf(out, "~ %s: another secret\n", path)
	default:
		fmt.Fprintf(out, "~ %s: %s -> %s\n", path, live, draft)
	}
}

func isMask(value json.RawMessage) bool { return string(value) == `"`+catalog.SecretPlaceholder+`"` }

// diffValue is a value on one line, as far as a line goes.
func diffValue(value json.RawMessage) string {
	text := []rune(string(value))
	if len(text) <= maxDiffValue {
		return cli.Cell(string(text))
	}
	return strings.TrimRight(cli.Cell(string(text[:maxDiffValue])), " ") + "…"
}
