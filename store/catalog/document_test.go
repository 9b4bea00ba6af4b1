package catalog

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// checkRoundTrip checks what must hold of every document that Parse accepts.
func checkRoundTrip(t testing.TB, raw []byte, opts ParseOptions, doc *Document) {
	t.Helper()
	// They are in the document now.
	opts.Key, opts.Name, opts.Scheme, opts.EndpointServer, opts.Stored = "", "", "", "", nil
	export := Export(doc.JSON, true)
	if CameAsYAML(doc.JSON) {
		if export = ExportYAML(doc.JSON, true); looksLikeJSON(export) {
			t.Fatalf("YAML was exported as JSON\n%s", export)
		}
	}
	for _, form := range [][]byte{doc.JSON, export} {
		again, err := Parse(form, opts)
		if err != nil {
			t.Fatalf("what Parse accepted is refused: %v\n%s", err, form)
		}
		if !bytes.Equal(again.JSON, doc.JSON) {
			t.Fatalf("stored form changed from\n%s\nto\n%s", doc.JSON, again.JSON)
		}
		if !reflect.DeepEqual(again, doc) {
			t.Fatalf("document changed from\n%s\nto\n%s", pretty2(doc), pretty2(again))
		}
	}
	if want := obviousDomain(t, doc.JSON); !reflect.DeepEqual(emptyAsNil(*doc.Domain), emptyAsNil(*want)) {
		t.Fatalf("the domain is\n%s\nencoding/json reads\n%s", pretty2(doc.Domain), pretty2(want))
	}
	checkUnrelated(t, raw, doc)
	checkSecrets(t, doc)
	put := Put(doc.Draft(), true)
	if err := put.Check(); err != nil {
		t.Fatalf("the draft of an accepted document cannot be stored: %v", err)
	}
}

func pretty2(v any) string {
	b, _ := json.MarshalIndent(v, "", " ")
	return string(b)
}

// obviousDomain reads a stored document the short way, which checks nothing.
func obviousDomain(t testing.TB, stored []byte) *Domain {
	t.Helper()
	type extension[P any] struct {
		Key            string   `json:"key"`
		Name           string   `json:"name"`
		Schemes        []string `json:"schemes"`
		EndpointServer string   `json:"endpointServer"`
		Plugins        P        `json:"plugins"`
	}
	type domainPlugins struct {
		HTTPProxy   *HTTPProxy   `json:"HTTP_PROXY"`
		IPACL       *IPACL       `json:"IPACL"`
		Maintenance *Maintenance `json:"MAINTENANCE"`
		HMAC        *HMAC        `json:"HMAC"`
		JWT         *JWT         `json:"JWT"`
		APIKey      *APIKey      `json:"API_KEY"`
		UsageQuota  *UsageQuota  `json:"USAGE_QUOTA"`
		CORS        *commaCORS   `json:"CORS"`
		URIRewrite  *URIRewrite  `json:"URI_REWRITE"`
	}
	type endpointPlugins struct {
		UsageQuota *UsageQuota `json:"ENDPOINT_USAGE_QUOTA"`
		UsageCost  *UsageCost  `json:"USAGE_COST"`
		PreAPI     *PreAPI     `json:"PRE_API"`
		URIRewrite *URIRewrite `json:"URI_REWRITE"`
		Header     *Header     `json:"HEADER"`
		Mock       *Mock       `json:"MOCK"`
	}
	var swagger struct {
		Info      struct{ Title string }
		BasePath  string
		Servers   []struct{ URL string }
		Schemes   []string
		Paths     map[string]json.RawMessage
		Extension extension[domainPlugins] `json:"x-toastcloud-apigw"`
	}
	must := func(err error) {
		if err != nil {
			t.Fatalf("encoding/json cannot read what Parse accepted: %v\n%s", err, stored)
		}
	}
	must(json.Unmarshal(exactKeys(t, stored), &swagger))
	ext := swagger.Extension
	base := swagger.BasePath
	if len(swagger.Servers) > 0 {
		u, err := url.Parse(swagger.Servers[0].URL)
		must(err)
		base = u.EscapedPath()
	}
	base = strings.TrimRight(base, "/")
	d := &Domain{Key: cmp.Or(ext.Key, strings.TrimPrefix(base, "/")), Name: cmp.Or(ext.Name, swagger.Info.Title)}
	pl := ext.Plugins
	d.Plugins = DomainPlugins{pl.HTTPProxy, pl.IPACL, pl.Maintenance, pl.HMAC, pl.JWT, pl.APIKey, lowerBy(pl.UsageQuota), (*CORS)(pl.CORS), pl.URIRewrite}
	switch {
	case ext.EndpointServer == "":
	case pl.HTTPProxy != nil:
		pl.HTTPProxy.URL, pl.HTTPProxy.Targets = ext.EndpointServer, nil
	case base == "/"+d.Key || base == "":
		d.Plugins.HTTPProxy = &HTTPProxy{URL: ext.EndpointServer}
	default:
		d.Plugins.HTTPProxy = &HTTPProxy{URL: strings.TrimRight(ext.EndpointServer, "/") + base}
	}
	schemes := swagger.Schemes
	if ext.Schemes != nil {
		schemes = ext.Schemes
	}
	for _, scheme := range []string{"http", "https"} {
		if len(schemes) == 0 || slices.Contains(schemes, scheme) || slices.Contains(schemes, "ws"+scheme[4:]) {
			d.Schemes = append(d.Schemes, scheme)
		}
	}
	for pattern, raw := range swagger.Paths {
		if strings.HasPrefix(pattern, "x-") {
			continue
		}
		var item map[string]json.RawMessage
		must(json.Unmarshal(raw, &item))
		for _, m := range []string{"get", "post", "put", "delete", "head", "patch", "options"} {
			if item[m] == nil {
				continue
			}
			var operation map[string]json.RawMessage
			must(json.Unmarshal(item[m], &operation))
			var ext extension[endpointPlugins]
			if raw := operation[Extension]; raw != nil {
				must(json.Unmarshal(raw, &ext))
			}
			lowerBy(ext.Plugins.UsageQuota)
			d.Endpoints = append(d.Endpoints, Endpoint{strings.ToUpper(m), pattern, EndpointPlugins(ext.Plugins)})
		}
	}
	slices.SortFunc(d.Endpoints, func(a, b Endpoint) int {
		return cmp.Or(strings.Compare(a.Pattern, b.Pattern), strings.Compare(a.Method, b.Method))
	})
	return d
}

// lowerBy has header names in lower case, and thresholds in order, as Parse has them.
func lowerBy(q *UsageQuota) *UsageQuota {
	if q == nil {
		return nil
	}
	for i := range q.Beans {
		b := &q.Beans[i]
		if strings.HasPrefix(b.By, "header:") {
			b.By = strings.ToLower(b.By)
		}
		slices.Sort(b.AlertPercent)
	}
	return q
}

// commaCORS is CORS with lists that may be one text.
type commaCORS CORS

func (c *commaCORS) UnmarshalJSON(b []byte) error {
	var tree map[string]any
	if err := json.Unmarshal(b, &tree); err != nil {
		return err
	}
	for name, v := range tree {
		if s, ok := v.(string); ok {
			tree[name] = strings.Split(strings.ReplaceAll(s, " ", ""), ",")
		}
	}
	b, _ = json.Marshal(tree)
	return json.Unmarshal(b, (*CORS)(c))
}

// exactKeys drops the top-level members that encoding/json would take for
// another because it ignores case.
func exactKeys(t testing.TB, stored []byte) []byte {
	t.Helper()
	var all, some map[string]json.RawMessage
	if err := json.Unmarshal(stored, &all); err != nil {
		t.Fatal(err)
	}
	some = map[string]json.RawMessage{}
	for _, name := range []string{"basePath", "servers", "schemes", "paths", Extension} {
		if all[name] != nil {
			some[name] = all[name]
		}
	}
	var info map[string]json.RawMessage
	if all["info"] != nil {
		if err := json.Unmarshal(all["info"], &info); err != nil {
			t.Fatal(err)
		}
	}
	if info["title"] != nil {
		some["info"] = json.RawMessage(`{"title":` + string(info["title"]) + `}`)
	}
	b, err := json.Marshal(some)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// emptyAsNil makes empty lists and maps nil ones: they mean the same.
func emptyAsNil[T any](v T) T {
	nilEmpty(reflect.ValueOf(&v).Elem())
	return v
}

func nilEmpty(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			c := reflect.New(v.Type().Elem())
			c.Elem().Set(v.Elem())
			nilEmpty(c.Elem())
			v.Set(c)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			nilEmpty(v.Field(i))
		}
	case reflect.Map:
		if v.Len() == 0 {
			v.SetZero()
		}
	case reflect.Slice:
		if v.Len() == 0 {
			v.SetZero()
			return
		}
		c := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
		reflect.Copy(c, v)
		for i := range c.Len() {
			nilEmpty(c.Index(i))
		}
		v.Set(c)
	}
}

// checkUnrelated checks that, the extension and an added endpoint server
// apart, the stored document has the values of the one that was sent.
func checkUnrelated(t testing.TB, raw []byte, doc *Document) {
	t.Helper()
	strip := func(b []byte) (tree map[string]any) {
		d := json.NewDecoder(bytes.NewReader(bytes.TrimPrefix(b, []byte("\ufeff"))))
		d.UseNumber() // spellings count
		if err := d.Decode(&tree); err != nil {
			t.Fatal(err)
		}
		canonical := func(o map[string]any) {
			if ext, ok := o[extensionAlias]; ok {
				o[Extension] = ext
				delete(o, extensionAlias)
			}
		}
		canonical(tree)
		paths, _ := tree["paths"].(map[string]any)
		for pattern, item := range paths {
			if strings.HasPrefix(pattern, "x-") {
				continue
			}
			for name, operation := range item.(map[string]any) {
				if isMethod(strings.ToUpper(name)) {
					canonical(operation.(map[string]any))
				}
			}
		}
		delete(tree, Extension)
		return tree
	}
	sent, _, err := readText(raw)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := strip(doc.JSON), strip([]byte(sent)); !reflect.DeepEqual(got, want) {
		t.Fatalf("stored\n%s\nfor\n%s", doc.JSON, raw)
	}
}

// checkSecrets checks that an export without secrets has none, and is refused
// where there were some.
func checkSecrets(t testing.TB, doc *Document) {
	t.Helper()
	export := Export(doc.JSON, false)
	again, err := Parse(export, ParseOptions{})
	var want []string // the ends of the paths of the secrets
	plugins := doc.Domain.Plugins
	if plugins.HMAC != nil || plugins.JWT != nil {
		want = append(want, ".secretKey")
	}
	if plugins.HTTPProxy.ClientCertificate != nil {
		want = append(want, ".clientCertificate.key")
	}
	if want == nil {
		if err != nil || !reflect.DeepEqual(again.Domain, doc.Domain) {
			t.Fatalf("export without secrets of a domain that has none: %v", err)
		}
		return
	}
	var problems Problems
	if !errors.As(err, &problems) || len(problems) != len(want) {
		t.Fatalf("want %d problems, the secrets, in an export without secrets; got %v\n%s", len(want), err, export)
	}
	for _, end := range want {
		if !slices.ContainsFunc(problems, func(p Problem) bool { return strings.HasSuffix(p.Path, end) }) {
			t.Fatalf("no problem at %s in an export without secrets: %v\n%s", end, err, export)
		}
	}
	if own := plugins.HTTPProxy.ClientCertificate; own != nil && bytes.Contains(export, []byte(strings.Split(own.Key, "\n")[1])) {
		t.Fatalf("the key of the client certificate is in an export without secrets")
	}
	var swagger struct {
		Extension struct {
			Plugins map[string]struct{ SecretKey *string }
		} `json:"x-toastcloud-apigw"`
	}
	_ = json.Unmarshal(export, &swagger)
	for name, plugin := range swagger.Extension.Plugins {
		if plugin.SecretKey != nil && *plugin.SecretKey != SecretPlaceholder {
			t.Fatalf("the secret of %s is in an export without secrets", name)
		}
	}
}

// minimal is a document that Parse accepts, with more members at the top.
func minimal(more string) string {
	return `{"swagger":"2.0","info":{"title":"t"},"basePath":"/k","paths":{},"x-toastcloud-apigw":{"plugins":{"HTTP_PROXY":{"url":"http://h"}}}` + more + `}`
}

func mustParse(t testing.TB, raw string, opts ParseOptions) *Document {
	t.Helper()
	doc, err := Parse([]byte(raw), opts)
	if err != nil {
		t.Fatalf("%v\n%s", err, raw)
	}
	return doc
}

// problemsOf is what Parse says of a document that it must refuse.
func problemsOf(t testing.TB, raw string, opts ParseOptions) Problems {
	t.Helper()
	doc, err := Parse([]byte(raw), opts)
	var problems Problems
	if doc != nil || !errors.As(err, &problems) {
		t.Fatalf("accepted, or no problems: %v", err)
	}
	return problems
}

func wantOne(t testing.TB, problems Problems, path, part string) {
	t.Helper()
	if len(problems) != 1 || problems[0].Path != path || !strings.Contains(problems[0].Message, part) {
		t.Errorf("want one problem at %s with %q, got:\n%v", path, part, problems)
	}
}

func TestParseRawBytes(t *testing.T) {
	wantOne(t, problemsOf(t, "", ParseOptions{}), "$", "is empty")
	wantOne(t, problemsOf(t, " \n\t", ParseOptions{}), "$", "is empty")
	wantOne(t, problemsOf(t, "{\n  \"a\": \"é\", }", ParseOptions{}), "$", "line 2, column 13: invalid character '}'")
	wantOne(t, problemsOf(t, `{"a":`, ParseOptions{}), "$", "line 1, column 5: unexpected end")
	wantOne(t, problemsOf(t, "swagger: '2.0'\n- a\n", ParseOptions{}), "$", "not YAML: line 1")
	wantOne(t, problemsOf(t, minimal("")+"{}", ParseOptions{}), "$", "after top-level value")
	wantOne(t, problemsOf(t, "{\n\"é\xff\":1}", ParseOptions{}), "$", "not UTF-8 at line 2, column 3: byte 0xff")
	wantOne(t, problemsOf(t, "[1,2]", ParseOptions{}), "$", "not an array")
	wantOne(t, problemsOf(t, "null", ParseOptions{}), "$", "not null")
	if doc := mustParse(t, "\ufeff"+minimal(""), ParseOptions{}); string(doc.JSON) != minimal("") {
		t.Errorf("a byte order mark was stored: %q", doc.JSON)
	}
}

func TestParseSizeBound(t *testing.T) {
	fit := MaxDocumentBytes - len(minimal(`,"x-fill":""`))
	doc := mustParse(t, minimal(`,"x-fill":"`+strings.Repeat("a", fit)+`"`), ParseOptions{})
	if len(doc.JSON) != MaxDocumentBytes {
		t.Fatalf("%d bytes", len(doc.JSON))
	}
	if export := Export(doc.JSON, true); len(export) > MaxDocumentBytes {
		t.Errorf("the export has %d bytes, which no import takes", len(export))
	}
	wantOne(t, problemsOf(t, minimal(`,"x-fill":"`+strings.Repeat("a", fit+1)+`"`), ParseOptions{}), "$", "8388609 bytes, at most 8388608")
	bare := strings.Replace(minimal(""), `,"x-toastcloud-apigw":{"plugins":{"HTTP_PROXY":{"url":"http://h"}}}`, "", 1)
	bare = bare[:len(bare)-1] + `,"x-fill":"` + strings.Repeat("a", MaxDocumentBytes-len(bare)-12) + `"}`
	wantOne(t, problemsOf(t, bare, ParseOptions{EndpointServer: "http://h"}), "$", "such as its endpoint server")
}

func TestParseDepthBound(t *testing.T) {
	nest := func(n int) string {
		return minimal(`,"x-n":` + strings.Repeat("[", n) + strings.Repeat("]", n))
	}
	mustParse(t, nest(MaxDepth-1), ParseOptions{})
	deep := problemsOf(t, nest(MaxDepth), ParseOptions{})
	wantOne(t, deep, "$['x-n']"+strings.Repeat("[0]", MaxDepth-1), "at most 100 levels")
	problemsOf(t, strings.Repeat("[", 1<<20), ParseOptions{})
	// Indented, this would be hundreds of megabytes.
	wide := minimal(`,"x-n":` + strings.Repeat("[", 98) + strings.Repeat("0,", 1<<20) + "0" + strings.Repeat("]", 98))
	doc := mustParse(t, wide, ParseOptions{})
	if export := Export(doc.JSON, true); !bytes.Equal(export, doc.JSON) {
		t.Error("an export that nobody could import was not left compact")
	}
}

func TestParseEndpointBound(t *testing.T) {
	paths := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `,"/%d":{"get":{"x-toastcloud-apigw":{"plugins":{"ENDPOINT_USAGE_QUOTA":{"usageQuotaBeans":[{"maxUsageQuota":1,"resetTimeSeconds":1},{"maxUsageQuota":1,"resetTimeSeconds":2}]}}}}}`, i)
		}
		return strings.Replace(minimal(""), `"paths":{}`, `"paths":{`+b.String()[1:]+`}`, 1)
	}
	doc := mustParse(t, paths(MaxEndpoints), ParseOptions{})
	put := Put(doc.Draft(), false)
	if err := put.Check(); err != nil || len(put.Draft.Conditions) != MaxConditions {
		t.Errorf("%d conditions: %v", len(put.Draft.Conditions), err)
	}
	wantOne(t, problemsOf(t, paths(MaxEndpoints+1), ParseOptions{})[:1], "$", "40002 quota conditions, at most 40000")
	wantOne(t, problemsOf(t, strings.ReplaceAll(paths(MaxEndpoints+1), "x-toastcloud-apigw\":{\"plugins\":{\"E", "x-a\":{\"plugins\":{\"E"), ParseOptions{}), "$.paths", "more than 20000 endpoints")
}

func TestParseProblemBound(t *testing.T) {
	long := strings.Repeat("x", 1<<20)
	problems := problemsOf(t, minimal(`,"x-`+long+`":{"a":[`+strings.Repeat(`{"b":1,"b":1},`, 5000)+`0]}`), ParseOptions{})
	if len(problems) != MaxProblems+1 || !strings.Contains(problems[MaxProblems].Message, "4000 more") {
		t.Errorf("%d problems, last %v", len(problems), problems[len(problems)-1])
	}
	if size := len(problems.Error()); size > 1<<20 {
		t.Errorf("the list of problems has %d bytes", size)
	}
}

// TestParseIsDeterministic reads a document with many kinds of problems again
// and again: the list must not depend on a map.
func TestParseIsDeterministic(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		g := readGolden(t, file)
		first, firstErr := Parse([]byte(g.input), g.opts)
		for range 20 {
			again, err := Parse([]byte(g.input), g.opts)
			if !reflect.DeepEqual(again, first) || !reflect.DeepEqual(err, firstErr) {
				t.Fatalf("%s: another result: %v, then %v", file, firstErr, err)
			}
		}
	}
}

// TestParseSpellings checks bounds where a step to either side matters.
func TestParseSpellings(t *testing.T) {
	quota := func(max, seconds string) string {
		return minimal("")[:len(minimal(""))-3] + `,"USAGE_QUOTA":{"usageQuotaBeans":[{"maxUsageQuota":` + max + `,"resetTimeSeconds":` + seconds + `}]}}}}`
	}
	proxy := func(url string) string { return strings.Replace(minimal(""), "http://h", url, 1) }
	key := func(key string) string { return strings.Replace(minimal(""), `"/k"`, quote(key), 1) }
	title := func(title string) string { return strings.Replace(minimal(""), `"t"`, quote(title), 1) }
	pattern := func(p string) string {
		return strings.Replace(minimal(""), `"paths":{}`, `"paths":{`+quote(p)+`:{"get":{}}}`, 1)
	}
	for _, c := range []struct {
		doc string
		ok  bool
	}{
		{quota("1", "1"), true}, {quota("1000000000000", "31536000"), true},
		{quota("0", "1"), false}, {quota("1000000000001", "1"), false}, {quota("1", "31536001"), false},
		{quota("1", "0"), false}, {quota("-1", "1"), false}, {quota("1.0", "1"), false}, {quota("1e3", "1"), false},
		{quota("9223372036854775808", "1"), false}, {quota("18446744073709551617", "1"), false},
		{quota(`"1"`, "1"), false}, {quota("true", "1"), false}, {quota("1", "4294967297"), false}, {quota("null", "1"), false},
		{proxy("http://h"), true}, {proxy("HTTPS://H:65535/a/b%20c/"), true}, {proxy("http://[::1]:8080"), true},
		{proxy("http://127.0.0.1"), true}, {proxy("http://a_b.c-d."), true}, {proxy("http://h:1"), true}, {proxy("http://[2001:db8::1]"), true},
		{proxy("http://h:0"), false}, {proxy("http://h:65536"), false}, {proxy("http://h:"), false}, {proxy("http://h:+1"), false},
		{proxy("http://"), false}, {proxy("http://:80"), false}, {proxy("http:///x"), false}, {proxy("//h"), false}, {proxy("h:80"), false},
		{proxy("ftp://h"), false}, {proxy("http:h"), false}, {proxy("http://u@h"), false}, {proxy("http://u:p@h"), false}, {proxy("http://@h"), false},
		{proxy("http://h?"), false}, {proxy("http://h/?a=b"), false}, {proxy("http://h#"), false}, {proxy("http://h/%zz"), false},
		{proxy("http://h/a/../b"), false}, {proxy("http://h/%2E%2e"), false}, {proxy("http://h/."), false}, {proxy("http://h/..."), true},
		{proxy("http://h h"), false}, {proxy("http://é"), false}, {proxy("http://h/é"), false}, {proxy(`http://h\\x`), false},
		{proxy("http://h\\r\\nX: y"), false}, {proxy("http://1.2.3"), false}, {proxy("http://1.2.3.256"), false}, {proxy("http://0x7f.1"), false},
		{proxy("http://[::1"), false}, {proxy("http://::1"), false}, {proxy("http://[1.2.3.4]"), false}, {proxy("http://[fe80::1%25lo]"), false},
		{proxy("http://a..b"), false}, {proxy("http://a,b"), false}, {proxy("http://" + strings.Repeat("a.", 127) + "b"), false},
		{proxy("http://h/" + strings.Repeat("a", maxURLBytes-9)), true}, {proxy("http://h/" + strings.Repeat("a", maxURLBytes-8)), false},
		{key("/AZaz09._~-"), true}, {key("/" + strings.Repeat("a", 64)), true}, {key("/..."), true},
		{key("/" + strings.Repeat("a", 65)), false}, {key("/"), false}, {key(""), false}, {key("k"), false}, {key("/."), false}, {key("/.."), false},
		{key("/a/b"), false}, {key("/a/"), true}, {key("//a"), false}, {key("/a%20b"), false}, {key("/a b"), false}, {key("/é"), false}, {key("/a\x00"), false},
		{title("API 게이트웨이 <&>"), true}, {title(strings.Repeat("é", 256)), true}, {title(strings.Repeat("é", 257)), false},
		{title(""), false}, {title(" "), false}, {title("a\nb"), false}, {title("a\u0085"), false}, {strings.Replace(minimal(""), `"t"`, `"\ud800"`, 1), false},
		{pattern("/"), true}, {pattern("/a?b/*/**/{x:[0-9]+}"), true}, {pattern("/" + strings.Repeat("a", 1023)), true},
		{pattern("/" + strings.Repeat("a", 1024)), false}, {pattern(""), false}, {pattern("a"), false}, {pattern("/a\nb"), false}, {pattern("/\x7f"), false},
	} {
		if _, err := Parse([]byte(c.doc), ParseOptions{}); (err == nil) != c.ok {
			t.Errorf("want accepted %t, got %v\n%s", c.ok, err, shorten(c.doc, 300))
		}
	}
}

func TestSecretsAreNotRepeated(t *testing.T) {
	for _, more := range []string{
		`"HMAC":{"secretKey":["hunter2"],"clockSkew":0}`,
		`"HMAC":{"secretKey":12342,"clockSkew":0}`,
		`"JWT":{"secretKey":"hunter2\ufffd"}`,
		`"JWT":{"secretKey":"` + strings.Repeat("hunter2", 1000) + `"}`,
		`"PRE_API":{"method":"GET","url":"http://u:hunter2@h"}`,
		`"PRE_API":{"method":"GET","url":"http://u:hunter2@h:x"}`,
		`"PRE_API":{"method":"GET","url":"u:hunter2@h"}`,
	} {
		doc := minimal("")[:len(minimal(""))-3] + "," + more + "}}}"
		problems := problemsOf(t, doc, ParseOptions{EndpointServer: "http://u:hunter2@h"})
		if text := problems.Error(); strings.Contains(text, "hunter2") || strings.Contains(text, "12342") {
			t.Errorf("a secret is in the problems:\n%s", text)
		}
	}
}

func FuzzParse(f *testing.F) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		g := readGolden(f, file)
		f.Add([]byte(g.input), g.opts.EndpointServer)
	}
	f.Add([]byte(`{"a":"\"}`), "")
	f.Add([]byte("swagger: 2.0\ninfo: &i {title: t}\nbasePath: /k\nx-i: {<<: *i, a: |\n  b\n  }\npaths: {/a: {get: {}}}\n"), "http://h")
	f.Add([]byte("openapi: 3.1.0\ninfo: {title: t}\nservers: [{url: https://h/k}]\npaths: {/a: {get: {}}}\n"), "http://h")
	f.Fuzz(func(t *testing.T, raw []byte, server string) {
		opts := ParseOptions{EndpointServer: server, Pattern: noTripleStar, Rewrite: balanced}
		doc, err := Parse(raw, opts)
		if err != nil {
			var problems Problems
			if doc != nil || !errors.As(err, &problems) || len(problems) == 0 {
				t.Fatalf("%v, %T", doc, err)
			}
			return
		}
		checkRoundTrip(t, raw, opts, doc)
		renamed, err := Rename(doc.JSON, "other", "Other")
		if err != nil {
			t.Fatal(err)
		}
		opts.EndpointServer = ""
		clone, err := Parse(renamed, opts)
		if err != nil {
			t.Fatalf("the clone is refused: %v", err)
		}
		clone.Domain.Key, clone.Domain.Name = doc.Domain.Key, doc.Domain.Name
		if !reflect.DeepEqual(clone.Domain, doc.Domain) {
			t.Fatal("the clone is another domain")
		}
	})
}

// TestParseFieldBounds has lists and texts at their largest, and one beyond.
func TestParseFieldBounds(t *testing.T) {
	list := func(n int, item func(i int) string) string {
		items := make([]string, n)
		for i := range items {
			items[i] = item(i)
		}
		return strings.Join(items, ",")
	}
	ip := func(int) string { return `{"ip":"::1"}` }
	header := func(i int) string { return fmt.Sprintf(`"x-%d":"1"`, i) }
	a := func(n int) string { return strings.Repeat("a", n) }
	const maintenance = `"MAINTENANCE":{"isUse":true,"statusCode":200,"headers":`
	for _, c := range []struct{ fits, tooMuch, path, part string }{
		{`"IPACL":{"isPermit":true,"ipList":[` + list(maxIPs, ip) + `]}`, `"IPACL":{"isPermit":true,"ipList":[` + list(maxIPs+1, ip) + `]}`,
			"IPACL.ipList[10000]", "at most 10000"},
		{`"URI_REWRITE":{"uriPattern":"` + a(4096) + `","rewriteUri":""}`, `"URI_REWRITE":{"uriPattern":"` + a(4097) + `","rewriteUri":""}`,
			"URI_REWRITE", "4097 bytes, at most 4096"},
		{maintenance + `{` + list(maxHeaders, header) + `}}`, maintenance + `{` + list(maxHeaders+1, header) + `}}`,
			"MAINTENANCE.headers", "101 headers, at most 100"},
		{maintenance + `{"x":"` + a(8192) + `"}}`, maintenance + `{"x":"` + a(8193) + `"}}`,
			"MAINTENANCE.headers.x", "8193 bytes"},
		{maintenance + `{"` + a(256) + `":""}}`, maintenance + `{"` + a(257) + `":""}}`,
			"MAINTENANCE.headers." + a(200) + "…", "at most 256"},
		{maintenance + `{"x":"\t~é"}}`, maintenance + `{"x":"\u007f"}}`, "MAINTENANCE.headers.x", "control character"},
		{`"HMAC":{"secretKey":"` + a(4096) + `","clockSkew":0}`, `"HMAC":{"secretKey":"` + a(4097) + `","clockSkew":0}`,
			"HMAC.secretKey", "4097 bytes"},
		{`"CORS":{"allowedOrigins":["a+b.c-1://x"]}`, `"CORS":{"allowedOrigins":["1a://x"]}`,
			"CORS.allowedOrigins[0]", "must be"},
	} {
		with := func(plugin string) string { return minimal("")[:len(minimal(""))-3] + "," + plugin + "}}}" }
		mustParse(t, with(c.fits), ParseOptions{})
		wantOne(t, problemsOf(t, with(c.tooMuch), ParseOptions{}), "$['x-toastcloud-apigw'].plugins."+c.path, c.part)
	}
}

// TestParseOddValues puts odd values in every place of a document that uses
// everything: each is refused with problems, or makes a document that holds
// what every accepted one holds.
func TestParseOddValues(t *testing.T) {
	g := readGolden(t, "testdata/everything.txt")
	text, err := compact([]byte(g.input))
	if err != nil {
		t.Fatal(err)
	}
	accepted, refused := 0, 0
	try := func(from, to int, with string) {
		raw := apply(text, []edit{{from, to, with}})
		doc, err := Parse(raw, g.opts)
		if err != nil {
			refused++
			return
		}
		accepted++
		checkRoundTrip(t, raw, g.opts, doc)
	}
	var walk func(v value)
	walk = func(v value) {
		for _, odd := range []string{`null`, `true`, `0`, `-1`, `1e400`, `""`, `"*"`, `"\ud800"`, `"\u0000"`, `"a/b?c#d@e:f"`, `"x-cloudtoast-apigw"`, `{}`, `[]`, `[{}]`, `{"":{}}`, `{"plugins":{}}`} {
			try(v.at, v.at+len(v.raw), odd)
		}
		switch v.kind() {
		case kindObject:
			for _, m := range v.members() {
				for _, odd := range []string{`""`, `"x-cloudtoast-apigw"`, `"get"`, `"plugins"`, `"a'\\\n"`, `"\ud800"`} {
					try(m.keyAt, m.keyAt+len(m.rawKey), odd)
				}
				try(m.keyAt, m.keyAt, m.rawKey+":0,") // twice
				walk(m.value)
			}
		case kindArray:
			for _, item := range v.items() {
				walk(item)
			}
		}
	}
	walk(value{raw: text})
	if accepted < 500 || refused < 1000 {
		t.Errorf("accepted %d, refused %d: the odd values do not reach what they should", accepted, refused)
	}
}
