package catalog

import (
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestYAMLOfTexts: texts that a reader of YAML could take for something else stay
// texts, and the export is YAML and not the JSON that it falls back to.
func TestYAMLOfTexts(t *testing.T) {
	texts := []string{
		"", " ", "yes", "No", "on", "OFF", "y", "~", "null", "true", "1", "1.0", "0x1f", "0o7", "010", "1e3", ".inf", ".NaN", "12:30:45", "2019-04-01",
		"<<", "=", "- a", "a: b", "a #b", "#a", "&a", "*a", "!a", "%a", "@a", "`a", "{a", "[a", "'a", "\"a", "|", ">", "?", "? a", ": a", "-", "--- a", "...",
		"a\nb", "a\nb\n", "a\n\n", "\na", " a\nb", "a \nb", "a\n b", "a\tb", "a\r\nb", "\t", "a\u0085b", "a\u2028b", "\ufeffa", "\x00", "\x7f", "é 한 😀", "\ufffd",
		"a\n#b", "a\n---\nb", strings.Repeat("long ", 100), "a\n", "\n", "x\n  y\nz",
	}
	for _, text := range texts {
		raw := minimal(`,"x-text":` + quote(text) + `,` + quote("x-"+text) + `:[` + quote(text) + `,{}]`)
		yes := ExportYAML([]byte(raw), true)
		if looksLikeJSON(yes) {
			t.Errorf("%q is exported as JSON", text)
		}
		if again, err := yamlToJSON(yes); err != nil || again != raw {
			t.Errorf("%q became\n%s\n%v\n%s", text, again, err, yes)
		}
	}
}

// TestYAMLOfAnything: whatever is in a document, its export in YAML is the same
// document.
func TestYAMLOfAnything(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var build func(depth int) string
		build = func(depth int) string {
			kind := rapid.IntRange(0, 5).Draw(rt, "kind")
			if depth == 0 && kind > 3 {
				kind = 0
			}
			switch kind {
			case 1:
				return rapid.SampledFrom([]string{"null", "true", "false"}).Draw(rt, "word")
			case 2:
				return rapid.SampledFrom([]string{"0", "-0", "1.50", "1e3", "1E+400", "12345678901234567890123", "-7"}).Draw(rt, "number")
			case 4:
				items := rapid.SliceOfN(rapid.Just(0), 0, 4).Draw(rt, "items")
				list := make([]string, len(items))
				for i := range list {
					list[i] = build(depth - 1)
				}
				return "[" + strings.Join(list, ",") + "]"
			case 5:
				seen := map[string]bool{}
				var list []string
				for _, key := range rapid.SliceOfN(rapid.String(), 0, 4).Draw(rt, "keys") {
					if key = strings.ToValidUTF8(key, "?"); !seen[key] {
						seen[key] = true
						list = append(list, quote(key)+":"+build(depth-1))
					}
				}
				return "{" + strings.Join(list, ",") + "}"
			}
			return quote(strings.ToValidUTF8(rapid.String().Draw(rt, "text"), "?"))
		}
		raw := minimal(`,"x-a":` + build(4))
		export := ExportYAML([]byte(raw), true)
		again, _, err := readText(export)
		if err != nil || again != raw {
			rt.Errorf("became\n%s\n%v\nfrom\n%s\nby\n%s", again, err, raw, export)
		}
	})
}

// TestYAMLThatIsNoDocument: what YAML can say and JSON cannot is refused with its line.
func TestYAMLThatIsNoDocument(t *testing.T) {
	for text, says := range map[string]string{
		"a: b\n? [c, d]\n: e\n":         "line 2: a key must be a text",
		"a: b\n<<: c\n":                 "line 2: a merge key << takes a mapping",
		"a: &a\n  b: *a\n":              "nested too deep",
		"a: &a {<<: *a}\n":              "nested too deep",
		"a: b\n---\nc: d\n":             "line 2 begins a second one",
		"a: [\n":                        "not YAML: line 1",
		"\x00":                          "not YAML: control characters are not allowed",
		"a: &a {}\nb: *c\n":             "unknown anchor",
		strings.Repeat("- ", 300) + "a": "nested too deep",
	} {
		wantOne(t, problemsOf(t, text, ParseOptions{}), "$", says)
	}
	// Each of these merges nothing, and there are many of them.
	empty := "x: &a {}\n"
	for c := 'b'; c <= 'l'; c++ {
		empty += "x" + string(c) + ": &" + string(c) + " {<<: [" + strings.Repeat("*"+string(c-1)+",", 9) + "]}\n"
	}
	wantOne(t, problemsOf(t, empty, ParseOptions{}), "$", "with its anchors written out")
	// And these merge the same members over and over.
	again := "a: &a {"
	for i := range 1000 {
		again += "k" + strconv.Itoa(i) + ": 0, "
	}
	again += "}\nb: &b {<<: [" + strings.Repeat("*a,", 1000) + "]}\nc: &c {<<: [" + strings.Repeat("*b,", 1000) + "]}\n"
	wantOne(t, problemsOf(t, again, ParseOptions{}), "$", "with its anchors written out")
}
