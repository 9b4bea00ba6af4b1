package catalog

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"testing"
)

func TestExport(t *testing.T) {
	stored := `{"swagger":"2.0","info":{"title":"t<>"},"basePath":"/k","paths":{"/a":{"get":{"x-own":[],"x":{},"n":1.50}}},"secretKey":"kept","x-toastcloud-apigw":{"plugins":{"HTTP_PROXY":{"url":"http://h"},"HMAC":{"secretKey":"hunter2","clockSkew":0}}}}`
	mustParse(t, stored, ParseOptions{})
	want := `{
  "swagger": "2.0",
  "info": {
    "title": "t<>"
  },
  "basePath": "/k",
  "paths": {
    "/a": {
      "get": {
        "x-own": [],
        "x": {},
        "n": 1.50
      }
    }
  },
  "secretKey": "kept",
  "x-toastcloud-apigw": {
    "plugins": {
      "HTTP_PROXY": {
        "url": "http://h"
      },
      "HMAC": {
        "secretKey": "SECRET",
        "clockSkew": 0
      }
    }
  }
}
`
	before := strings.Clone(stored)
	for secret, secrets := range map[string]bool{"hunter2": true, SecretPlaceholder: false} {
		if got := string(Export([]byte(stored), secrets)); got != strings.Replace(want, "SECRET", secret, 1) {
			t.Errorf("secrets %t:\n%s", secrets, got)
		}
	}
	if stored != before {
		t.Error("Export changed its input")
	}
	problems := problemsOf(t, string(Export([]byte(stored), false)), ParseOptions{})
	wantOne(t, problems, "$['x-toastcloud-apigw'].plugins.HMAC.secretKey", "export with secrets")
}

// TestExportHidesEverySecret goes through spellings that no stored document
// has: what leaves without secrets must be without, whatever it was.
func TestExportHidesEverySecret(t *testing.T) {
	for _, text := range []string{
		`{"x-cloudtoast-apigw":{"plugins":{"JWT":{"secretKey":"hunter2"}}}}`,
		`{"paths":{"/a":{"get":{"x-toastcloud-apigw":{"plugins":{"NEW":{"list":[{"SecretKey":"hunter2"}]}}}}}}}`,
		`{"x-toastcloud-apigw":{"plugins":{"JWT":{"secret\u004bey":"hunter2","secretKey":["hunter2"]}}},"x-toastcloud-apigw":{"plugins":{"HMAC":{"secretKey":{"a":"hunter2"}}}}}`,
	} {
		if got := string(Export([]byte(text), false)); !strings.Contains(got, SecretPlaceholder) || strings.Contains(got, "hunter2") {
			t.Errorf("%s became %s", text, got)
		}
	}
	for _, broken := range []string{"", `{"x-toastcloud-apigw":`, "\xff", `{"a":1} x`} {
		if got := Export([]byte(broken), false); got != nil {
			t.Errorf("%q was exported as %q", broken, got)
		}
	}
}

func TestIndentedSize(t *testing.T) {
	for _, text := range []string{`{}`, `[]`, `{"a":[],"b":{"c":[1,2,{"d:,[]{}\"":null}]},"e":"\\"}`, `7`, `[[[[]]]]`, `[{},{"a":{}}]`} {
		if got, want := indentedSize(text), len(Export([]byte(text), true)); got != want {
			t.Errorf("%s: %d, indented it has %d bytes", text, got, want)
		}
	}
}

func TestRename(t *testing.T) {
	stored := []byte(`{"swagger":"2.0","info":{"x":{"title":"kept"},"title":"t"},"title":"kept","basePath":"/k","paths":{},"x-toastcloud-apigw":{"plugins":{"HTTP_PROXY":{"url":"http://h"},"JWT":{"secretKey":"s"}}},"a":{"basePath":"/kept"}}`)
	before := bytes.Clone(stored)
	got, err := Rename(stored, "New.Key", `"Ä" <&>`)
	if err != nil {
		t.Fatal(err)
	}
	want := strings.NewReplacer(`"title":"t"`, `"title":"\"Ä\" <&>"`, `"basePath":"/k"`, `"basePath":"/New.Key"`).Replace(string(stored))
	if string(got) != want || !bytes.Equal(stored, before) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	doc := mustParse(t, string(got), ParseOptions{})
	if doc.Domain.Key != "New.Key" || doc.Domain.Name != `"Ä" <&>` || doc.Domain.Plugins.JWT.SecretKey != "s" {
		t.Errorf("%+v", doc.Domain)
	}

	_, err = Rename(stored, "a/b", "")
	var problems Problems
	if !errors.As(err, &problems) || len(problems) != 2 || problems[0].Path != "$.key" || problems[1].Path != "$.name" {
		t.Errorf("want problems with key and name, got %v", err)
	}
	for _, bad := range [][2]string{{"", "n"}, {"..", "n"}, {strings.Repeat("a", 65), "n"}, {"k\xff", "n"}, {"k", "\xff"}, {"k", "a\x00"}} {
		if _, err := Rename(stored, bad[0], bad[1]); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
	if _, err := Rename([]byte("{"), "k", "n"); err == nil {
		t.Error("no document was renamed")
	}
}

func TestAdmitsUndecided(t *testing.T) {
	quota := func(on string) *UsageQuota { return &UsageQuota{OnUnavailable: on} }
	for _, c := range []struct {
		domain, endpoint *UsageQuota
		want             bool
	}{
		{nil, nil, false}, {quota(""), nil, false}, {quota("reject"), nil, false}, {quota("admit"), nil, true},
		{quota("admit"), quota(""), true}, {quota("admit"), quota("reject"), false},
		{nil, quota("admit"), true}, {quota("reject"), quota("admit"), false}, {quota(""), quota("admit"), false}, {quota("admit"), quota("admit"), true}, {quota(""), quota(""), false},
	} {
		d := &Domain{Plugins: DomainPlugins{UsageQuota: c.domain}}
		e := &Endpoint{Plugins: EndpointPlugins{UsageQuota: c.endpoint}}
		if got := d.AdmitsUndecided(e); got != c.want {
			t.Errorf("domain %+v, endpoint %+v: %t", c.domain, c.endpoint, got)
		}
	}
}

// TestDraftOfDocument follows a document into the catalogue and out again.
func TestDraftOfDocument(t *testing.T) {
	g := readGolden(t, "testdata/everything.txt")
	doc := mustParse(t, g.input, g.opts)
	s := NewState()
	r, err := s.Apply(Put(doc.Draft(), true), 0)
	if err != nil || r.Key != "Key.~-_1" || len(r.Conditions) != 3 || r.Conditions[2].Endpoint != "PUT /b/{id}" {
		t.Fatalf("%+v, %v", r, err)
	}
	e, _ := s.Entry("Key.~-_1")
	if e.Name != "모든 것" || e.Endpoints != 8 {
		t.Errorf("%+v", e)
	}
	stored, err := e.Deployed.JSON()
	if err != nil {
		t.Fatal(err)
	}
	again := mustParse(t, string(stored), ParseOptions{})
	if !reflect.DeepEqual(again.Domain, doc.Domain) {
		t.Error("the deployed document is another domain")
	}
}

// TestRenameKeepsTheWay: a clone is called at the same path of the endpoint
// server, whatever names the domain.
func TestRenameKeepsTheWay(t *testing.T) {
	for raw, opts := range map[string]ParseOptions{
		"openapi: 3.0.0\ninfo: {title: t}\nservers: [{url: https://h/a/}]\npaths: {}\n":                                               {EndpointServer: "http://up"},
		"openapi: 3.0.0\ninfo: {title: t}\nservers: [{url: 'https://h/{v}', variables: {v: {default: a}}}]\npaths: {}\n":              {EndpointServer: "http://up"},
		"openapi: 3.0.0\ninfo: {title: t}\nservers: [{url: https://h/a}]\npaths: {}\n":                                                {EndpointServer: "http://up", Key: "b"},
		"openapi: 3.0.0\ninfo: {title: t}\npaths: {}\n":                                                                               {EndpointServer: "http://up", Key: "b"},
		"swagger: 2.0\ninfo: {title: t}\nbasePath: /a\npaths: {}\n":                                                                   {EndpointServer: "http://up", Key: "b", Name: "n"},
		"swagger: 2.0\ninfo: {title: t}\nbasePath: /a\npaths: {}\nx-toastcloud-apigw: {key: a, name: n, endpointServer: http://up}\n": {},
		"swagger: 2.0\ninfo: {title: t}\nbasePath: /a/b\npaths: {}\n":                                                                 {EndpointServer: "http://up", Key: "b"},
	} {
		doc := mustParse(t, raw, opts)
		renamed, err := Rename(doc.JSON, "other", "Other")
		if err != nil {
			t.Fatal(err)
		}
		clone := mustParse(t, string(renamed), ParseOptions{})
		if d := clone.Domain; d.Key != "other" || d.Name != "Other" || d.Plugins.HTTPProxy.URL != doc.Domain.Plugins.HTTPProxy.URL {
			t.Errorf("%s\nbecame %s\nof key %s, name %s, at %s", doc.JSON, renamed, d.Key, d.Name, d.Plugins.HTTPProxy.URL)
		}
	}
	doc := mustParse(t, "swagger: 2.0\ninfo: {title: t}\nbasePath: /a\npaths: {}\n", ParseOptions{EndpointServer: "http://up", Key: "b"})
	if _, err := Rename(doc.JSON, "a", "t"); err == nil || !strings.Contains(err.Error(), "choose another") {
		t.Errorf("a clone whose key is the document's own path: %v", err)
	}
}
