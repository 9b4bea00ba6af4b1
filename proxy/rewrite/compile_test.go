package rewrite

import (
	"errors"
	"strings"
	"testing"
)

// A case in which nothing is said is accepted.
func TestPatterns(t *testing.T) {
	for pattern, want := range map[string]string{
		"/":                            "",
		"(.*)":                         "",
		"api":                          "", // matches nothing, but is a pattern
		`/\{a\}/[{}]/\p{L}\x{41}`:      "",
		`/a{2}b{2,}c{2,3}`:             "",
		`/[]a]/[^]a]/[a\]b]`:           "",
		`/[^]{]/[]{]/[^(]`:             "",
		`/{x:[}]}`:                     "",
		`/{x:\}}`:                      "",
		`/{x:a{1}}`:                    "",
		`/{a}?{b}*{c}{2}`:              "",
		`/(?<n>{a})`:                   "", // a variable in a group is fine
		`/(?<n>(?<m>a))`:               "",
		`/%/%2/%g0`:                    "",
		`/\07\x41\pL\-`:                "",
		`/(?i:a)(?s)b(?-i)`:            "",
		strings.Repeat("a", 512):       "",
		`/\d{1,180}`:                   "",
		"":                             "is empty",
		strings.Repeat("a", 513):       "is 513 bytes long, at most 512 are allowed",
		"/\xff":                        "is not UTF-8",
		"/a\n":                         "has the control character U+000A at byte 2",
		"/\u2028":                      "has the control character U+2028 at byte 1",
		"/(a":                          "missing closing ): `/(a`",
		"/a)":                          "unexpected ): `/a)`",
		"/a)(b":                        "unexpected )",
		"/[a":                          `at byte 1: "[" is not closed`,
		"/[]":                          `at byte 1: "[" is not closed`,
		"/[z-a]":                       "invalid character class range: `z-a`",
		"*":                            "missing argument to repetition operator: `*`",
		"/**":                          "invalid nested repetition operator: `**`",
		`/\`:                           "a backslash ends the pattern",
		"/(?=a)":                       "invalid or unsupported Perl syntax: `(?=` (RE2 syntax: no look-around",
		"/(?!a)":                       "invalid or unsupported Perl syntax",
		"/(?<=a)":                      "invalid",
		"/(?<!a)":                      "invalid",
		"/(?>a)":                       "invalid or unsupported Perl syntax",
		`/(a)\1`:                       `at byte 4: the back-reference \1: RE2 has none`,
		`/(a)\12`:                      `at byte 4: the back-reference \1: RE2 has none`,
		`/(a)(b)\23`:                   `at byte 7: the back-reference \2: RE2 has none`,
		`/(a)[\1]`:                     `at byte 4: \1 inside a character class means nothing to Java`,
		`/(?<a>x)\k<a>`:                "invalid escape sequence",
		"/a*+":                         "invalid nested repetition operator: `*+`",
		"/a++":                         "invalid nested repetition operator",
		"/a?+":                         "invalid nested repetition operator",
		"/a{2}+":                       "invalid nested repetition operator",
		"/[a-z&&[^b]]":                 `at byte 1: "&&" inside a character class`,
		"/{x:[a-z&&b]}":                `at byte 4: "&&" inside a character class`,
		"/[a[b]]":                      `at byte 1: "[" inside a character class`,
		"/[[:alpha:]]":                 `at byte 1: "[" inside a character class`,
		"/(?U)a":                       `the flag "U" means Unicode classes in Java`,
		"/(?iU:a)":                     `the flag "U" means Unicode classes in Java`,
		"/(?x)a":                       "invalid or unsupported Perl syntax",
		`/\h`:                          "invalid escape sequence",
		`/\R`:                          "invalid escape sequence",
		`/a\Z`:                         "invalid escape sequence",
		`/\u0041`:                      "invalid escape sequence",
		`/\p{IsAlphabetic}`:            "invalid character class range",
		`/a{1001}`:                     "invalid repeat count",
		`/(?:a{500}){3}`:               "invalid repeat count",
		`/(?:\w{10}){60}`:              "compiles to 603 instructions, at most 600 are allowed",
		"/{a}/{a}":                     `at byte 5: the name "a" stands twice`,
		"/{a}/(?<a>b)":                 `at byte 5: the name "a" stands twice`,
		"/(?<a>b)(?<a>c)":              `at byte 8: the name "a" stands twice`,
		"/{a:{b}}":                     `at byte 4: "{" inside a variable is no repetition: variables do not nest`,
		"/{a:(?<b>c)}":                 `at byte 4: the group "b" has a name inside a variable`,
		"/{a":                          `at byte 1: "{" is not closed`,
		"/{a:b":                        `the variable {a:…} is not closed`,
		"/{a:b{2}":                     `the variable {a:…} is not closed`,
		"/a}":                          `at byte 2: "}" closes nothing`,
		"/{a}}":                        `at byte 4: "}" closes nothing`,
		"/{}":                          `at byte 1: "" is no name`,
		"/{:a}":                        `at byte 1: "" is no name`,
		"/a{,3}":                       `at byte 2: ",3" is no name`,
		"/{1a}":                        `at byte 1: "1a" is no name`,
		"/{*a}":                        `at byte 1: "*a" is no name`,
		"/{a b}":                       `at byte 1: "a b" is no name`,
		"/{é}":                         `at byte 1: "é" is no name`,
		"/(?<>a)":                      `at byte 1: "" is no name`,
		"/(?<1>a)":                     `at byte 1: "1" is no name`,
		"/(?<a":                        `the name of the group is not closed`,
		"/{a:}":                        "the variable {a:} has no regex: write {a}",
		"/{a:)(}":                      "the regex of {a}: unexpected )",
		"/{a:(b})":                     "the regex of {a}: missing closing )",
		"/{a:*}":                       "the regex of {a}: missing argument to repetition operator",
		"/a%2Fb":                       "an encoded slash or backslash matches nothing",
		"/a%5cb":                       "an encoded slash or backslash matches nothing",
		"/a%C3":                        "percent-encoded bytes are not UTF-8",
		"/a%00":                        "has an encoded control character",
		`/\Q%00\E`:                     "has an encoded control character",
		"/a%C2%85":                     "has an encoded control character",
		"/" + strings.Repeat("(", 400): "missing closing )",
	} {
		_, err := Compile(pattern, "/x")
		checkError(t, pattern, err, ErrPattern, want)
	}
}

func TestForms(t *testing.T) {
	for form, want := range map[string]string{
		"/":                            "",
		"/%1%2{a}{b}":                  "",
		"/a//b":                        "",
		"/.{a}":                        "", // ".." comes out only if the client makes it so
		"/한":                           "",
		"/%%20%%ED%%95%%9C%%3f":        "",
		"/a@b:80/http://x":             "",
		"/" + strings.Repeat("a", 511): "",

		"":                             "is empty",
		"/" + strings.Repeat("a", 512): "is 513 bytes long, at most 512 are allowed",
		"/\xff":                        "is not UTF-8",
		"/a\t":                         "has the control character U+0009 at byte 2",
		"/\u0085":                      "has the control character U+0085 at byte 1",
		"a":                            `does not begin with "/"`,
		"{a}":                          "",
		"%1":                           "",
		"%1?x=%2&y={a}":                "",
		"/a?b=c/d?e":                   "",
		"%%2Fa":                        `does not begin with "/"`,
		"?a=b":                         `does not begin with "/"`,
		"/a?":                          "has an empty query: leave the ? out",
		"/a?b=%":                       "at byte 5: the % is followed by no group's number",
		"/a?b=%%":                      "has a percent sign that encodes nothing",
		"/a?b=%%zz":                    "has a percent sign that encodes nothing",
		"/a?b#c":                       "has '#' at byte 4",
		"/a?b=%%0a":                    "has an encoded control character",
		"/a?b=%%C3":                    "percent-encoded bytes are not UTF-8",
		"http://h/%1":                  `does not begin with "/" or a group: it is a path; scheme and host come from HTTP_PROXY alone`,
		"//h/%1":                       `begins with "//", which would name a host`,
		"/a#b":                         `has '#' at byte 2: it is a path, with a query where it has one; write %%23 for the character itself`,
		"/a b":                         `has ' ' at byte 2: it is a path, with a query where it has one; write %%20 for the character itself`,
		`/a\b`:                         "has a backslash at byte 2",
		"/%":                           "at byte 1: the % is followed by no group's number, 1 to 9, and by no second %",
		"/%0":                          "at byte 1: the % is followed by no group's number",
		"/%a":                          "at byte 1: the % is followed by no group's number",
		"/%%%":                         "at byte 3: the % is followed by no group's number",
		"/%3":                          "at byte 1: there is no group 3: the pattern has 2",
		"/%30":                         "at byte 1: there is no group 3: the pattern has 2; for the encoded character write %%30",
		"/%9":                          "at byte 1: there is no group 9: the pattern has 2",
		"/{c}":                         "at byte 1: the pattern has no group {c}",
		"/{}":                          "at byte 1: the pattern has no group {}",
		"/{a:b}":                       "at byte 1: the pattern has no group {a:b}",
		"/{A}":                         "at byte 1: the pattern has no group {A}",
		"/{1}":                         "at byte 1: the pattern has no group {1}",
		"/{a":                          `at byte 1: "{" is not closed: write {name}, or %%7B for the brace itself`,
		"/a}":                          `"}" at byte 2 closes nothing`,
		"/{{a}}":                       "the pattern has no group {{a}",
		"/a/../b":                      "has a dot segment",
		"/.":                           "has a dot segment",
		"/{a}/..":                      "has a dot segment",
		"/%%2e/{a}":                    "has a dot segment",
		"/..;x/{a}":                    "has a dot segment",
		"/a%%2Fb":                      "has a backslash or an encoded slash",
		"/a%%5cb":                      "has a backslash or an encoded slash",
		"/a%%0Ab":                      "has an encoded control character",
		"/a%%C2%%85":                   "has an encoded control character",
		"/a%%zz":                       "has a percent sign that encodes nothing",
		"/a%%":                         "has a percent sign that encodes nothing",
		"/a%%{a}":                      "has a percent sign that encodes nothing",
		"/a%%2{a}":                     "has a percent sign that encodes nothing",
		"/a%%%1":                       "has a percent sign that encodes nothing",
		"/a%%C3":                       "percent-encoded bytes are not UTF-8",
		"/a%%C3{a}%%A9":                "percent-encoded bytes are not UTF-8",
		"/a%%c0%%ae":                   "percent-encoded bytes are not UTF-8",
	} {
		_, err := Compile("/{a}/(?<b>.)", form)
		checkError(t, form, err, ErrForm, want)
	}
}

func checkError(t *testing.T, what string, err, kind error, want string) {
	t.Helper()
	switch {
	case want == "" && err == nil:
	case want == "" || err == nil:
		t.Errorf("%.60q: %v, want %q", what, err, want)
	case !errors.Is(err, kind) || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), kind.Error()+": "):
		t.Errorf("%.60q: %v, want %v … %s", what, err, kind, want)
	}
}

func TestCheck(t *testing.T) {
	for _, c := range []struct{ pattern, form, want string }{
		{"/(a)", "/%1", ""},
		{"/(a)", "/{}", `20006 Rewrite URI's syntax is invalid: rewriteUri "/{}": at byte 1: the pattern has no group {}`},
		{"/(a", "/%1", "20005 URI Pattern's syntax is invalid: uriPattern \"/(a\": missing closing ): `/(a` (RE2 syntax: no look-around, back-references or possessive quantifiers)"},
		{"/(a)", "/%2", `20006 Rewrite URI's syntax is invalid: rewriteUri "/%2": at byte 1: there is no group 2: the pattern has 1`},
		{"/(a", "%2", "20005 URI Pattern's syntax is invalid: uriPattern \"/(a\": missing closing ): `/(a` (RE2 syntax: no look-around, back-references or possessive quantifiers)"},
	} {
		err := Check(c.pattern, c.form)
		if (err == nil) != (c.want == "") || err != nil && err.Error() != c.want {
			t.Errorf("%s to %s: %v, want %s", c.pattern, c.form, err, c.want)
		}
	}
}
