package main

import (
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/tollgate/tollgate/cmd/internal/cli"
	"github.com/tollgate/tollgate/node/admin/api"
)

func (a *app) eventsCommand() *cobra.Command {
	var f clientFlags
	cmd := &cobra.Command{
		Use:   "events",
		Short: "Print what happens to quotas, as it comes, until Ctrl-C",
		Long: "Print what happens to quotas, as it comes, until Ctrl-C: windows that come to a threshold of their alertPercent.\n" +
			"With --json, a line of JSON each.",
		Args: cli.Takes(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.client(&f)
			if err != nil {
				return err
			}
			return c.each(cmd.Context(), true, func(node *api.Client) error {
				return node.Events(cmd.Context(), func(e api.Event) error {
					if f.json {
						line, err := json.Marshal(e)
						if err != nil {
							return err
						}
						return a.Print(append(line, '\n'))
					}
					return a.Print([]byte(eventLine(&e)))
				})
			})
		},
	}
	f.add(cmd)
	return cmd
}

// eventLine is an event for people.
func eventLine(e *api.Event) string {
	of := endpointOf(e.Endpoint)
	if e.Percent == 0 {
		return fmt.Sprintf("%s %s: more callers by %s than maxCallers; new ones share a counter until %s\n", cli.Cell(e.Domain), cli.Cell(of), cli.Cell(e.By), cli.Cell(e.WindowEndsAt))
	}
	if e.By != "" {
		of += " by " + e.By + " " + e.CallerDigest
	}
	return fmt.Sprintf("%s %s: %d %% of %d in the window %v, which ends at %s\n",
		cli.Cell(e.Domain), cli.Cell(of), e.Percent, e.MaxUsageQuota, e.Window, cli.Cell(e.WindowEndsAt))
}
