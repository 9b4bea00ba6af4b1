package admin

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/tollgate/tollgate/store/catalog"
	"github.com/tollgate/tollgate/store/quota"
)

// TestImportOptions: what stands beside the document decides, and is kept in it.
func TestImportOptions(t *testing.T) {
	const query = "key=other&name=Other&scheme=https&endpointServer=http://10.0.0.9"
	opts := catalog.ParseOptions{Key: "other", Name: "Other", Scheme: "https", EndpointServer: "http://10.0.0.9"}
	want := mustParse(t, shop, opts)
	run(t, []call{
		{name: "all", do: "POST /v1/domains?" + query, body: shop, status: 200,
			want:  `{"key":"other","revision":1,"deployed":false,"warnings":[],"pending":[]}`,
			asked: fmt.Sprintf("domain other; put other {Deploy:false MustBeNew:false} %s", want.JSON)},
		{name: "bad ones", do: "POST /v1/domains?key=a/b&scheme=ftp", body: shop, status: 422,
			want: failed(42200, "the document is refused: 2 problems",
				"$['x-toastcloud-apigw'].key", `the key given beside the document "a/b" has a slash: a key has no path: must be 1 to 64 of A-Z a-z 0-9 . _ ~ -`,
				"$['x-toastcloud-apigw'].schemes", `the scheme given beside the document is "ftp": must be http, https, or both with a comma between`)},
		{name: "key of a PUT", do: "PUT /v1/domains/shop?key=b", body: shop, status: 422,
			want: failed(42200, "the query is refused: 1 problem", "?key", "unknown parameter; this call takes deploy, dryRun, endpointServer, name, note, scheme")},
	}, nil)
	if d := want.Domain; d.Key != "other" || d.Name != "Other" || d.Schemes[0] != "https" || d.Plugins.HTTPProxy.URL != "http://10.0.0.9" {
		t.Errorf("%+v", d)
	}
}

// TestImportOfAnotherTitle: two documents that call themselves /shop do not
// overwrite each other.
func TestImportOfAnotherTitle(t *testing.T) {
	other := strings.Replace(shop, `"Shop"`, `"Shoes"`, 1)
	stored := mustParse(t, other, catalog.ParseOptions{}).JSON
	refusal := func() string {
		return failed(40900, `the domain "shop" is "Shop", and the document is "Shoes": replace=true (--replace) replaces it; another key (?key=, --key) makes a domain of its own`)
	}
	run(t, []call{
		{name: "refused", do: "POST /v1/domains", body: other, status: 409, want: refusal(), asked: "domain shop"},
		{name: "refused in a dry run", do: "POST /v1/domains?dryRun=true", body: other, status: 409, want: refusal(), asked: "domain shop"},
		{name: "412 goes first", do: "POST /v1/domains", header: http.Header{"If-None-Match": {"*"}}, body: other, status: 412,
			want: failed(41200, "there is such a domain already, and If-None-Match: * asks that there is none"), asked: "domain shop"},
		{name: "with leave", do: "POST /v1/domains?replace=true", body: other, status: 200,
			want:  `{"key":"shop","revision":4,"deployed":false,"warnings":[],"pending":[]}`,
			asked: fmt.Sprintf("put shop {Deploy:false MustBeNew:false} %s", stored)},
		{name: "PUT needs none", do: "PUT /v1/domains/shop", body: other, status: 200,
			want:  `{"key":"shop","revision":4,"deployed":false,"warnings":[],"pending":[]}`,
			asked: fmt.Sprintf("put shop {Deploy:false MustBeNew:false} %s", stored)},
	}, nil)
}

// TestImportKeepsSecrets: an export without secrets can be changed and imported.
func TestImportKeepsSecrets(t *testing.T) {
	masked := string(catalog.Export([]byte(secretShop), false))
	stored := mustParse(t, secretShop, catalog.ParseOptions{}).JSON
	secrets := func(cfg *Config) {
		cfg.Control.(*fakeControl).domains["shop"] = catalog.Entry{Key: "shop", Name: "Shop", Draft: catalog.Revision{Number: 3, Serial: 17, Document: stored}}
	}
	run(t, []call{
		{name: "kept", do: "POST /v1/domains", body: masked, status: 200,
			want:  `{"key":"shop","revision":4,"deployed":false,"warnings":[],"pending":[]}`,
			asked: fmt.Sprintf("domain shop; put shop {Deploy:false MustBeNew:false} %s", stored)},
		{name: "kept by a PUT", do: "PUT /v1/domains/shop", body: masked, status: 200,
			want:  `{"key":"shop","revision":4,"deployed":false,"warnings":[],"pending":[]}`,
			asked: fmt.Sprintf("domain shop; put shop {Deploy:false MustBeNew:false} %s", stored)},
	}, secrets)
	_, err := catalog.Parse([]byte(masked), catalog.ParseOptions{Key: "new"})
	run(t, []call{{name: "none is there", do: "POST /v1/domains?key=new", body: masked, status: 422, asked: "domain new", want: refusedDocument(err)}}, secrets)
}

// TestExportAsYAML: JSON unless YAML is asked for by name, and what came in
// where both are.
func TestExportAsYAML(t *testing.T) {
	const text = "swagger: 2.0\ninfo:\n  title: Shop # the shop\nbasePath: /shop\npaths: {}\nx-toastcloud-apigw:\n  plugins:\n    HTTP_PROXY:\n      url: http://h\n"
	doc := mustParse(t, text, catalog.ParseOptions{})
	asYAML := string(catalog.ExportYAML(doc.JSON, false))
	asJSON := string(catalog.Export(doc.JSON, false))
	if asYAML != strings.Replace(text, " # the shop", "", 1) {
		t.Errorf("exported\n%s", asYAML)
	}
	ofYAML := func(cfg *Config) {
		cfg.Control.(*fakeControl).domains["shop"] = catalog.Entry{Key: "shop", Name: "Shop", Draft: catalog.Revision{Number: 3, Serial: 17, Document: doc.JSON}}
	}
	for accept, want := range map[string]string{
		"": asJSON, "*/*": asJSON, "application/json": asJSON, "application/yaml": asYAML, "text/html, application/yaml;q=0.5": asYAML,
		"application/json, application/yaml": asYAML, "application/json, application/yaml;q=0": asJSON,
	} {
		header, heads := http.Header{}, map[string]string{"Vary": "Accept"}
		if accept != "" {
			header.Set("Accept", accept)
		}
		if want == asYAML {
			heads["Content-Type"] = "application/yaml"
		}
		run(t, []call{{name: accept, do: "GET /v1/domains/shop", header: header, status: 200, asked: "domain shop", want: want, heads: heads}}, ofYAML)
	}
}

// TestDeployDropsCounters: a deploy says which running counters it ends.
func TestDeployDropsCounters(t *testing.T) {
	byIP, monthly := quota.Condition{Max: 9, ResetSeconds: 60, By: quota.ByIP}, quota.Condition{Max: 9, Period: quota.Period{Unit: quota.Month, Zone: "UTC"}}
	slower := strings.Replace(shop, `"HTTP_PROXY"`, `"USAGE_QUOTA":{"usageQuotaBeans":[{"maxUsageQuota":5,"resetTimeSeconds":3600}]},"HTTP_PROXY"`, 1)
	doc := mustParse(t, slower, catalog.ParseOptions{})
	dropped := []catalog.Problem{{Path: "$['x-toastcloud-apigw'].plugins.USAGE_QUOTA", Message: "the condition of 60 seconds that is live has counted 3 calls of at most 9 in its window: this deploy drops its counter; one with the same resetTimeSeconds at the same endpoint goes on counting"},
		{Path: "$['x-toastcloud-apigw'].plugins.USAGE_QUOTA", Message: "the condition by ip that is live counts 7 callers in their windows: this deploy drops their counters; one with the same window, by and shadow at the same endpoint goes on counting"},
		{Path: "$['x-toastcloud-apigw'].plugins.USAGE_QUOTA", Message: "the condition by the month that is live has counted 2 calls of at most 9 in its window: this deploy drops its counter; one with the same period at the same endpoint goes on counting"}}
	live := func(cfg *Config) {
		fake := cfg.Control.(*fakeControl)
		fake.domains["shop"] = catalog.Entry{Key: "shop", Name: "Shop",
			Draft:    catalog.Revision{Number: 4, Serial: 18, Document: doc.JSON, Conditions: doc.Domain.Conditions()},
			Deployed: catalog.Revision{Number: 3, Serial: 17, Document: []byte(shop), Conditions: []quota.Condition{{Max: 9, ResetSeconds: 60}, {Endpoint: "GET /x", Max: 9, ResetSeconds: 60}, byIP, monthly}}}
		fake.readings = []quota.Reading{{Condition: quota.Condition{Max: 9, ResetSeconds: 60}, Used: 3}, {Condition: quota.Condition{Endpoint: "GET /x", Max: 9, ResetSeconds: 60}},
			{Condition: byIP, Callers: 7}, {Condition: monthly, Used: 2}}
	}
	run(t, []call{
		{name: "import", do: "POST /v1/domains?deploy=true&dryRun=true", body: slower, status: 200, asked: "domain shop; quota shop",
			want: `{"key":"shop","revision":0,"deployed":false,"warnings":` + problemsJSON(dropped) + `,"pending":[]}`},
		{name: "deploy", do: "POST /v1/domains/shop/deploy", status: 200, asked: "domain shop; quota shop; deploy shop",
			want: `{"key":"shop","revision":4,"deployed":true,"warnings":` + problemsJSON(dropped) + `,"pending":[]}`},
		{name: "import alone", do: "POST /v1/domains?dryRun=true", body: slower, status: 200, asked: "domain shop",
			want: `{"key":"shop","revision":0,"deployed":false,"warnings":[],"pending":[]}`},
	}, live)
}

// TestDryRunWithDiff: a dry run tells what a deploy of the document would change,
// as apply shows it.
func TestDryRunWithDiff(t *testing.T) {
	other := strings.Replace(shop, `"Shop"`, `"Shoes"`, 1)
	live := func(cfg *Config) {
		stored := mustParse(t, shop, catalog.ParseOptions{}).JSON
		rev := catalog.Revision{Number: 3, Serial: 17, Document: stored}
		cfg.Control.(*fakeControl).domains["shop"] = catalog.Entry{Key: "shop", Name: "Shop", Draft: rev, Deployed: rev}
	}
	const start = `{"key":"shop","revision":0,"deployed":false,"warnings":[],"pending":[],`
	run(t, []call{
		{name: "unchanged", do: "POST /v1/domains?dryRun=true&diff=true", body: shop, status: 200, asked: "domain shop",
			want: start + `"unchanged":true,"diff":{"key":"shop","draftRevision":3,"deployedRevision":3,"equal":true,"changes":[],"truncated":false}}`},
		{name: "changed", do: "POST /v1/domains?dryRun=true&diff=true&replace=true", body: other, status: 200, asked: "domain shop",
			want: start + `"unchanged":false,"diff":{"key":"shop","draftRevision":3,"deployedRevision":3,"equal":false,"changes":[{"path":"$.info.title","draft":"Shoes","deployed":"Shop"}],"truncated":false}}`},
		{name: "without a dry run", do: "POST /v1/domains?diff=true", body: shop, status: 422,
			want: failed(42200, "the query is refused: 1 problem", "?diff", "goes with dryRun=true: an import that saves has GET …/diff behind it")},
	}, live)
}
