package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/tollgate/tollgate/cmd/internal/cli"
	"github.com/tollgate/tollgate/node/admin/api"
)

func (a *app) backupCommand() *cobra.Command {
	var f clientFlags
	var output string
	cmd := &cobra.Command{
		Use:   "backup -o FILE",
		Short: "Save the domains, quotas and consumers of a cluster to a file",
		Long: "Save what a cluster has, as of now: domains with their history and secrets, what is used of the quotas,\n" +
			"consumers, and who did what. The nodes serve on meanwhile. The file is readable by its owner alone, and a file\n" +
			"of that name is replaced once the new one is whole.",
		Example: "  tollgate backup -o tollgate-$(date +%F).backup",
		Args:    cli.Takes(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if output == "" {
				return cli.Usagef("-o is missing: the file to write")
			}
			c, err := a.client(&f)
			if err != nil {
				return err
			}
			size, err := c.backup(cmd.Context(), output)
			if err != nil {
				return err
			}
			return a.Print(fmt.Appendf(nil, "%s: %d bytes\n", cli.Cell(output), size))
		},
	}
	f.add(cmd)
	cmd.Flags().StringVarP(&output, "output", "o", "", "`FILE` to write")
	return cmd
}

// backup writes a backup to a file of mode 0600.
func (c *client) backup(ctx context.Context, name string) (size int64, err error) {
	file, err := os.CreateTemp(filepath.Dir(name), filepath.Base(name)+".*")
	if err != nil {
		return 0, err
	}
	defer os.Remove(file.Name()) // what is not renamed
	err = c.each(ctx, true, func(node *api.Client) error {
		if _, err := file.Seek(0, io.SeekStart); err != nil {
			return err
		}
		if err := file.Truncate(0); err != nil {
			return err
		}
		size, err = node.Backup(ctx, file)
		return err
	})
	if err == nil {
		err = file.Sync()
	}
	if closed := file.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Rename(file.Name(), name)
	}
	return size, err
}

func (a *app) restoreCommand() *cobra.Command {
	var f clientFlags
	var confirm bool
	cmd := &cobra.Command{
		Use:   "restore FILE",
		Short: "Put a backup in the place of what a cluster has",
		Long: "Put a backup in the place of a cluster's domains, quotas and consumers. Members, the cluster's ID and the audit\n" +
			"stay. What nodes held of quotas when the backup was made counts as used. A file that is damaged is refused whole.",
		Args: cli.Takes("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			raw, err := os.ReadFile(args[0])
			if err != nil {
				return err
			}
			query := url.Values{}
			if confirm {
				query.Set("confirm", "true")
			}
			if !cmd.Flags().Changed("timeout") { // as long as a slow link takes
				f.timeout = time.Hour
			}
			return a.call(cmd, &f, api.Request{Method: http.MethodPost, Path: api.RestorePath, Query: query, Body: raw, Type: "application/octet-stream"}, func(answer []byte, out *bytes.Buffer) error {
				var r api.Restored
				if err := read(answer, &r); err != nil {
					return err
				}
				fmt.Fprintf(out, "Restored the backup of %s, cluster %s: %s%s\n", cli.Cell(r.CreatedAt), cli.Cell(r.ClusterID), cli.Plural(r.Domains, "domain"), except(r.Pending))
				return nil
			})
		},
	}
	f.add(cmd)
	cmd.Flags().BoolVar(&confirm, "confirm", false, "replace the domains that the cluster has")
	return cmd
}
