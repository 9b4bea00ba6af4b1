package main

import (
	"bytes"
	"fmt"
	"net/http"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/tollgate/tollgate/cmd/internal/cli"
	"github.com/tollgate/tollgate/node/admin/api"
)

func (a *app) quotaCommand() *cobra.Command {
	var f clientFlags
	cmd := &cobra.Command{
		Use:   "quota KEY",
		Short: "Show how much of a domain's quotas is used",
		Args:  cli.Takes("KEY"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.call(cmd, &f, api.Request{Method: http.MethodGet, Path: api.QuotaPath(args[0])}, func(answer []byte, out *bytes.Buffer) error {
				return showQuota(args[0], answer, out)
			})
		},
	}
	f.add(cmd)
	return cmd
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
	rows := make([][]string, len(quota.Conditions))
	for i, c := range quota.Conditions {
		endpoint, phase, ends := "(whole domain)", "", ""
		if c.Endpoint != nil {
			endpoint = *c.Endpoint
		}
		if c.WindowEndsAt != nil {
			ends = *c.WindowEndsAt
		}
		if c.Phase != nil {
			phase = *c.Phase
		}
		rows[i] = []string{endpoint, strconv.FormatUint(c.Used, 10), strconv.FormatUint(c.Leased, 10), strconv.FormatUint(c.Lost, 10), strconv.FormatUint(c.MaxUsageQuota, 10), fmt.Sprintf("%ds", c.ResetTimeSeconds), phase, ends}
	}
	return cli.Table(out, "ENDPOINT|USED|LEASED|LOST|MAX|PER|PHASE|WINDOW ENDS", rows)
}
