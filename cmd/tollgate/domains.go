package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tollgate/tollgate/cmd/internal/cli"
	"github.com/tollgate/tollgate/node/admin/api"
	"github.com/tollgate/tollgate/store/catalog"
)

func (a *app) importCommand() *cobra.Command {
	var f clientFlags
	var beside documentFlags
	var deploy, dryRun, replace bool
	var ifMatch, note string
	cmd := &cobra.Command{
		Use:   "import FILE|-",
		Short: "Save a Swagger or OpenAPI document as the draft of its domain",
		Long: "Save a Swagger 2.0 or OpenAPI 3.0 or 3.1 document (JSON or YAML) as the draft of the domain that --key, or else\n" +
			"its basePath or the path of its first server, names; the domain is made if there is none. What the flags decide\n" +
			"is kept in the document, beside the plugins. - reads standard input.",
		Example: "  tollgate import petstore.yaml --key pets --endpoint-server http://10.0.0.5:8080 --deploy",
		Args:    cli.Takes("FILE|-"),
		RunE: func(cmd *cobra.Command, args []string) error {
			document, err := a.readDocument(args[0])
			if err != nil {
				return err
			}
			query := beside.query()
			if note != "" {
				query.Set("note", note)
			}
			for name, set := range map[string]bool{"deploy": deploy, "dryRun": dryRun, "replace": replace} {
				if set {
					query.Set(name, "true")
				}
			}
			return a.call(cmd, &f, api.Request{Method: http.MethodPost, Path: api.DomainsPath, Query: query, Body: document, IfMatch: entityTag(ifMatch)}, func(answer []byte, out *bytes.Buffer) error {
				return a.showSaved(answer, out, dryRun)
			})
		},
	}
	f.add(cmd)
	cmd.Flags().BoolVar(&deploy, "deploy", false, "make it live at once")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "check the document and save nothing")
	cmd.Flags().BoolVar(&replace, "replace", false, "replace a draft of another title")
	cmd.Flags().StringVar(&note, "note", "", "`TEXT` that tells in the list of revisions what it is about, up to 1000 characters")
	beside.add(cmd)
	addIfMatch(cmd, &ifMatch)
	return cmd
}

func addIfMatch(cmd *cobra.Command, into *string) {
	cmd.Flags().StringVar(into, "if-match", "", "only if the draft still has this `ETAG`, as `tollgate export --etag` shows it: nobody has changed it since")
}

// entityTag lets an ETag go without its quotes, which a shell would take.
func entityTag(text string) string {
	if text == "" || text == "*" || strings.Contains(text, `"`) {
		return text
	}
	return `"` + text + `"`
}

// documentFlags decide what a document leaves open or says otherwise.
type documentFlags struct{ key, name, scheme, endpointServer string }

func (f *documentFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.key, "key", "", "the domain's `KEY`, whatever the document's basePath says")
	flags.StringVar(&f.name, "name", "", "the domain's `NAME`, instead of the document's title")
	flags.StringVar(&f.scheme, "scheme", "", "http, https or \"http,https\": the `SCHEME` that clients use, instead of the document's schemes")
	flags.StringVar(&f.endpointServer, "endpoint-server", "", "`URL` of the endpoint server; it goes before the one of the plugin HTTP_PROXY")
}

// query is what an import is asked with.
func (f *documentFlags) query() url.Values {
	query := url.Values{}
	for name, value := range map[string]string{"key": f.key, "name": f.name, "scheme": f.scheme, "endpointServer": f.endpointServer} {
		if value != "" {
			query.Set(name, value)
		}
	}
	return query
}

// showSaved says what became of a document, warnings first.
func (a *app) showSaved(answer []byte, out *bytes.Buffer, dryRun bool) error {
	var s api.Saved
	if err := read(answer, &s); err != nil {
		return err
	}
	a.warn(s.Warnings)
	key := cli.Cell(s.Key)
	switch {
	case dryRun:
		fmt.Fprintf(out, "%s: the document is valid; nothing was saved\n", key)
	case s.Deployed:
		fmt.Fprintf(out, "%s: revision %d is live%s\n", key, s.Revision, except(s.Pending))
	default:
		fmt.Fprintf(out, "%s: saved as revision %d, not live yet; `tollgate deploy %s` makes it so\n", key, s.Revision, key)
	}
	return nil
}

// except names the nodes that do not serve a deployed revision yet.
func except(pending []string) string {
	if len(pending) == 0 {
		return ""
	}
	names := make([]string, len(pending))
	for i, id := range pending {
		names[i] = cli.Cell(id)
	}
	return ", but not yet at " + strings.Join(names, ", ")
}

func (a *app) exportCommand() *cobra.Command {
	var f clientFlags
	var deployed, secrets, etag bool
	cmd := &cobra.Command{
		Use:   "export KEY",
		Short: "Print a domain as the document that configures it",
		Long: "Print a domain as the document that configures it, in the format in which it was imported, JSON or YAML; with\n" +
			"--json, in JSON. An import of it makes the same domain.",
		Args: cli.Takes("KEY"),
		RunE: func(cmd *cobra.Command, args []string) error {
			query := url.Values{}
			if deployed {
				query.Set("deployed", "true")
			}
			if secrets {
				query.Set("secrets", "true")
			}
			accept := api.AcceptAsItCame
			if f.json {
				accept = ""
			}
			return a.callForTag(cmd, &f, api.Request{Method: http.MethodGet, Path: api.DomainPath(args[0]), Query: query, Accept: accept}, func(answer *api.Answer, out *bytes.Buffer) error {
				if etag {
					fmt.Fprintf(a.Stderr, "ETag: %s\n", cli.Cell(answer.ETag))
				}
				_, err := out.Write(cli.Line(answer.Body)) // the node indents it
				return err
			})
		},
	}
	f.add(cmd)
	cmd.Flags().BoolVar(&deployed, "deployed", false, "what is live, not the draft")
	cmd.Flags().BoolVar(&etag, "etag", false, "with the draft's ETag on standard error, for the --if-match of import and deploy")
	cmd.Flags().BoolVar(&secrets, "secrets", false, "with the secret keys of HMAC and JWT")
	return cmd
}

func (a *app) deployCommand() *cobra.Command {
	var f clientFlags
	var ifMatch string
	cmd := &cobra.Command{
		Use:   "deploy KEY",
		Short: "Make a domain's draft live on all nodes",
		Args:  cli.Takes("KEY"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.deploy(cmd, &f, args[0], ifMatch, nil)
		},
	}
	f.add(cmd)
	addIfMatch(cmd, &ifMatch)
	return cmd
}

// deploy has a domain's draft go live or, with a body, what that names.
func (a *app) deploy(cmd *cobra.Command, f *clientFlags, key, ifMatch string, body []byte) error {
	return a.call(cmd, f, api.Request{Method: http.MethodPost, Path: api.DeployPath(key), Body: body, IfMatch: entityTag(ifMatch)}, func(answer []byte, out *bytes.Buffer) error {
		return a.showSaved(answer, out, false)
	})
}

func (a *app) domainsCommand() *cobra.Command {
	var f clientFlags
	cmd := &cobra.Command{
		Use:   "domains",
		Short: "List the domains",
		Args:  cli.Takes(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.call(cmd, &f, api.Request{Method: http.MethodGet, Path: api.DomainsPath}, showDomains)
		},
	}
	f.add(cmd)
	return cmd
}

func showDomains(answer []byte, out *bytes.Buffer) error {
	var list []catalog.Summary
	if err := read(answer, &list); err != nil {
		return err
	}
	if len(list) == 0 {
		out.WriteString("There are no domains yet; `tollgate import FILE` makes one.\n")
		return nil
	}
	rows := make([][]string, len(list))
	for i, d := range list {
		deployed := ""
		if d.DeployedRevision != nil {
			deployed = strconv.FormatUint(*d.DeployedRevision, 10)
		}
		rows[i] = []string{d.Key, d.Name, strconv.FormatUint(d.DraftRevision, 10), deployed, strconv.Itoa(d.Endpoints)}
	}
	return cli.Table(out, "KEY|NAME|DRAFT|DEPLOYED|ENDPOINTS", rows)
}

func (a *app) cloneCommand() *cobra.Command {
	var f clientFlags
	var name string
	cmd := &cobra.Command{
		Use:   "clone KEY NEWKEY",
		Short: "Copy a domain's draft to a new domain",
		Args:  cli.Takes("KEY", "NEWKEY"),
		RunE: func(cmd *cobra.Command, args []string) error {
			copied := api.NewDomain{Key: args[1]}
			if cmd.Flags().Changed("name") {
				copied.Name = &name
			}
			body, err := json.Marshal(copied)
			if err != nil {
				return err
			}
			return a.call(cmd, &f, api.Request{Method: http.MethodPost, Path: api.ClonePath(args[0]), Body: body}, func(answer []byte, out *bytes.Buffer) error {
				return a.showSaved(answer, out, false)
			})
		},
	}
	f.add(cmd)
	cmd.Flags().StringVar(&name, "name", "", "`NAME` of the new domain (default: the same)")
	return cmd
}

func (a *app) deleteCommand() *cobra.Command {
	var f clientFlags
	var confirm string
	cmd := &cobra.Command{
		Use:   "delete KEY --confirm KEY",
		Short: "Delete a domain and its quota",
		Args:  cli.Takes("KEY"),
		RunE: func(cmd *cobra.Command, args []string) error {
			key := args[0]
			if confirm != key {
				return cli.Usagef("deleting a domain cannot be undone: repeat its key with --confirm %s", cli.Cell(key))
			}
			return a.call(cmd, &f, api.Request{Method: http.MethodDelete, Path: api.DomainPath(key), Query: url.Values{"confirm": {key}}}, func(_ []byte, out *bytes.Buffer) error {
				fmt.Fprintf(out, "%s: deleted\n", cli.Cell(key))
				return nil
			})
		},
	}
	f.add(cmd)
	cmd.Flags().StringVar(&confirm, "confirm", "", "the domain's `KEY` again")
	return cmd
}
