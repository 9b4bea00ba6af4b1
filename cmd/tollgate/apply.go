package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tollgate/tollgate/cmd/internal/cli"
	"github.com/tollgate/tollgate/node/admin/api"
	"github.com/tollgate/tollgate/store/catalog"
)

// planned is what is to be done about one domain.
type planned struct {
	File     string            `json:"file,omitempty"` // empty for one that is to be deleted
	Key      string            `json:"key"`
	Action   string            `json:"action"`
	Revision uint64            `json:"revision,omitempty"` // that is live after it
	Warnings []catalog.Problem `json:"warnings"`
	Diff     *api.Diff         `json:"diff,omitempty"`

	document []byte
	etag     string // of the draft that was looked at, "" where there is none
	pending  []string
}

// What is done about a domain.
const (
	actionCreate = "create"
	actionUpdate = "update"
	actionDelete = "delete"
	actionNone   = "unchanged"
)

func (a *app) applyCommand() *cobra.Command {
	var f clientFlags
	var from string
	var prune, dryRun bool
	cmd := &cobra.Command{
		Use:   "apply -f DIR",
		Short: "Import and deploy what a folder of documents says",
		Long: "Import and deploy each document (*.json, *.yaml, *.yml) of a folder, or a single file, and show what that changes.\n" +
			"A domain that is live as its document says is left alone, so that a second run does nothing. All documents are\n" +
			"checked first: where one is wrong, nothing is changed. What a document leaves open stands in it, beside its\n" +
			"plugins: key, name, schemes, endpointServer. A secret ******** keeps the one that is stored.",
		Example: "  tollgate apply -f domains --prune --dry-run",
		Args:    cli.Takes(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if from == "" {
				return cli.Usagef("-f is missing: the folder of the documents")
			}
			c, err := a.client(&f)
			if err != nil {
				return err
			}
			ap := &applying{app: a, client: c, cmd: cmd, quiet: f.json}
			if err := ap.plan(from, prune); err != nil {
				return err
			}
			if !dryRun {
				err = ap.carryOut()
			} else {
				ap.show(dryRun)
			}
			if f.json {
				b, jsonErr := json.Marshal(ap.plans)
				return errors.Join(err, jsonErr, a.Print(cli.Line(b)))
			}
			return errors.Join(err, a.Print(ap.out.Bytes()))
		},
	}
	f.add(cmd)
	cmd.Flags().StringVarP(&from, "file", "f", "", "`DIR` of the documents, or one file")
	cmd.Flags().BoolVar(&prune, "prune", false, "delete the domains that no document is about, with their quotas")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "show what would be done and do nothing")
	return cmd
}

// applying is one run of apply.
type applying struct {
	*app
	client *client
	cmd    *cobra.Command
	quiet  bool // the answer is JSON
	plans  []*planned
	out    bytes.Buffer
}

// plan looks at every document and says what is to be done. It changes nothing.
func (ap *applying) plan(from string, prune bool) error {
	files, err := documentFiles(from)
	if err != nil {
		return err
	}
	var wrong []error
	byKey := map[string]string{}
	for _, file := range files {
		p, err := ap.look(file)
		if err != nil {
			wrong = append(wrong, fmt.Errorf("%s: %w", file, err))
			continue
		}
		if other := byKey[p.Key]; other != "" {
			wrong = append(wrong, fmt.Errorf("%s: is about the domain %s, as %s is: keep one, or give one of them a key of its own", file, cli.Cell(p.Key), other))
		}
		byKey[p.Key] = file
		ap.plans = append(ap.plans, p)
	}
	if wrong != nil {
		return fmt.Errorf("nothing was changed\n%w", errors.Join(wrong...))
	}
	if !prune {
		return nil
	}
	answer, err := ap.client.do(ap.cmd.Context(), api.Request{Method: http.MethodGet, Path: api.DomainsPath})
	if err != nil {
		return err
	}
	var list []catalog.Summary
	if err := read(answer.Body, &list); err != nil {
		return err
	}
	for _, d := range list {
		if byKey[d.Key] == "" {
			ap.plans = append(ap.plans, &planned{Key: d.Key, Action: actionDelete, Warnings: []catalog.Problem{}})
		}
	}
	return nil
}

// documentFiles lists the documents of a folder by name. A folder without one
// is refused: it is more likely the wrong one than meant to empty a cluster.
func documentFiles(from string) ([]string, error) {
	info, err := os.Stat(from)
	if err != nil || !info.IsDir() {
		return []string{from}, err
	}
	entries, err := os.ReadDir(from)
	if err != nil {
		return nil, err
	}
	var files []string
	for _, e := range entries {
		if !e.IsDir() && slices.Contains([]string{".json", ".yaml", ".yml"}, strings.ToLower(filepath.Ext(e.Name()))) {
			files = append(files, filepath.Join(from, e.Name()))
		}
	}
	if files == nil {
		return nil, cli.Usagef("-f %s: there is no document in it (*.json, *.yaml, *.yml)", from)
	}
	return files, nil
}

// look asks what a document would change.
func (ap *applying) look(file string) (*planned, error) {
	document, err := ap.readDocument(file)
	if err != nil {
		return nil, err
	}
	p := &planned{File: file, document: document}
	query := url.Values{"dryRun": {"true"}, "deploy": {"true"}, "replace": {"true"}, "diff": {"true"}}
	answer, err := ap.client.do(ap.cmd.Context(), api.Request{Method: http.MethodPost, Path: api.DomainsPath, Query: query, Body: document})
	if err != nil {
		return nil, err
	}
	var found api.Saved
	if err := read(answer.Body, &found); err != nil {
		return nil, err
	}
	p.Key, p.Warnings, p.Diff, p.etag = found.Key, found.Warnings, found.Diff, answer.ETag
	switch {
	case found.Unchanged != nil && *found.Unchanged:
		p.Action, p.Diff = actionNone, nil
	case p.etag == "":
		p.Action, p.Diff = actionCreate, nil
	default:
		p.Action = actionUpdate
	}
	return p, nil
}

// carryOut does what is planned, and stops at the first failure.
func (ap *applying) carryOut() error {
	for _, p := range ap.plans {
		if err := ap.do(p); err != nil {
			return fmt.Errorf("%s: %w", cli.Cell(cmp.Or(p.File, p.Key)), err)
		}
		ap.describe(p, false)
	}
	return nil
}

func (ap *applying) do(p *planned) error {
	switch p.Action {
	case actionNone:
		return nil
	case actionDelete:
		_, err := ap.client.do(ap.cmd.Context(), api.Request{Method: http.MethodDelete, Path: api.DomainPath(p.Key), Query: url.Values{"confirm": {p.Key}}})
		return err
	}
	// If somebody has changed the draft since it was looked at, what was shown
	// is no longer what would be done.
	query := url.Values{"deploy": {"true"}, "replace": {"true"}}
	answer, err := ap.client.do(ap.cmd.Context(), api.Request{Method: http.MethodPost, Path: api.DomainsPath, Query: query, Body: p.document, IfMatch: p.etag})
	if err != nil {
		return err
	}
	var s api.Saved
	if err := read(answer.Body, &s); err != nil {
		return err
	}
	p.Revision, p.pending, p.Warnings = s.Revision, s.Pending, s.Warnings
	return nil
}

// show tells of everything that is planned.
func (ap *applying) show(dryRun bool) {
	for _, p := range ap.plans {
		ap.describe(p, dryRun)
	}
}

// describe tells people of one domain.
func (ap *applying) describe(p *planned, dryRun bool) {
	if ap.quiet {
		return
	}
	ap.warn(p.Warnings)
	out, key := &ap.out, cli.Cell(p.Key)
	switch {
	case p.Action == actionNone:
		fmt.Fprintf(out, "%s: unchanged\n", key)
		return
	case p.Action == actionDelete && dryRun:
		fmt.Fprintf(out, "%s: would be deleted, with its quota; no document is about it\n", key)
		return
	case p.Action == actionDelete:
		fmt.Fprintf(out, "%s: deleted\n", key)
		return
	case dryRun && p.Action == actionCreate:
		fmt.Fprintf(out, "%s: would be new, from %s\n", key, cli.Cell(p.File))
	case dryRun:
		fmt.Fprintf(out, "%s: would be live as %s says\n", key, cli.Cell(p.File))
	default:
		fmt.Fprintf(out, "%s: revision %d is live%s, from %s\n", key, p.Revision, except(p.pending), cli.Cell(p.File))
	}
	if p.Diff != nil {
		writeChanges(p.Diff, out)
	}
}
