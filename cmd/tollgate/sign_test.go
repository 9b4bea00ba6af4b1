package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/tollgate/tollgate/cmd/internal/cli"
	"github.com/tollgate/tollgate/proxy/hmacsign"
)

// publishedCall is the vector that the original's documentation publishes.
const (
	publishedCall    = "sign --timestamp 2016-07-23T12:20:02+09:00 GET "
	publishedTarget  = "/test/1?query1=1&query2=2"
	publishedHeaders = "X-TC-Timestamp: 2016-07-23T12:20:02+09:00\nAuthorization: IqY8u/RZY8IMESwa/TPW9P9Z39Y=\n"
)

func TestSign(t *testing.T) {
	file := writeFile(t, "key", "test\n")
	const curl = "curl --globoff --path-as-is --header 'X-TC-Timestamp: 2016-07-23T12:20:02+09:00' --header 'Authorization: IqY8u/RZY8IMESwa/TPW9P9Z39Y=' "
	for _, c := range []struct {
		args, env, want string
	}{
		{publishedCall + publishedTarget + " --secret-key test", "", publishedHeaders},
		{publishedCall + publishedTarget + " --secret-key-file " + file, "", publishedHeaders},
		{publishedCall + publishedTarget, "TOLLGATE_SECRET_KEY=test", publishedHeaders},
		{publishedCall + publishedTarget, "TOLLGATE_SECRET_KEY_FILE=" + file, publishedHeaders},
		{publishedCall + publishedTarget + " --secret-key test", "TOLLGATE_SECRET_KEY=other", publishedHeaders},
		{publishedCall + "http://h:8001" + publishedTarget + " --secret-key test", "", publishedHeaders},
		{publishedCall + "HTTPS://h" + publishedTarget + " --secret-key test", "", publishedHeaders},
		{publishedCall + "http://h" + publishedTarget + " --secret-key test --curl", "", curl + "'http://h/test/1?query1=1&query2=2'\n"},
		{publishedCall + publishedTarget + " --secret-key test --json", "",
			`{"method":"GET","target":"/test/1?query1=1\u0026query2=2","timestamp":"2016-07-23T12:20:02+09:00",` +
				`"stringToSign":"GET\n/test/1?query1=1\u0026query2=2\n2016-07-23T12:20:02+09:00","authorization":"IqY8u/RZY8IMESwa/TPW9P9Z39Y=","curl":""}` + "\n"},
	} {
		got := command{args: words(c.args), env: []string{c.env}}.run(t.Context())
		if want := (outcome{cli.Done, c.want, ""}); got != want {
			t.Errorf("tollgate %s\n got %+v\nwant %+v", c.args, got, want)
		}
	}
}

// What is signed is what follows the host, as it stands.
func TestSignedTarget(t *testing.T) {
	for address, want := range map[string]string{
		"http://h/a%2Cb//c?x=[1-3]&y={a,b}": "/a%2Cb//c?x=[1-3]&y={a,b}",
		"http://h":                          "/",
		"http://h:80?x=1":                   "/?x=1",
		"https://[::1]:8001/a":              "/a",
		"http://h/a?b://c/d":                "/a?b://c/d",
		"/a?http://h/":                      "/a?http://h/",
		"//a":                               "//a",
		"http://h/%7ea;p=1/'$(id)'":         "/%7ea;p=1/'$(id)'",
	} {
		got := command{args: []string{"sign", "--secret-key", "k", "--json", "POST", address}}.run(t.Context())
		var call signedCall
		if err := json.Unmarshal([]byte(got.out), &call); err != nil || got.status != cli.Done || call.Target != want {
			t.Errorf("%s: %+v, want %s", address, got, want)
		}
		if call.Authorization != hmacsign.Sign("k", "POST", want, call.Timestamp) {
			t.Errorf("%s: wrong signature", address)
		}
		if (call.Curl != "") != strings.HasPrefix(address, "http") {
			t.Errorf("%s: curl %q", address, call.Curl)
		}
	}
}

func TestSignNow(t *testing.T) {
	before := time.Now()
	got := command{args: words("sign --secret-key k DELETE /a")}.run(t.Context())
	timestamp, rest, _ := strings.Cut(strings.TrimPrefix(got.out, "X-TC-Timestamp: "), "\n")
	authorization := strings.TrimSuffix(strings.TrimPrefix(rest, "Authorization: "), "\n")
	at, ok := hmacsign.ParseTimestamp([]byte(timestamp))
	if !ok || at.Before(before.Add(-time.Second)) || at.After(time.Now()) {
		t.Errorf("signed at %q", timestamp)
	}
	v := hmacsign.New("k", time.Hour)
	if reason := v.Verify("DELETE", []byte("/a"), []byte(timestamp), []byte(authorization), before); reason != hmacsign.OK {
		t.Errorf("%+v: %v", got, reason)
	}
}

func TestCurlLine(t *testing.T) {
	for method, want := range map[string]string{
		"GET":  "curl --globoff --path-as-is --header 'X-TC-Timestamp: T' --header 'Authorization: A' 'http://h/'\\''$(id)'\\'''",
		"HEAD": "curl --globoff --path-as-is --head --header 'X-TC-Timestamp: T' --header 'Authorization: A' 'http://h/'\\''$(id)'\\'''",
		"POST": "curl --globoff --path-as-is --request POST --header 'X-TC-Timestamp: T' --header 'Authorization: A' 'http://h/'\\''$(id)'\\'''",
	} {
		if got := curlLine(&signedCall{Method: method, Timestamp: "T", Authorization: "A"}, "http://h/'$(id)'"); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

func TestSignRefuses(t *testing.T) {
	long := writeFile(t, "long", strings.Repeat("k", 4097))
	empty := writeFile(t, "empty", "\r\n")
	const malformed = ": the gateway would answer: 40000 Malformed request ("
	for _, c := range []struct {
		args []string
		env  string
		want string // of the first line of stderr
	}{
		{words("sign GET /a"), "", "the domain's secret key is missing: --secret-key-file or TOLLGATE_SECRET_KEY gives it"},
		{words("sign GET"), "", "URL|TARGET is missing"},
		{words("sign GET /a --secret-key a --secret-key-file b"), "", "--secret-key and --secret-key-file: give only one of them"},
		{words("sign GET /a"), "TOLLGATE_SECRET_KEY=a TOLLGATE_SECRET_KEY_FILE=b", "TOLLGATE_SECRET_KEY and TOLLGATE_SECRET_KEY_FILE: set only one of them"},
		{words("sign GET /a --secret-key-file /nowhere"), "", "--secret-key-file /nowhere: no such file or directory"},
		{words("sign GET /a --secret-key-file " + empty), "", "--secret-key-file " + empty + ": is empty"},
		{words("sign GET /a --secret-key-file " + long), "", "--secret-key-file " + long + ": is longer than 4096 bytes: is it the right one?"},
		{words("sign GET /a --secret-key k --timestamp now"), "", `--timestamp "now": must be of the form 2016-07-23T12:20:02+09:00, +0900 or Z`},
		{words("sign GET /a --secret-key k --curl"), "", "--curl needs the whole URL, with http:// or https:// and the host"},
		{words("sign GET http://h/ --secret-key k --curl --json"), "", "--curl and --json: give only one of them; the JSON has the curl command in it"},
		{words("sign GET shop/a --secret-key k"), "", `"shop/a" must be a URL such as http://127.0.0.1:8001/shop/items, or only its path and query`},
		{words("sign GET ftp://h/a --secret-key k"), "", `"ftp://h/a" must be a URL such as http://127.0.0.1:8001/shop/items, or only its path and query`},
		{words("sign GET http:///a --secret-key k"), "", `"http:///a" must be a URL such as http://127.0.0.1:8001/shop/items, or only its path and query`},
		{words("sign GET http://u:p@h/a --secret-key k"), "", `"http://u:p@h/a" has a user before the host, which would take the place of the signature`},
		{words("sign get /a --secret-key k"), "", "get /a: the gateway would answer: 50100 Unknown method (known are GET POST PUT DELETE HEAD PATCH OPTIONS)"},
		{words("sign GET /a/../b --secret-key k"), "", "GET /a/../b" + malformed + "dot segment in the path)"},
		{words("sign GET http://h/a#b --secret-key k"), "", "GET /a#b" + malformed + "# in the request target)"},
		{words("sign GET http://h#b --secret-key k"), "", "GET /#b" + malformed + "# in the request target)"},
		{[]string{"sign", "GET", "/a b", "--secret-key", "k"}, "", "GET /a b" + malformed + "control or non-ASCII character in the request target: percent-encode it)"},
		{words("sign GET /한 --secret-key k"), "", "GET /한" + malformed + "control or non-ASCII character in the request target: percent-encode it)"},
	} {
		got := command{args: c.args, env: words(c.env)}.run(t.Context())
		if want := (outcome{cli.Usage, "", "tollgate sign: " + c.want + "\nSee: tollgate sign --help\n"}); got != want {
			t.Errorf("tollgate %q\n got %+v\nwant %+v", c.args, got, want)
		}
	}
}
