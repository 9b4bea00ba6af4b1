package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/tollgate/tollgate/cmd/internal/cli"
	"github.com/tollgate/tollgate/node/admin/api"
	"github.com/tollgate/tollgate/store/catalog"
)

const (
	// nearEnd is the share of a quota, in percent, from which on the status shows it,
	// and mostNear how many it shows.
	nearEnd  = 80
	mostNear = 10
	// mostAsked bounds the domains whose quotas the status reads out.
	mostAsked = 200
)

// overview is what `tollgate status --json` prints.
type overview struct {
	Cluster api.ClusterStatus `json:"cluster"`
	Domains []catalog.Summary `json:"domains"`
	// NearEnd are the conditions of which nearEnd percent or more are used, the
	// fullest first.
	NearEnd []nearQuota `json:"nearEnd"`
	// NotAsked is how many live domains were not asked for their quotas.
	NotAsked int `json:"notAsked"`
}

type nearQuota struct {
	Domain string `json:"domain"`
	api.Condition
}

func (a *app) statusCommand() *cobra.Command {
	var f clientFlags
	var watch time.Duration
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show on one screen how the cluster stands",
		Long: "Show on one screen how the cluster stands: its members, how far each lags behind, their versions, the domains,\n" +
			"and the quotas of which 80 % or more are used.",
		Example: "  tollgate status --watch 2s",
		Args:    cli.Takes(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.client(&f)
			if err != nil {
				return err
			}
			show := func() error {
				o, err := c.overview(cmd.Context())
				if err != nil {
					return err
				}
				if f.json {
					b, err := json.Marshal(o)
					if err != nil {
						return err
					}
					return a.Print(cli.Line(b))
				}
				var out bytes.Buffer
				if watch > 0 {
					out.WriteString("\x1b[H\x1b[2J") // the top of an empty screen
				}
				if err := o.show(&out); err != nil {
					return err
				}
				return a.Print(out.Bytes())
			}
			if watch <= 0 {
				return show()
			}
			return again(cmd.Context(), watch, show)
		},
	}
	f.add(cmd)
	cmd.Flags().DurationVar(&watch, "watch", 0, "show it anew each `DURATION`, such as 2s, until Ctrl-C")
	return cmd
}

// overview asks for all that the status shows.
func (c *client) overview(ctx context.Context) (o overview, err error) {
	o.NearEnd = []nearQuota{}
	ask := func(path string, into any) error {
		answer, err := c.do(ctx, api.Request{Method: http.MethodGet, Path: path})
		if err != nil {
			return err
		}
		return read(answer.Body, into)
	}
	if err := ask(api.ClusterPath, &o.Cluster); err != nil {
		return o, err
	}
	if err := ask(api.DomainsPath, &o.Domains); err != nil {
		return o, err
	}
	asked := 0
	for _, d := range o.Domains {
		if d.DeployedRevision == nil {
			continue
		}
		if asked++; asked > mostAsked {
			o.NotAsked++
			continue
		}
		var q api.Quota
		if err := ask(api.QuotaPath(d.Key), &q); err != nil {
			return o, err
		}
		for _, one := range q.Conditions {
			if one.MaxUsageQuota > 0 && one.Used*100 >= one.MaxUsageQuota*nearEnd {
				o.NearEnd = append(o.NearEnd, nearQuota{d.Key, one})
			}
		}
	}
	fullness := func(q nearQuota) float64 { return float64(q.Used) / float64(q.MaxUsageQuota) }
	slices.SortStableFunc(o.NearEnd, func(a, b nearQuota) int { return cmp.Compare(fullness(b), fullness(a)) })
	return o, nil
}

// phaseText is how a quota's calls are decided, as the read-out has it.
func phaseText(phase *string) string {
	if phase == nil {
		return ""
	}
	return *phase
}

func (o *overview) show(out *bytes.Buffer) error {
	leader := "NO LEADER IS KNOWN"
	if o.Cluster.Leader != "" {
		leader = "leader " + cli.Cell(o.Cluster.Leader)
	}
	reachable, newest := 0, uint64(0)
	for _, m := range o.Cluster.Members {
		newest = max(newest, m.AppliedIndex)
		if m.Reachable {
			reachable++
		}
	}
	fmt.Fprintf(out, "Cluster %s, %s, term %d, %d of %d members reachable\n", cli.Cell(o.Cluster.ClusterID), leader, o.Cluster.Term, reachable, len(o.Cluster.Members))
	rows := make([][]string, len(o.Cluster.Members))
	for i, m := range o.Cluster.Members {
		lag, role := strconv.FormatUint(newest-m.AppliedIndex, 10), m.Role
		if !m.Reachable {
			lag, role = "?", "UNREACHABLE"
		}
		rows[i] = []string{m.ID, role, lag, m.Version, strconv.FormatUint(uint64(m.Rules), 10), m.ProxyAddress}
	}
	if err := cli.Table(out, "MEMBER|ROLE|LAG|VERSION|RULES|PROXY", rows); err != nil {
		return err
	}
	live, waiting := 0, 0
	for _, d := range o.Domains {
		if d.DeployedRevision != nil {
			live++
			if *d.DeployedRevision != d.DraftRevision {
				waiting++
			}
		}
	}
	fmt.Fprintf(out, "\n%s, %d live, %d of them with another draft\n", cli.Plural(len(o.Domains), "domain"), live, waiting)
	if o.NotAsked > 0 {
		fmt.Fprintf(out, "The quotas of %d more live domains were not looked at.\n", o.NotAsked)
	}
	if len(o.NearEnd) == 0 {
		fmt.Fprintf(out, "No quota is %d %% used.\n", nearEnd)
		return nil
	}
	out.WriteString("\n")
	rows = nil
	for _, q := range o.NearEnd[:min(len(o.NearEnd), mostNear)] {
		rows = append(rows, []string{q.Domain, endpointOf(q.Endpoint), strconv.FormatUint(q.Used*100/q.MaxUsageQuota, 10) + " %", fmt.Sprintf("%d of %d", q.Used, q.MaxUsageQuota), phaseText(q.Phase)})
	}
	if err := cli.Table(out, "QUOTA NEAR ITS END|ENDPOINT|USED|UNITS|PHASE", rows); err != nil {
		return err
	}
	if more := len(o.NearEnd) - mostNear; more > 0 {
		fmt.Fprintf(out, "and %d more\n", more)
	}
	return nil
}
