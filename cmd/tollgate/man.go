package main

import (
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"

	"github.com/tollgate/tollgate/cmd/internal/cli"
)

// manCommand writes the man pages, for packages.
func (a *app) manCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "man DIR",
		Short:  "Write the man pages to a directory",
		Hidden: true,
		Args:   cli.Takes("DIR"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := os.MkdirAll(args[0], 0o755); err != nil {
				return err
			}
			root := cmd.Root()
			root.DisableAutoGenTag = true // equal builds have equal pages
			return doc.GenManTree(root, &doc.GenManHeader{Title: "TOLLGATE", Section: "1", Source: "Tollgate " + readVersion().Version, Manual: "Tollgate"}, args[0])
		},
	}
}
