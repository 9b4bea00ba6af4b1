package admin

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"github.com/tollgate/tollgate/store/catalog"
)

// TestETags: the draft's serial stands on every answer that has to do with the
// draft.
func TestETags(t *testing.T) {
	field := "ETag" // as it is spelled on the wire
	for do, want := range map[string]string{
		"GET /v1/domains/shop":               `"17"`,
		"HEAD /v1/domains/shop":              `"17"`,
		"GET /v1/domains/shop?secrets=true":  `"17"`,
		"GET /v1/domains/shop?deployed=true": "",
		"PUT /v1/domains/shop":               `"100"`,
		"POST /v1/domains":                   `"100"`,
		"POST /v1/domains?deploy=true":       `"100"`,
		"POST /v1/domains?dryRun=true":       "",
		"POST /v1/domains/shop/deploy":       `"17"`,
		"POST /v1/domains/shop/clone":        `"100"`,
		"GET /v1/domains":                    "",
	} {
		method, target, _ := strings.Cut(do, " ")
		body := shop
		switch {
		case strings.HasSuffix(target, "/deploy"):
			body = ""
		case strings.HasSuffix(target, "/clone"):
			body = `{"key":"shop2"}`
		}
		r := httptest.NewRequest(method, target, strings.NewReader(body))
		r.Host = "127.0.0.1"
		w := httptest.NewRecorder()
		New(Config{Control: newFake()}).ServeHTTP(w, r)
		if got := strings.Join(w.Header()[field], ""); w.Code != 200 || got != want {
			t.Errorf("%s: %d, ETag %s, want %s", do, w.Code, got, want)
		}
	}
}

// TestConditions: If-Match and If-None-Match are honoured wherever a draft is
// changed or deployed, 412 comes before 409, and a call that cannot honour
// them refuses them.
func TestConditions(t *testing.T) {
	gone := func(tags string) string {
		return failed(41200, "the draft is not the one that If-Match names, "+tags+": it was changed or deleted since; get it again, and repeat the change on it")
	}
	taken := failed(41200, "there is such a domain already, and If-None-Match: * asks that there is none")
	for _, c := range []struct {
		do, body, field, value string
		status                 int
		want                   string // "" is not compared
	}{
		{"PUT /v1/domains/shop", shop, "If-Match", `"17"`, 200, ""},
		{"PUT /v1/domains/shop", shop, "If-Match", `"16"`, 412, gone(`"16"`)},
		{"PUT /v1/domains/shop", shop, "If-Match", `"1", "17"`, 200, ""},
		{"PUT /v1/domains/shop", shop, "If-Match", `*`, 200, ""},
		{"PUT /v1/domains/shop", shop, "If-Match", `W/"17"`, 412, ""},
		{"PUT /v1/domains/shop", shop, "If-Match", `"017"`, 412, ""},
		{"PUT /v1/domains/shop", shop, "If-Match", `"abc"`, 412, gone(`"abc"`)},
		{"PUT /v1/domains/shop", shop, "If-Match", `17`, 400, failed(40000, `If-Match must be * or a list of at most 64 entity tags as an ETag gives them, such as "123", is 17`)},
		{"PUT /v1/domains/shop", shop, "If-Match", ``, 400, failed(40000, `If-Match is empty: must be * or an entity tag such as "123"`)},
		{"PUT /v1/domains/shop", shop, "If-None-Match", `*`, 412, taken},
		{"PUT /v1/domains/shop", shop, "If-None-Match", `"17"`, 400, failed(40000, `If-None-Match must be *, which asks that there is no such domain, is "17"`)},
		{"POST /v1/domains", shop, "If-Match", `"16"`, 412, ""},
		{"POST /v1/domains", shop, "If-Match", `"17"`, 200, ""},
		{"POST /v1/domains", shop, "If-None-Match", `*`, 412, taken},
		{"POST /v1/domains", strings.ReplaceAll(shop, "/shop", "/fresh"), "If-None-Match", `*`, 200, ""},
		{"POST /v1/domains", strings.ReplaceAll(shop, "/shop", "/fresh"), "If-Match", `*`, 412, ""},
		{"POST /v1/domains?dryRun=true", shop, "If-Match", `"16"`, 412, ""},
		{"POST /v1/domains?dryRun=true", shop, "If-Match", `"17"`, 200, ""},
		{"POST /v1/domains?dryRun=true", strings.ReplaceAll(shop, "/shop", "/fresh"), "If-None-Match", `*`, 200, ""},
		{"DELETE /v1/domains/shop?confirm=shop", "", "If-Match", `"16"`, 412, ""},
		{"DELETE /v1/domains/shop?confirm=shop", "", "If-Match", `"17"`, 200, ""},
		{"DELETE /v1/domains/none?confirm=none", "", "If-Match", `"17"`, 404, ""},
		{"POST /v1/domains/shop/deploy", "", "If-Match", `"12"`, 412, ""},
		{"POST /v1/domains/shop/deploy", "", "If-Match", `"17"`, 200, ""},
		{"POST /v1/domains/shop/deploy", "", "If-None-Match", `*`, 412, taken},
		{"POST /v1/domains/shop/clone", `{"key":"shop2"}`, "If-Match", `"17"`, 400, failed(40000, "If-Match is not looked at by this call: leave it out")},
		{"POST /v1/cluster/transfer", "", "If-None-Match", `*`, 400, failed(40000, "If-None-Match is not looked at by this call: leave it out")},
		{"GET /v1/domains/shop", "", "If-Match", `"1"`, 200, ""},
		{"POST /v1/explain", `{"method":"GET","url":"/shop/x"}`, "If-None-Match", `*`, 200, ""},
	} {
		method, target, _ := strings.Cut(c.do, " ")
		r := httptest.NewRequest(method, target, strings.NewReader(c.body))
		r.Host = "127.0.0.1"
		r.Header.Set(c.field, c.value)
		w := httptest.NewRecorder()
		New(Config{Control: newFake()}).ServeHTTP(w, r)
		if w.Code != c.status || c.want != "" && w.Body.String() != c.want {
			t.Errorf("%s with %s: %s\n got %d %s\nwant %d %s", c.do, c.field, c.value, w.Code, w.Body, c.status, c.want)
		}
	}
}

// TestReadPrecondition pins how the fields are read.
func TestReadPrecondition(t *testing.T) {
	long := strings.TrimSuffix(strings.Repeat(`"1",`, 65), ",")
	for _, c := range []struct {
		match, none []string
		want        catalog.Precondition
		status      int // of the refusal
	}{
		{nil, nil, catalog.Precondition{}, 0},
		{[]string{`"3"`, `"1","3"`}, nil, catalog.Precondition{Serials: []uint64{1, 3}}, 0},
		{[]string{` , "3"	, W/"4" ,`}, nil, catalog.Precondition{Serials: []uint64{3}}, 0},
		{[]string{" * "}, nil, catalog.Precondition{Present: true}, 0},
		{nil, []string{" *"}, catalog.Precondition{Absent: true}, 0},
		{[]string{"*"}, []string{"*"}, catalog.Precondition{}, 400},
		{[]string{`*, "3"`}, nil, catalog.Precondition{}, 400},
		{[]string{`"3""4"`}, nil, catalog.Precondition{}, 400},
		{[]string{`"3`}, nil, catalog.Precondition{}, 400},
		{[]string{`"a b"`}, nil, catalog.Precondition{}, 400},
		{[]string{`,`}, nil, catalog.Precondition{}, 400},
		{[]string{long}, nil, catalog.Precondition{}, 400},
		{nil, []string{`*, *`}, catalog.Precondition{}, 400},
		{[]string{`"18446744073709551615"`}, nil, catalog.Precondition{}, 412},
	} {
		h := http.Header{}
		if c.match != nil {
			h["If-Match"] = c.match
		}
		if c.none != nil {
			h["If-None-Match"] = c.none
		}
		got, err := precondition(h)
		status := 0
		if err != nil {
			status = refusalOf(httptest.NewRequest("PUT", "/", nil), err).Status
		}
		if !reflect.DeepEqual(got, c.want) || status != c.status {
			t.Errorf("%v: %+v %v", h, got, err)
		}
	}
}

// FuzzPrecondition: whatever is read is a precondition that the log can hold.
func FuzzPrecondition(f *testing.F) {
	for _, seed := range []string{`"1"`, `*`, `W/"2", "3"`, `"a"`, `"`, ``} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		cond, err := precondition(http.Header{"If-Match": {value}})
		if err != nil {
			return
		}
		c := catalog.Deploy("a")
		c.If = cond
		if err := c.Check(); err != nil || cond.IsZero() {
			t.Fatalf("%q became %s: %v", value, fmt.Sprintf("%+v", cond), err)
		}
		if got, err := catalog.DecodeCommand(c.Append(nil)); err != nil || !reflect.DeepEqual(got, c) {
			t.Fatalf("%q became %+v, %v", value, got, err)
		}
	})
}
