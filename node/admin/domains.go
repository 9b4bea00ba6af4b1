package admin

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strconv"

	"github.com/tollgate/tollgate/node/admin/api"
	"github.com/tollgate/tollgate/store/catalog"
)

// newSaved is the answer to a change, and sets the draft's ETag; done is zero
// after a dry run.
func (r *request) newSaved(key string, done Saved, deployed bool, warnings []catalog.Problem) api.Saved {
	if done.Serial != 0 {
		setETag(r.w, done.Serial)
	}
	if warnings == nil {
		warnings = []catalog.Problem{}
	}
	if done.Pending == nil {
		done.Pending = []string{}
	}
	return api.Saved{Key: key, Revision: done.Revision, Deployed: deployed, Warnings: warnings, Pending: done.Pending}
}

func (s *server) listDomains(r *request) (any, error) {
	list, err := s.Control.Domains(r.Context())
	if list == nil {
		list = []catalog.Summary{}
	}
	return list, err
}

func (s *server) postDomain(r *request) (any, error) {
	return s.save(r, r.query["key"], r.query.is("replace"))
}

// putDomain names the domain by its URL, and needs no leave to replace it.
func (s *server) putDomain(r *request) (any, error) {
	key, err := r.domainKey()
	if err != nil {
		return nil, err
	}
	return s.save(r, key, true)
}

func (s *server) getDomain(r *request) (any, error) {
	entry, err := s.entry(r)
	if err != nil {
		return nil, err
	}
	rev := entry.Draft
	if r.query.is("deployed") {
		if rev = entry.Deployed; rev.Number == 0 {
			return nil, notFound("the domain %q is not deployed", entry.Key)
		}
	}
	if !r.query.is("deployed") {
		setETag(r.w, entry.Draft.Serial)
	}
	return s.export(r, entry.Key, rev)
}

// export answers with the document of a revision.
func (s *server) export(r *request, key string, rev catalog.Revision) (any, error) {
	stored, err := storedDocument(key, rev)
	if err != nil {
		return nil, err
	}
	export, asYAML := catalog.Export, wantsYAML(r.Header, stored)
	if asYAML {
		export = catalog.ExportYAML
	}
	r.w.Header().Set("Vary", "Accept")
	out := export(stored, r.query.is("secrets"))
	if out == nil {
		return nil, fmt.Errorf("domain %q, revision %d: the stored document is not readable", key, rev.Number)
	}
	return document{body: out, yaml: asYAML}, nil
}

// storedDocument is the document of a revision.
func storedDocument(key string, rev catalog.Revision) ([]byte, error) {
	doc, err := rev.JSON()
	if err != nil {
		return nil, fmt.Errorf("domain %q, revision %d: the stored document is not readable: %w", key, rev.Number, err)
	}
	return doc, nil
}

// deleteDomain asks for the key twice: a domain takes its quotas with it.
func (s *server) deleteDomain(r *request) (any, error) {
	key, err := r.domainKey()
	if err != nil {
		return nil, err
	}
	if got := r.query["confirm"]; got != key {
		message := "must repeat the key: ?confirm=" + key
		if got != "" {
			message += ", is " + strconv.Quote(printable(got))
		}
		return nil, wrong("the deletion", []catalog.Problem{{Path: "?confirm", Message: message}})
	}
	if err := s.Control.DeleteDomain(r.Context(), key, r.cond); err != nil {
		return nil, noDomain(key, err)
	}
	return api.Deleted{Key: key, Deleted: true}, nil
}

func (s *server) deployDomain(r *request) (any, error) {
	key, err := r.domainKey()
	if err != nil {
		return nil, err
	}
	var given json.RawMessage
	problems, err := r.command(field{"revision", (*anything)(&given)})
	if err != nil {
		return nil, err
	}
	revision := uint64(0)
	if given != nil && string(given) != "null" {
		if revision, err = strconv.ParseUint(string(given), 10, 64); err != nil || revision == 0 {
			problems = append(problems, catalog.Problem{Path: "$.revision", Message: "must be the number of a revision, 1 or more"})
		}
	}
	if problems != nil {
		return nil, wrong("the deploy", problems)
	}
	entry, err := s.entry(r)
	if err != nil {
		return nil, err
	}
	rev := entry.Draft
	if revision != 0 {
		past, ok := entry.Past(revision)
		if !ok {
			return nil, noRevision(&entry, revision)
		}
		rev = past.Revision
	}
	warnings, warned := s.deployWarnings(r, entry, rev), rev.Number
	done, err := s.Control.DeployDomain(r.Context(), key, revision, r.cond)
	switch {
	case errors.Is(err, catalog.ErrNoRevision): // others have saved meanwhile
		return nil, noRevision(&entry, revision)
	case err != nil:
		return nil, noDomain(key, err)
	}
	if warned != done.Revision { // another one was saved meanwhile
		warnings = nil
	}
	return r.newSaved(key, done, true, warnings), nil
}

// deployWarnings repeats what saving the revision warned of, since now it is to be
// live, and tells what its deploy drops, and that the draft is another. What fails
// here is no failure of the deploy.
func (s *server) deployWarnings(r *request, entry catalog.Entry, rev catalog.Revision) (warnings []catalog.Problem) {
	opts := s.Parse
	opts.Target = nil // judged when it was imported
	stored, err := rev.JSON()
	if err != nil {
		return nil
	}
	doc, err := catalog.Parse(stored, opts)
	if err != nil {
		return nil
	}
	warnings = append(doc.Warnings, s.droppedCounters(r, entry, rev.Conditions)...)
	if rev.Number != entry.Draft.Number {
		if d, err := compareRevisions(entry.Key, entry.Draft, rev); err == nil && len(d.changes) > 0 {
			warnings = append(warnings, catalog.Problem{Path: "$", Message: fmt.Sprintf(
				"the draft stays revision %d, which differs from revision %d that is live now: the next deploy without a revision makes the draft live", entry.Draft.Number, rev.Number)})
		}
	}
	return warnings
}

// cloneDomain copies the draft, its secrets included.
func (s *server) cloneDomain(r *request) (any, error) {
	if _, err := r.domainKey(); err != nil {
		return nil, err
	}
	var key, name *string
	problems, err := r.command(field{"key", &key}, field{"name", &name})
	if err != nil {
		return nil, err
	}
	entry, err := s.entry(r)
	if err != nil {
		return nil, err
	}
	if key == nil {
		key = new(string)
		problems = merge(problems, []catalog.Problem{{Path: "$.key", Message: "is missing: must be the new domain's key, " + keyForm}})
	}
	if name == nil {
		name = &entry.Name
	}
	stored, err := storedDocument(entry.Key, entry.Draft)
	if err != nil {
		return nil, err
	}
	renamed, err := catalog.Rename(stored, *key, *name)
	problems, err = addProblems(problems, err)
	if err != nil {
		return nil, err
	}
	if problems != nil {
		return nil, wrong("the clone", problems)
	}
	doc, err := catalog.Parse(renamed, s.Parse)
	if problems, err = addProblems(nil, err); err != nil {
		return nil, err
	}
	if problems != nil {
		return nil, wrong("the document to be cloned", problems)
	}
	done, err := s.Control.PutDomain(r.Context(), doc, PutOptions{MustBeNew: true, Note: fmt.Sprintf("a copy of %s, revision %d", entry.Key, entry.Draft.Number)})
	if err != nil {
		return nil, err
	}
	return r.newSaved(*key, done, false, doc.Warnings), nil
}

// addProblems merges the problems that err consists of; another err is
// returned as it is.
func addProblems(problems []catalog.Problem, err error) ([]catalog.Problem, error) {
	var more catalog.Problems
	if errors.As(err, &more) {
		return merge(problems, more), nil
	}
	return problems, err
}

// entry is the domain that the path names.
func (s *server) entry(r *request) (catalog.Entry, error) {
	key, err := r.domainKey()
	if err != nil {
		return catalog.Entry{}, err
	}
	entry, err := s.Control.Domain(r.Context(), key)
	return entry, noDomain(key, err)
}

// keyPattern and keyForm are what a key of the catalogue can be.
var keyPattern = regexp.MustCompile(`^[A-Za-z0-9._~-]{1,64}$`)

const keyForm = "1 to 64 of A-Z a-z 0-9 . _ ~ -"

// domainKey is the key of the path, if it can be one.
func (r *request) domainKey() (string, error) {
	key := r.PathValue("key")
	if !keyPattern.MatchString(key) || key == "." || key == ".." {
		return "", refusal(http.StatusUnprocessableEntity, "no domain can have the key %q: a key is %s", printable(key), keyForm)
	}
	return key, nil
}

func noDomain(key string, err error) error {
	if errors.Is(err, ErrNotFound) {
		return notFound("no domain has the key %q", key)
	}
	return err
}
