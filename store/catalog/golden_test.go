package catalog

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the results in testdata/*.txt")

// golden is a file of testdata: options, a document, then what Parse makes of
// it. An option is a line "# name: value" at the top; other lines with # are
// for the reader.
type golden struct {
	head  string // the lines with #
	input string
	want  string // from the first separator line "-- … --" on
	opts  ParseOptions
}

func readGolden(t testing.TB, file string) golden {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	g := golden{opts: ParseOptions{Pattern: noTripleStar, Rewrite: balanced}}
	rest := string(b)
	for strings.HasPrefix(rest, "#") {
		var line string
		line, rest, _ = strings.Cut(rest, "\n")
		g.head += line + "\n"
		switch name, value, _ := strings.Cut(strings.TrimPrefix(line, "# "), ": "); name {
		case "endpoint server":
			g.opts.EndpointServer = value
		case "key":
			g.opts.Key = value
		case "name":
			g.opts.Name = value
		case "scheme":
			g.opts.Scheme = value
		case "stored":
			g.opts.Stored = func(string) []byte { return []byte(value) }
		case "own":
			g.opts.Target = func(u *url.URL) error {
				if u.Host == value {
					return errors.New("is this node")
				}
				return nil
			}
		case "built":
			g.opts.Built = func(plugin string) bool { return slices.Contains(strings.Split(value, ", "), plugin) }
		}
	}
	g.input = rest
	if i := strings.Index(rest, "\n-- "); i >= 0 {
		g.input, g.want = rest[:i+1], rest[i+1:]
	}
	return g
}

func noTripleStar(pattern string) error {
	if strings.Contains(pattern, "***") {
		return errors.New("*** means nothing")
	}
	return nil
}

func balanced(uriPattern, rewriteURI string) error {
	if strings.Count(uriPattern, "(") != strings.Count(uriPattern, ")") {
		return fmt.Errorf("20005: parenthesis not closed in %s", uriPattern)
	}
	return nil
}

func TestParseGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no testdata", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			g := readGolden(t, file)
			got := result(t, g)
			if *update {
				if err := os.WriteFile(file, []byte(g.head+g.input+got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if got != g.want {
				t.Errorf("got\n%s\nwant\n%s\n(go test -run TestParseGolden -update rewrites it)", got, g.want)
			}
		})
	}
}

// result spells what Parse made of a golden's input, and checks what holds of
// every outcome.
func result(t *testing.T, g golden) string {
	doc, err := Parse([]byte(g.input), g.opts)
	if err != nil {
		var problems Problems
		if doc != nil || !errors.As(err, &problems) || len(problems) == 0 {
			t.Fatalf("Parse returned %v and %T", doc, err)
		}
		return "-- problems --\n" + err.Error() + "\n"
	}
	checkRoundTrip(t, []byte(g.input), g.opts, doc)
	out := "-- stored --\n" + string(doc.JSON) + "\n-- domain --\n" + pretty(t, doc.Domain) + "\n"
	if doc.Warnings != nil {
		out += "-- warnings --\n" + Problems(doc.Warnings).Error() + "\n"
	}
	return out
}

// pretty is v as indented JSON without members that are null.
func pretty(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var tree any
	if err := json.Unmarshal(b, &tree); err != nil {
		t.Fatal(err)
	}
	dropNulls(tree)
	if b, err = json.MarshalIndent(tree, "", "  "); err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func dropNulls(tree any) {
	switch tree := tree.(type) {
	case map[string]any:
		for k, v := range tree {
			if v == nil {
				delete(tree, k)
			}
			dropNulls(v)
		}
	case []any:
		for _, v := range tree {
			dropNulls(v)
		}
	}
}
