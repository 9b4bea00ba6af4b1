package main

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tollgate/tollgate/cmd/internal/cli"
	"github.com/tollgate/tollgate/node/admin/api"
)

// defaultReadyTimeout is what a health check has patience for.
const defaultReadyTimeout = 3 * time.Second

func (a *app) readyCommand() *cobra.Command {
	var f nodeFlags
	cmd := &cobra.Command{
		Use:   "ready",
		Short: "Tell whether a node is ready, for health checks",
		Long: "Ask a node whether it is ready, and print what it says, a line a check. It takes no token, and does not\n" +
			"judge the certificate of a node on this machine: nothing is secret of what it sends and gets.\n" +
			"Exit status 0 if it is ready, 1 if it is not or does not answer.",
		Args: cli.Takes(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.connection(&f, true)
			if err != nil {
				return err
			}
			checks, ready, err := c.ready(cmd.Context())
			if err != nil {
				return err
			}
			if err := a.Print(checks); err != nil {
				return err
			}
			if !ready {
				return errors.New("the node is not ready")
			}
			return nil
		},
	}
	f.add(cmd, defaultReadyTimeout)
	return cmd
}

// ready asks the first node that can be reached.
func (c *client) ready(ctx context.Context) (checks []byte, ready bool, err error) {
	var text string
	err = c.each(ctx, true, func(node *api.Client) error {
		text, ready, err = node.Ready(ctx)
		// A node on this machine is asked without its secrets: whether it has any
		// is not to be known beforehand.
		if speaksTLS(err) && loopbackURL(node.URL) {
			node.URL = "https" + strings.TrimPrefix(node.URL, "http")
			text, ready, err = node.Ready(ctx)
		}
		return err
	})
	if err != nil {
		return nil, false, err
	}
	var lines strings.Builder
	for l := range strings.Lines(text) {
		lines.WriteString(cli.Cell(strings.TrimRight(l, "\n")) + "\n")
	}
	return []byte(lines.String()), ready, nil
}
