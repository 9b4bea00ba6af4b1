package admin

import (
	"bytes"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"strings"

	"github.com/tollgate/tollgate/node/admin/api"
	"github.com/tollgate/tollgate/store/catalog"
	"github.com/tollgate/tollgate/store/quota"
)

// maxSaveTries bounds how often an import begins again because another one
// changed the domain while it looked at it.
const maxSaveTries = 20

// save imports the body as the draft of its domain. key, if not empty, is the
// domain's, whatever the document says; without replace a draft of another title
// is left alone.
func (s *server) save(r *request, key string, replace bool) (any, error) {
	if r.query.is("diff") && !r.query.is("dryRun") {
		return nil, wrong("the query", []catalog.Problem{{Path: "?diff", Message: "goes with dryRun=true: an import that saves has GET …/diff behind it"}})
	}
	if _, err := r.query.note(); err != nil {
		return nil, err
	}
	raw, err := r.read(catalog.MaxDocumentBytes)
	if err != nil {
		return nil, err
	}
	for range maxSaveTries {
		im := &importing{s: s, r: r, key: key}
		answer, err := im.save(raw, replace)
		// What was read of the draft holds at the change as well. A condition
		// of the caller's own is the caller's to repeat.
		if !errors.Is(err, ErrPrecondition) || !r.cond.IsZero() {
			return answer, err
		}
	}
	return nil, refusal(http.StatusConflict, "others change this domain all the time; nothing was saved, try again")
}

// importing is one try to import a document.
type importing struct {
	s   *server
	r   *request
	key string

	// bound: the document is made of what it replaces, or was let in by it.
	bound  bool
	entry  catalog.Entry // what the document replaces; zero where it is new
	stored []byte        // the document of its draft
	known  bool          // entry has been read
	err    error         // of reading it
}

func (im *importing) save(raw []byte, replace bool) (any, error) {
	r := im.r
	doc, err := im.parse(raw)
	if err != nil {
		return nil, err
	}
	key := doc.Domain.Key
	dryRun := r.query.is("dryRun")
	if !replace || dryRun || r.query.is("deploy") {
		im.read(key)
	}
	if im.err != nil {
		return nil, im.err
	}
	im.bound = im.bound || !replace
	if !r.cond.IsZero() && (im.known || dryRun) && !r.cond.Holds(im.entry.Draft.Serial) {
		return nil, ErrPrecondition
	}
	if im.entry.Key != "" && !replace {
		if had := catalog.TitleOf(im.stored); had != doc.Title {
			return nil, refusal(http.StatusConflict, "the domain %q is %q, and the document is %q: replace=true (--replace) replaces it; another key (?key=, --key) makes a domain of its own", key, printable(had), printable(doc.Title))
		}
	}
	warnings := doc.Warnings
	deploy := r.query.is("deploy")
	if deploy {
		warnings = append(warnings, im.s.droppedCounters(r, im.entry, doc.Domain.Conditions())...)
	}
	if dryRun {
		answer := r.newSaved(key, Saved{}, false, warnings)
		if r.query.is("diff") {
			err = im.compare(doc, &answer)
		}
		return answer, err
	}
	cond := r.cond
	if cond.IsZero() && im.bound {
		cond = catalog.Precondition{Absent: true}
		if im.entry.Draft.Serial != 0 {
			cond = catalog.Precondition{Serials: []uint64{im.entry.Draft.Serial}}
		}
	}
	done, err := im.s.Control.PutDomain(r.Context(), doc, PutOptions{Deploy: deploy, If: cond, Note: r.query["note"]})
	if err != nil {
		return nil, err
	}
	return r.newSaved(key, done, deploy, warnings), nil
}

// compare fills in what the document changes.
func (im *importing) compare(doc *catalog.Document, into *api.Saved) error {
	e := im.entry
	if e.Draft.Serial != 0 {
		setETag(im.r.w, e.Draft.Serial)
	}
	deployed, err := storedDocument(e.Key, e.Deployed)
	if err != nil {
		return err
	}
	unchanged := bytes.Equal(im.stored, doc.JSON) && bytes.Equal(deployed, doc.JSON)
	e.Key, e.Draft.Document, e.Draft.Size = doc.Domain.Key, doc.JSON, 0
	d, err := difference(e)
	into.Unchanged, into.Diff = &unchanged, &d
	return err
}

// parse reads and checks the document.
func (im *importing) parse(raw []byte) (*catalog.Document, error) {
	opts := im.s.Parse
	q := im.r.query
	opts.Key, opts.Name, opts.Scheme, opts.EndpointServer = im.key, q["name"], q["scheme"], q["endpointServer"]
	opts.Stored = func(key string) []byte {
		im.read(key)
		im.bound = true
		return im.stored
	}
	doc, err := catalog.Parse(raw, opts)
	problems, err := addProblems(nil, err)
	switch {
	case err != nil:
		return nil, err
	case im.err != nil:
		return nil, im.err
	case problems == nil:
		return doc, nil
	case !catalog.Readable(raw):
		return nil, refusal(http.StatusBadRequest, "%s", problems[0].Message)
	}
	return nil, wrong("the document", problems)
}

// read looks at what the document replaces, once.
func (im *importing) read(key string) {
	if im.known {
		return
	}
	im.known = true
	im.entry, im.err = im.s.Control.Domain(im.r.Context(), key)
	if errors.Is(im.err, ErrNotFound) {
		im.entry, im.err = catalog.Entry{}, nil
	}
	if im.err == nil {
		im.stored, im.err = storedDocument(key, im.entry.Draft)
	}
}

// droppedCounters warns of the conditions that are live and have counted in
// this window, and that a deploy of others drops. It is told as far as it can
// be: what fails here is no failure of the deploy.
func (s *server) droppedCounters(r *request, live catalog.Entry, next []quota.Condition) (warnings []catalog.Problem) {
	dropped := map[quota.ConditionName]bool{}
	for _, c := range live.Deployed.Conditions {
		dropped[c.Name()] = true
	}
	for _, c := range next {
		delete(dropped, c.Name())
	}
	if len(dropped) == 0 {
		return nil
	}
	readings, err := s.Control.Quota(r.Context(), live.Key)
	if err != nil {
		return nil
	}
	for _, c := range readings {
		if !dropped[c.Name()] {
			continue
		}
		if c.By != quota.ByAll && c.Callers > 0 {
			warnings = append(warnings, catalog.Problem{Path: quotaPath(c.Endpoint), Message: fmt.Sprintf(
				"the condition by %s that is live counts %d callers in their windows: this deploy drops their counters; one with the same window, by and shadow at the same endpoint goes on counting",
				c.By, c.Callers)})
		} else if c.Used > 0 && c.Period.Unit != quota.NoUnit {
			warnings = append(warnings, catalog.Problem{Path: quotaPath(c.Endpoint), Message: fmt.Sprintf(
				"the condition by the %s that is live has counted %d calls of at most %d in its window: this deploy drops its counter; one with the same period at the same endpoint goes on counting",
				c.Period.Unit, c.Used, c.Max)})
		} else if c.Used > 0 {
			warnings = append(warnings, catalog.Problem{Path: quotaPath(c.Endpoint), Message: fmt.Sprintf(
				"the condition of %d seconds that is live has counted %d calls of at most %d in its window: this deploy drops its counter; one with the same resetTimeSeconds at the same endpoint goes on counting",
				c.ResetSeconds, c.Used, c.Max)})
		}
	}
	return warnings
}

// quotaPath is where a document has the conditions of an endpoint, "" for the
// domain.
func quotaPath(endpoint string) string {
	method, pattern, ok := strings.Cut(endpoint, " ")
	if !ok {
		return "$" + step(catalog.Extension) + ".plugins." + catalog.PluginUsageQuota
	}
	return "$.paths" + step(pattern) + step(strings.ToLower(method)) + step(catalog.Extension) + ".plugins." + catalog.PluginEndpointUsageQuota
}

const typeJSON = "application/json"

// isYAML tells the media types that YAML goes by (RFC 9512, and older ones).
func isYAML(mediaType string) bool {
	switch mediaType {
	case api.TypeYAML, "application/x-yaml", "text/yaml", "text/x-yaml", "text/vnd.yaml":
		return true
	}
	return strings.HasPrefix(mediaType, "application/") && strings.HasSuffix(mediaType, "+yaml")
}

// wantsYAML tells in what format a document is answered: JSON, unless YAML is
// asked for by name, and the one that it came in where both are.
func wantsYAML(h http.Header, stored []byte) bool {
	var json, yaml bool
	for part := range strings.SplitSeq(strings.Join(h.Values("Accept"), ","), ",") {
		mediaType, args, err := mime.ParseMediaType(part)
		if err != nil || strings.Trim(args["q"], "0.") == "" && args["q"] != "" {
			continue
		}
		json = json || mediaType == typeJSON
		yaml = yaml || isYAML(mediaType)
	}
	return yaml && (!json || catalog.CameAsYAML(stored))
}
