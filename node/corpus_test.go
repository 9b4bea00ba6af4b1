package node_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/tollgate/tollgate/node"
	"github.com/tollgate/tollgate/store/catalog"
)

// specimen is a file of testdata/corpus: lines "name: value", a document of a
// kind that people have, and what must come of it.
type specimen struct {
	file  string
	head  map[string]string
	text  string // the document as it stands in the file
	input []byte // what is imported
	want  string
}

// readCorpus reads all specimens, sorted by file.
func readCorpus(t *testing.T) []specimen {
	t.Helper()
	files, err := filepath.Glob("testdata/corpus/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no corpus: ", err)
	}
	var corpus []specimen
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		head, rest, _ := strings.Cut(string(b), "-- document --\n")
		text, want, _ := strings.Cut(rest, "-- result --\n")
		s := specimen{file: file, head: map[string]string{}, text: text, want: want}
		for line := range strings.Lines(head) {
			name, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
			s.head[name] = value
		}
		s.input = []byte(s.transform())
		corpus = append(corpus, s)
	}
	return corpus
}

// transform makes of the text what no text file should hold.
func (s *specimen) transform() string {
	text := s.text
	if size, err := strconv.Atoi(s.head["size"]); err == nil {
		text = strings.Replace(text, "@fill@", strings.Repeat("a", size-len(text)+len("@fill@")), 1)
	}
	for _, how := range strings.Fields(s.head["transform"]) {
		switch how {
		case "bom":
			text = "\ufeff" + text
		case "crlf":
			text = strings.ReplaceAll(text, "\n", "\r\n")
		case "cut":
			text = text[:len(text)/2]
		case "latin1":
			text = strings.ReplaceAll(text, "é", "\xe9")
		case "nest":
			text = strings.Replace(text, "@nest@", strings.Repeat("[", 200)+strings.Repeat("]", 200), 1)
		}
	}
	return text
}

func (s *specimen) options() catalog.ParseOptions {
	opts := node.ParseOptions()
	opts.Key, opts.Name, opts.Scheme, opts.EndpointServer = s.head["key"], s.head["name"], s.head["scheme"], s.head["endpoint server"]
	return opts
}

// result spells what came of a document.
func result(doc *catalog.Document, err error) string {
	var problems catalog.Problems
	var b strings.Builder
	if errors.As(err, &problems) {
		b.WriteString("refused\n")
		for _, p := range problems {
			fmt.Fprintf(&b, "%s: %s\n", p.Path, p.Message)
		}
		return b.String()
	}
	d := doc.Domain
	var servers []string
	for _, s := range d.Plugins.HTTPProxy.Servers() {
		servers = append(servers, s.URL)
	}
	fmt.Fprintf(&b, "imported %s (%s), %s, to %s", d.Key, d.Name, strings.Join(d.Schemes, " and "), strings.Join(servers, " and "))
	if catalog.CameAsYAML(doc.JSON) {
		b.WriteString(", as YAML")
	}
	b.WriteString("\n")
	for i := range d.Endpoints {
		b.WriteString(d.Endpoints[i].ID() + "\n")
	}
	for _, w := range doc.Warnings {
		fmt.Fprintf(&b, "warning: %s: %s\n", w.Path, w.Message)
	}
	return b.String()
}

// TestCorpus imports every document of the corpus.
func TestCorpus(t *testing.T) {
	corpus := readCorpus(t)
	if len(corpus) < 60 {
		t.Errorf("the corpus has %d documents, 60 at least are promised", len(corpus))
	}
	for _, s := range corpus {
		doc, err := catalog.Parse(s.input, s.options())
		got := result(doc, err)
		if *update {
			b, err := os.ReadFile(s.file)
			if err != nil {
				t.Fatal(err)
			}
			before, _, _ := strings.Cut(string(b), "-- result --\n")
			if err := os.WriteFile(s.file, []byte(before+"-- result --\n"+got), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if got != s.want {
			t.Errorf("%s: got\n%s\nwant\n%s\n(go test ./node -run TestCorpus -update rewrites it)", s.file, got, s.want)
		}
	}
	checkTable(t, corpus)
}

// checkTable keeps the table of the corpus, which is for people, true.
func checkTable(t *testing.T, corpus []specimen) {
	t.Helper()
	type row struct {
		documents, imported int
		texts               []string
	}
	rows := map[string]*row{}
	var kinds []string
	for _, s := range corpus {
		kind := s.head["kind"]
		if rows[kind] == nil {
			rows[kind] = &row{}
			kinds = append(kinds, kind)
		}
		r := rows[kind]
		r.documents++
		doc, err := catalog.Parse(s.input, s.options())
		if err == nil {
			r.imported++
			if len(doc.Warnings) > 0 {
				r.texts = append(r.texts, "warned: "+doc.Warnings[0].Message)
			}
			continue
		}
		var problems catalog.Problems
		errors.As(err, &problems)
		r.texts = append(r.texts, "refused: "+problems[0].Path+" "+problems[0].Message)
	}
	slices.Sort(kinds)
	table := "| kind | documents | imported | refused or warned with |\n|---|---|---|---|\n"
	for _, kind := range kinds {
		r := rows[kind]
		table += fmt.Sprintf("| %s | %d | %d | %s |\n", kind, r.documents, r.imported, strings.ReplaceAll(strings.Join(r.texts, "<br>"), "|", `\|`))
	}
	const file = "testdata/corpus.md"
	if *update {
		if err := os.WriteFile(file, []byte(table), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if had, err := os.ReadFile(file); err != nil || string(had) != table {
		t.Errorf("%s is not what the corpus comes to (go test ./node -run TestCorpus -update rewrites it): %v", file, err)
	}
}
