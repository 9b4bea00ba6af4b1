package main

import (
	"bytes"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tollgate/tollgate/cmd/internal/cli"
	"github.com/tollgate/tollgate/node/admin/api"
)

func (a *app) statsCommand() *cobra.Command {
	var f clientFlags
	var from, to, endpoint string
	var step int
	cmd := &cobra.Command{
		Use:   "stats KEY",
		Short: "Show what happened to a domain's calls",
		Long: "Show what happened to a domain's calls, of all nodes together, up to this moment. Without flags it is the last hour,\n" +
			"minute by minute. Times are Unix seconds, or such as 2026-01-31T09:00:00Z.",
		Example: "  tollgate stats shop --from 2026-01-31T00:00:00Z --step 600\n" +
			"  tollgate stats shop --endpoint \"GET /items/{id}\" --json",
		Args: cli.Takes("KEY"),
		RunE: func(cmd *cobra.Command, args []string) error {
			query := url.Values{}
			for flag, text := range map[string]string{"from": from, "to": to} {
				if text == "" {
					continue
				}
				at, err := unixSeconds(text)
				if err != nil {
					return cli.Usagef("--%s %s: must be Unix seconds, or a time such as 2026-01-31T09:00:00Z", flag, cli.Cell(text))
				}
				query.Set(flag, strconv.FormatInt(at, 10))
			}
			if step != 0 {
				query.Set("step", strconv.Itoa(step))
			}
			if endpoint != "" {
				query.Set("endpoint", endpoint)
			}
			return a.call(cmd, &f, api.Request{Method: http.MethodGet, Path: api.StatsPath(args[0]), Query: query}, showStats)
		},
	}
	f.add(cmd)
	flags := cmd.Flags()
	flags.StringVar(&from, "from", "", "the first `TIME` that is told of (default an hour before --to)")
	flags.StringVar(&to, "to", "", "the `TIME` before which it ends (default now)")
	flags.IntVar(&step, "step", 0, "`SECONDS` of a line: 60, 600 or 86400 (default the shortest that is kept since --from)")
	flags.StringVar(&endpoint, "endpoint", "", "this `ENDPOINT` alone, such as \"GET /items/{id}\"")
	return cmd
}

// unixSeconds reads a time as people write it.
func unixSeconds(text string) (int64, error) {
	if at, err := strconv.ParseInt(text, 10, 64); err == nil {
		return at, nil
	}
	at, err := time.Parse(time.RFC3339, text)
	return at.Unix(), err
}

func showStats(answer []byte, out *bytes.Buffer) error {
	var s api.Stats
	if err := read(answer, &s); err != nil {
		return err
	}
	if len(s.Points) == 0 {
		fmt.Fprintf(out, "%s: no calls from %s to %s\n", cli.Cell(s.Domain), utc(s.From), utc(s.To))
	} else {
		rows := make([][]string, 0, len(s.Points)+1)
		for i := range s.Points {
			p := &s.Points[i]
			endpoint := p.Endpoint
			if endpoint == "" {
				endpoint = "(none)"
			}
			rows = append(rows, statsRow(utc(p.At), endpoint, &p.CallStats))
		}
		rows = append(rows, statsRow("(sum)", "", &s.Sum))
		if err := cli.Table(out, "AT|ENDPOINT|TOTAL|SUCCESSES|FAILURES|BY GATEWAY|MEAN MS|P50 MS|P99 MS|BYTES OUT|REFUSALS", rows); err != nil {
			return err
		}
	}
	if len(s.Missing) > 0 {
		fmt.Fprintf(out, "\n%s did not answer: their calls are missing.\n", cli.Cell(strings.Join(s.Missing, ", ")))
	}
	return nil
}

func statsRow(at, endpoint string, c *api.CallStats) []string {
	row := []string{at, endpoint}
	for _, n := range []uint64{c.Total, c.Successes, c.Failures, c.ByGateway} {
		row = append(row, strconv.FormatUint(n, 10))
	}
	for _, ms := range []float64{c.MeanMillis, c.P50Millis, c.P99Millis} {
		row = append(row, strconv.FormatFloat(ms, 'f', 3, 64))
	}
	var refusals []string
	for _, code := range slices.Sorted(maps.Keys(c.Refusals)) {
		refusals = append(refusals, fmt.Sprintf("%s: %d", code, c.Refusals[code]))
	}
	return append(row, strconv.FormatUint(c.BytesOut, 10), strings.Join(refusals, ", "))
}

// utc is a time in Unix seconds for people.
func utc(at int64) string { return time.Unix(at, 0).UTC().Format(time.RFC3339) }
