package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/tollgate/tollgate/cmd/internal/cli"
	"github.com/tollgate/tollgate/node/admin/api"
)

func (a *app) quotaCommand() *cobra.Command {
	var f clientFlags
	var caller string
	var top int
	var watch time.Duration
	cmd := &cobra.Command{
		Use:   "quota KEY",
		Short: "Show how much of a domain's quotas is used; reset and adjust them",
		Example: "  tollgate quota shop --caller kim\n" +
			"  tollgate quota shop --top 10 --watch 2s",
		Args: cli.Takes("KEY"),
		RunE: func(cmd *cobra.Command, args []string) error {
			query := url.Values{}
			if cmd.Flags().Changed("caller") {
				query.Set("caller", caller)
			}
			if top > 0 {
				query.Set("top", strconv.Itoa(top))
			}
			show := func() error {
				return a.call(cmd, &f, api.Request{Method: http.MethodGet, Path: api.QuotaPath(args[0]), Query: query}, func(answer []byte, out *bytes.Buffer) error {
					return showQuota(args[0], answer, out)
				})
			}
			if watch <= 0 {
				return show()
			}
			return again(cmd.Context(), watch, show)
		},
	}
	f.add(cmd)
	cmd.Flags().StringVar(&caller, "caller", "", "of the conditions by caller, those of this `VALUE`: an address, a consumer, what a header or claim says")
	cmd.Flags().IntVar(&top, "top", 0, "with the `N` callers who have used most of each condition")
	cmd.Flags().DurationVar(&watch, "watch", 0, "show it anew each `DURATION`, such as 2s, until Ctrl-C")
	cmd.AddCommand(a.resetQuotaCommand(), a.adjustQuotaCommand())
	return cmd
}

// again does something until it fails or ctx ends, which is no failure.
func again(ctx context.Context, every time.Duration, do func() error) error {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		if err := do(); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

func showQuota(key string, answer []byte, out *bytes.Buffer) error {
	var quota api.Quota
	if err := read(answer, &quota); err != nil {
		return err
	}
	if len(quota.Conditions) == 0 {
		fmt.Fprintf(out, "%s: no quota is in force\n", cli.Cell(key))
		return nil
	}
	// Most quotas have no callers: their table has a column less.
	callers := slices.ContainsFunc(quota.Conditions, func(c api.Condition) bool { return whose(&c) != "" })
	head := "ENDPOINT|USED|LEASED|LOST|MAX|PER|PHASE|WINDOW ENDS"
	if callers {
		head = "ENDPOINT|BY|USED|LEASED|LOST|MAX|PER|PHASE|WINDOW ENDS"
	}
	rows := make([][]string, len(quota.Conditions))
	for i, c := range quota.Conditions {
		phase, ends := "", ""
		if c.WindowEndsAt != nil {
			ends = *c.WindowEndsAt
		}
		if c.Phase != nil {
			phase = *c.Phase
		}
		most := c.MaxUsageQuota
		if c.WindowMax != nil {
			most = *c.WindowMax
		}
		rows[i] = []string{endpointOf(c.Endpoint)}
		if callers {
			rows[i] = append(rows[i], whose(&c))
		}
		rows[i] = append(rows[i], strconv.FormatUint(c.Used, 10), strconv.FormatUint(c.Leased, 10), strconv.FormatUint(c.Lost, 10),
			strconv.FormatUint(most, 10), per(&c), phase, ends)
	}
	if err := cli.Table(out, head, rows); err != nil || len(quota.Top) == 0 {
		return err
	}
	out.WriteString("\n")
	rows = make([][]string, len(quota.Top))
	for i, c := range quota.Top {
		name := c.Caller
		if name == "" {
			name = c.Digest
		}
		rows[i] = []string{endpointOf(c.Endpoint), c.By, fmt.Sprint(c.Window), name, strconv.FormatUint(c.Used, 10), strconv.FormatUint(c.WindowMax, 10), c.WindowEndsAt}
	}
	return cli.Table(out, "ENDPOINT|BY|WINDOW|CALLER OR DIGEST|USED|MAX|WINDOW ENDS", rows)
}

func endpointOf(endpoint *string) string {
	if endpoint == nil {
		return "(whole domain)"
	}
	return *endpoint
}

// whose is by what a condition tells callers apart, and which of them it is about.
func whose(c *api.Condition) string {
	said := c.By
	switch {
	case c.Caller != "":
		said += " " + c.Caller
	case c.Callers != nil:
		said += fmt.Sprintf(" (%d)", *c.Callers)
	}
	if c.Shadow {
		said += " shadow"
	}
	return said
}

func per(c *api.Condition) string {
	if c.Period != nil {
		return c.Period.Unit + " " + c.Period.TimeZone
	}
	return fmt.Sprintf("%ds", c.ResetTimeSeconds)
}

// windowFlags name a window.
type windowFlags struct {
	endpoint, window, by, caller string
	shadow                       bool
	windowID                     int64
}

func (f *windowFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.window, "window", "", "the condition's resetTimeSeconds, or its period's unit (`WINDOW`)")
	flags.StringVar(&f.endpoint, "endpoint", "", "the `ENDPOINT` that the condition is of, such as \"GET /items/{id}\"; none: the whole domain")
	flags.StringVar(&f.by, "by", "", "what the condition tells callers apart `BY`")
	flags.StringVar(&f.caller, "caller", "", "whose window it is, with --by: a `VALUE` as of `tollgate quota --caller`")
	flags.BoolVar(&f.shadow, "shadow", false, "the condition is a shadow condition")
	flags.Int64Var(&f.windowID, "window-id", 0, "only if the window of this `ID` still runs, as `tollgate quota --json` shows it")
	_ = cmd.MarkFlagRequired("window")
}

// body is what the node is sent, with more.
func (f *windowFlags) body(more map[string]any) ([]byte, error) {
	fields := map[string]any{"window": f.window}
	if n, err := strconv.ParseUint(f.window, 10, 32); err == nil {
		fields["window"] = n
	}
	for name, value := range map[string]string{"endpoint": f.endpoint, "by": f.by, "caller": f.caller} {
		if value != "" {
			fields[name] = value
		}
	}
	if f.shadow {
		fields["shadow"] = true
	}
	if f.windowID != 0 {
		fields["windowId"] = f.windowID
	}
	for name, value := range more {
		fields[name] = value
	}
	return json.Marshal(fields)
}

func (a *app) resetQuotaCommand() *cobra.Command {
	var f clientFlags
	var w windowFlags
	cmd := &cobra.Command{
		Use:     "reset KEY",
		Short:   "End a running window: the next call opens another",
		Example: "  tollgate quota reset shop --window month --by consumer --caller kim",
		Args:    cli.Takes("KEY"),
		RunE: func(cmd *cobra.Command, args []string) error {
			body, err := w.body(nil)
			if err != nil {
				return err
			}
			return a.call(cmd, &f, api.Request{Method: http.MethodPost, Path: api.QuotaPath(args[0]) + "/reset", Body: body}, func(_ []byte, out *bytes.Buffer) error {
				fmt.Fprintf(out, "%s: the window has ended; the next call opens another\n", cli.Cell(args[0]))
				return nil
			})
		},
	}
	f.add(cmd)
	w.add(cmd)
	return cmd
}

func (a *app) adjustQuotaCommand() *cobra.Command {
	var f clientFlags
	var w windowFlags
	var add int64
	cmd := &cobra.Command{
		Use:     "adjust KEY",
		Short:   "Add to the maximum of a running window, or take from it",
		Example: "  tollgate quota adjust shop --window 86400 --add 1000",
		Args:    cli.Takes("KEY"),
		RunE: func(cmd *cobra.Command, args []string) error {
			body, err := w.body(map[string]any{"add": add})
			if err != nil {
				return err
			}
			return a.call(cmd, &f, api.Request{Method: http.MethodPost, Path: api.QuotaPath(args[0]) + "/adjust", Body: body}, func(_ []byte, out *bytes.Buffer) error {
				fmt.Fprintf(out, "%s: %+d for the window that runs\n", cli.Cell(args[0]), add)
				return nil
			})
		},
	}
	f.add(cmd)
	w.add(cmd)
	cmd.Flags().Int64Var(&add, "add", 0, "`N` calls more, or with a minus less")
	_ = cmd.MarkFlagRequired("add")
	return cmd
}
