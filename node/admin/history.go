package admin

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/tollgate/tollgate/node/admin/api"
	"github.com/tollgate/tollgate/store"
	"github.com/tollgate/tollgate/store/catalog"
)

// Audit is what the admin API needs of its node to tell who did what.
type Audit interface {
	// Audit lists up to n of the newest changes, the newest first.
	Audit(ctx context.Context, n int) ([]store.Audit, error)
}

func (s *server) getAudit(r *request) (any, error) {
	n := store.MaxAudit
	if limit := r.query["limit"]; limit != "" {
		var err error
		if n, err = strconv.Atoi(limit); err != nil || n < 1 || n > store.MaxAudit {
			return nil, wrong("the query", []catalog.Problem{{Path: "?limit", Message: fmt.Sprintf("must be a whole number from 1 to %d", store.MaxAudit)}})
		}
	}
	list, err := s.Control.Audit(r.Context(), n)
	if err != nil {
		return nil, err
	}
	out := make([]api.Audit, len(list))
	for i, a := range list {
		out[i] = api.Audit{At: timeOf(a.At), Name: a.Name, Role: a.Role, Address: a.Address, Action: a.Action, Domain: a.Domain, Revision: a.Revision}
	}
	return out, nil
}

// timeOf is a cluster time, in ms, for people; empty where there is none.
func timeOf(at int64) string {
	if at == 0 {
		return ""
	}
	return time.UnixMilli(at).UTC().Format(timeForm)
}

func (s *server) listRevisions(r *request) (any, error) {
	entry, err := s.entry(r)
	if err != nil {
		return nil, err
	}
	out := []api.Revision{}
	for _, p := range slices.Backward(entry.Revisions()) {
		out = append(out, api.Revision{Revision: p.Number, At: timeOf(p.At), Name: p.Name, Note: p.Note, Deployed: entry.Deployed.Number != 0 && p.Serial == entry.Deployed.Serial})
	}
	return out, nil
}

// getRevision answers with the document of a revision.
func (s *server) getRevision(r *request) (any, error) {
	entry, err := s.entry(r)
	if err != nil {
		return nil, err
	}
	past, err := kept(&entry, r.PathValue("n"))
	if err != nil {
		return nil, err
	}
	return s.export(r, entry.Key, past.Revision)
}

// kept is the revision of a domain that a number, as it was given, names.
func kept(e *catalog.Entry, number string) (catalog.Past, error) {
	n, err := strconv.ParseUint(number, 10, 64)
	if err != nil || n == 0 {
		return catalog.Past{}, refusal(http.StatusUnprocessableEntity, "%q is no revision: revisions are numbered from 1", printable(number))
	}
	past, ok := e.Past(n)
	if !ok {
		return past, noRevision(e, n)
	}
	return past, nil
}

func noRevision(e *catalog.Entry, n uint64) error {
	numbers := e.Revisions()
	return notFound("the domain %q has no revision %d; those that are kept are %d to %d", e.Key, n, numbers[0].Number, numbers[len(numbers)-1].Number)
}

// diffRevisions compares two revisions: from, or else what is live, with to, or
// else the draft.
func diffRevisions(r *request, e *catalog.Entry) (any, error) {
	from, to := catalog.Past{Revision: e.Deployed}, catalog.Past{Revision: e.Draft}
	for name, rev := range map[string]*catalog.Past{"from": &from, "to": &to} {
		given, ok := r.query[name]
		if !ok {
			continue
		}
		var err error
		if *rev, err = kept(e, given); err != nil {
			return nil, err
		}
	}
	if from.Number == 0 {
		return nil, notFound("the domain %q is not deployed: name the revision to compare with, ?from=", e.Key)
	}
	c, err := compareRevisions(e.Key, to.Revision, from.Revision)
	if err != nil {
		return nil, err
	}
	out := api.RevisionDiff{Key: e.Key, From: from.Number, To: to.Number, Equal: len(c.changes) == 0, Changes: []api.RevisionChange{}, Truncated: c.truncated}
	for _, change := range c.changes {
		out.Changes = append(out.Changes, api.RevisionChange{Path: change.Path, From: change.Deployed, To: change.Draft})
	}
	return out, nil
}

// note is what the query says of a change.
func (q query) note() (string, error) {
	note := q["note"]
	if !utf8.ValidString(note) || utf8.RuneCountInString(note) > catalog.MaxNoteRunes {
		return "", wrong("the query", []catalog.Problem{{Path: "?note", Message: fmt.Sprintf("must be up to %d characters of UTF-8", catalog.MaxNoteRunes)}})
	}
	return note, nil
}
