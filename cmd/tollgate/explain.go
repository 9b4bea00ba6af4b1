package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tollgate/tollgate/cmd/internal/cli"
	"github.com/tollgate/tollgate/node/admin/api"
)

func (a *app) explainCommand() *cobra.Command {
	var f clientFlags
	var fields []string
	var clientIP string
	cmd := &cobra.Command{
		Use:   "explain METHOD URL",
		Short: "Tell what a node would do with a request, without making it",
		Long: "Tell what a node would do with a request by what it serves now: which domain and endpoint it is for, what\n" +
			"each plugin decides and why, and which call the endpoint server would get. Nobody is called and nothing is\n" +
			"counted. URL is that of the gateway, or only its path and query; the host of a whole URL is sent as Host.\n" +
			"Exit status 0 also for a request that would be refused.",
		Example: "  tollgate explain GET /shop/items?page=2 -H 'Origin: https://app.example' --client-ip 203.0.113.7",
		Args:    cli.Takes("METHOD", "URL"),
		RunE: func(cmd *cobra.Command, args []string) error {
			rq, err := newExplainRequest(args[0], args[1], fields, clientIP)
			if err != nil {
				return err
			}
			body, err := json.Marshal(rq)
			if err != nil {
				return err
			}
			return a.call(cmd, &f, api.Request{Method: http.MethodPost, Path: api.ExplainPath, Body: body}, func(answer []byte, out *bytes.Buffer) error {
				return showExplanation(rq, answer, out)
			})
		},
	}
	f.add(cmd)
	cmd.Flags().StringArrayVarP(&fields, "header", "H", nil, "a header field, `'NAME: VALUE'`; may be given many times")
	cmd.Flags().StringVar(&clientIP, "client-ip", "", "`IP` address that the client would connect from; without it IPACL is not decided")
	return cmd
}

func newExplainRequest(method, address string, fields []string, clientIP string) (*api.ExplainRequest, error) {
	target, whole, err := cli.SplitAddress(address)
	if err != nil {
		return nil, err
	}
	rq := &api.ExplainRequest{Method: method, URL: target, Headers: map[string][]string{}, ClientIP: clientIP}
	spelling := map[string]string{} // of the first of a name, by its lower case
	for _, field := range fields {
		name, value, ok := strings.Cut(field, ":")
		if name = strings.TrimSpace(name); !ok || name == "" {
			// Not the field itself: what stands there may be a credential.
			return nil, cli.Usagef("--header: must be 'NAME: VALUE', such as 'Origin: https://app.example'")
		}
		lower := strings.ToLower(name)
		if spelling[lower] == "" {
			spelling[lower] = name
		}
		name = spelling[lower]
		rq.Headers[name] = append(rq.Headers[name], strings.TrimSpace(value))
	}
	if clientIP != "" {
		if _, err := netip.ParseAddr(clientIP); err != nil {
			return nil, cli.Usagef("--client-ip %q: must be an IP address such as 203.0.113.7", clientIP)
		}
	}
	if whole && spelling["host"] == "" {
		u, err := url.Parse(address)
		if err != nil {
			return nil, cli.Usagef("%q: %w", address, err)
		}
		rq.Headers["Host"] = []string{u.Host}
	}
	return rq, nil
}
