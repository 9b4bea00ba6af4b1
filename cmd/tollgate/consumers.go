package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tollgate/tollgate/cmd/internal/cli"
	"github.com/tollgate/tollgate/node/admin/api"
)

func (a *app) consumersCommand() *cobra.Command {
	var f clientFlags
	var after string
	cmd := &cobra.Command{
		Use:   "consumers KEY",
		Short: "List who calls a domain with API keys; put and delete them",
		Args:  cli.Takes("KEY"),
		RunE: func(cmd *cobra.Command, args []string) error {
			query := url.Values{}
			if after != "" {
				query.Set("after", after)
			}
			return a.call(cmd, &f, api.Request{Method: http.MethodGet, Path: api.ConsumersPath(args[0]), Query: query}, showConsumers)
		},
	}
	f.add(cmd)
	cmd.Flags().StringVar(&after, "after", "", "go on behind this `ID`: up to 1,000 are listed")
	cmd.AddCommand(a.putConsumerCommand(), a.deleteConsumerCommand())
	return cmd
}

func showConsumers(answer []byte, out *bytes.Buffer) error {
	var list []api.Consumer
	if err := read(answer, &list); err != nil {
		return err
	}
	if len(list) == 0 {
		out.WriteString("There are no consumers; `tollgate consumers put KEY ID` makes one.\n")
		return nil
	}
	rows := make([][]string, len(list))
	for i, c := range list {
		rows[i] = []string{c.ID, c.Name, c.Plan, prefixes(c.Keys)}
	}
	return cli.Table(out, "ID|NAME|PLAN|KEYS", rows)
}

func prefixes(keys []api.Key) string {
	list := make([]string, len(keys))
	for i, k := range keys {
		list[i] = k.Prefix + "…"
	}
	return strings.Join(list, " ")
}

func (a *app) putConsumerCommand() *cobra.Command {
	var f clientFlags
	var name, plan string
	cmd := &cobra.Command{
		Use:     "put KEY ID",
		Short:   "Make a consumer of a domain, or change its name and plan",
		Example: "  tollgate consumers put shop kim --plan pro && tollgate keys add shop kim",
		Args:    cli.Takes("KEY", "ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			body, err := json.Marshal(map[string]string{"name": name, "plan": plan})
			if err != nil {
				return err
			}
			return a.call(cmd, &f, api.Request{Method: http.MethodPut, Path: api.ConsumerPath(args[0], args[1]), Body: body}, func(answer []byte, out *bytes.Buffer) error {
				var c api.Consumer
				if err := read(answer, &c); err != nil {
					return err
				}
				fmt.Fprintf(out, "%s: saved, with %d keys\n", cli.Cell(c.ID), len(c.Keys))
				return nil
			})
		},
	}
	f.add(cmd)
	cmd.Flags().StringVar(&name, "name", "", "its `NAME`, for people")
	cmd.Flags().StringVar(&plan, "plan", "", "its `PLAN`, which chooses the maxima of quotas that have plans")
	return cmd
}

func (a *app) deleteConsumerCommand() *cobra.Command {
	var f clientFlags
	cmd := &cobra.Command{
		Use:   "delete KEY ID",
		Short: "Delete a consumer with its keys",
		Args:  cli.Takes("KEY", "ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.call(cmd, &f, api.Request{Method: http.MethodDelete, Path: api.ConsumerPath(args[0], args[1])}, func(_ []byte, out *bytes.Buffer) error {
				fmt.Fprintf(out, "%s: deleted; no key of it is let in any more\n", cli.Cell(args[1]))
				return nil
			})
		},
	}
	f.add(cmd)
	return cmd
}

func (a *app) keysCommand() *cobra.Command {
	var f clientFlags
	cmd := &cobra.Command{
		Use:   "keys KEY CONSUMER",
		Short: "List the API keys of a consumer; add and delete them",
		Args:  cli.Takes("KEY", "CONSUMER"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.call(cmd, &f, api.Request{Method: http.MethodGet, Path: api.ConsumerPath(args[0], args[1])}, showKeys)
		},
	}
	f.add(cmd)
	cmd.AddCommand(a.addKeyCommand(), a.deleteKeyCommand())
	return cmd
}

func showKeys(answer []byte, out *bytes.Buffer) error {
	var c api.Consumer
	if err := read(answer, &c); err != nil {
		return err
	}
	if len(c.Keys) == 0 {
		fmt.Fprintf(out, "%s has no keys\n", cli.Cell(c.ID))
		return nil
	}
	rows := make([][]string, len(c.Keys))
	for i, k := range c.Keys {
		rows[i] = []string{k.Prefix, k.CreatedAt}
	}
	return cli.Table(out, "PREFIX|CREATED", rows)
}

func (a *app) addKeyCommand() *cobra.Command {
	var f clientFlags
	cmd := &cobra.Command{
		Use:   "add KEY CONSUMER",
		Short: "Make an API key, and show it this once",
		Args:  cli.Takes("KEY", "CONSUMER"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.call(cmd, &f, api.Request{Method: http.MethodPost, Path: api.KeysPath(args[0], args[1])}, func(answer []byte, out *bytes.Buffer) error {
				var k api.NewKey
				if err := read(answer, &k); err != nil {
					return err
				}
				fmt.Fprintf(a.Stderr, "This is the only time that the key is shown:\n")
				fmt.Fprintln(out, k.Key)
				return nil
			})
		},
	}
	f.add(cmd)
	return cmd
}

func (a *app) deleteKeyCommand() *cobra.Command {
	var f clientFlags
	cmd := &cobra.Command{
		Use:   "delete KEY CONSUMER PREFIX",
		Short: "Take a key away: no node lets it in any more",
		Args:  cli.Takes("KEY", "CONSUMER", "PREFIX"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.call(cmd, &f, api.Request{Method: http.MethodDelete, Path: api.KeysPath(args[0], args[1]) + "/" + url.PathEscape(args[2])}, func(_ []byte, out *bytes.Buffer) error {
				fmt.Fprintf(out, "%s…: deleted\n", cli.Cell(args[2]))
				return nil
			})
		},
	}
	f.add(cmd)
	return cmd
}
