package route

import (
	"maps"
	"testing"
)

func mustCompile(t testing.TB, pattern string) *Pattern {
	t.Helper()
	p, err := Compile(pattern)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// The cases of Spring 5.3's AntPathMatcherTests. Those with relative patterns
// got a slash in front of both, which changes no answer.
func TestMatchAsSpring(t *testing.T) {
	cases := []struct {
		pattern string
		yes, no []string
	}{
		{pattern: "/test", yes: []string{"/test"}, no: []string{"test", "", "/Test", "/test/", "/tes", "/testt"}},
		{pattern: "/t?st", yes: []string{"/test"}},
		{pattern: "/??st", yes: []string{"/test"}},
		{pattern: "/tes?", yes: []string{"/test"}, no: []string{"/tes", "/testt", "/tsst"}},
		{pattern: "/te??", yes: []string{"/test"}},
		{pattern: "/?es?", yes: []string{"/test"}},
		{pattern: "/*", yes: []string{"/test"}, no: []string{"test", "/test/t"}},
		{pattern: "/test*", yes: []string{"/test", "/testTest"}, no: []string{"/tst", "/tsttest", "/test/", "/test/t"}},
		{pattern: "/test/*", yes: []string{"/test/Test", "/test/t", "/test/"}, no: []string{"/test"}},
		{pattern: "/*test*", yes: []string{"/AnothertestTest"}, no: []string{"/tsttst"}},
		{pattern: "/*test", yes: []string{"/Anothertest"}, no: []string{"/tsttst"}},
		{pattern: "/*.*", yes: []string{"/test.", "/test.test", "/test.test.test"}, no: []string{"/tsttst"}},
		{pattern: "/test*aaa", yes: []string{"/testblaaaa"}, no: []string{"/test", "/testblaaab"}},
		{pattern: "/?", yes: []string{"/a"}, no: []string{"/", "/ab"}},
		{pattern: "/?/a", yes: []string{"/a/a"}},
		{pattern: "/a/?", yes: []string{"/a/b"}, no: []string{"/a/"}},
		{pattern: "/??/a", yes: []string{"/aa/a"}},
		{pattern: "/a/??", yes: []string{"/a/bb"}},
		{pattern: "/**", yes: []string{"/testing/testing", "/", "/a", "/a/"}, no: []string{"", "a"}},
		{pattern: "/*/**", yes: []string{"/testing/testing", "/testing"}, no: []string{"/"}},
		{pattern: "/**/*", yes: []string{"/testing/testing", "/testing"}, no: []string{"/"}},
		{pattern: "/bla/**/bla", yes: []string{"/bla/testing/testing/bla", "/bla/testing/testing/bla/bla"}, no: []string{"/bla"}},
		{pattern: "/**/test", yes: []string{"/bla/bla/test"}},
		{pattern: "/bla/**/**/bla", yes: []string{"/bla/bla/bla/bla/bla/bla"}},
		{pattern: "/bla*bla/test", yes: []string{"/blaXXXbla/test"}, no: []string{"/blaXXXbl/test"}},
		{pattern: "/*bla/test", yes: []string{"/XXXbla/test"}, no: []string{"XXXblab/test", "XXXbl/test"}},
		{pattern: "/????", no: []string{"/bala/bla"}},
		{pattern: "/**/*bla", no: []string{"/bla/bla/bla/bbb"}},
		{pattern: "/*bla*/**/bla/**", yes: []string{
			"/XXXblaXXXX/testing/testing/bla/testing/testing/",
			"/XXXblaXXXX/testing/testing/bla/testing/testing",
			"/XXXblaXXXX/testing/testing/bla/testing/testing.jpg",
		}},
		{pattern: "/*bla*/**/bla/*", yes: []string{"/XXXblaXXXX/testing/testing/bla/testing"}, no: []string{"/XXXblaXXXX/testing/testing/bla/testing/testing"}},
		{pattern: "/x/x/**/bla", no: []string{"/x/x/x/"}},
		{pattern: "/foo/bar/**", yes: []string{"/foo/bar"}},
		{pattern: "/{bla}.*", yes: []string{"/testing.html"}},
		{pattern: "/group/{groupName}/members", yes: []string{"/group/sales/members", "/group/  sales/members"}, no: []string{"/Group/  Sales/Members"}},
		{pattern: "/*/dir/{name}.jpg", yes: []string{"/*/dir/lorem.jpg"}},
	}
	for _, c := range cases {
		p := mustCompile(t, c.pattern)
		for _, path := range c.yes {
			if !p.Match(path) {
				t.Errorf("%s does not match %q", c.pattern, path)
			}
		}
		for _, path := range c.no {
			if p.Match(path) {
				t.Errorf("%s matches %q", c.pattern, path)
			}
		}
	}
}

// Answers of Spring that its own tests leave open; each was taken from 5.1.8, and
// those about a slash behind a "**" from what 5.3 made of them.
func TestMatchQuirksOfSpring(t *testing.T) {
	cases := []struct {
		pattern string
		yes, no []string
	}{
		// Trailing slashes count, doubled ones do not.
		{pattern: "/a/", yes: []string{"/a/", "//a//"}, no: []string{"/a"}},
		{pattern: "/a//b", yes: []string{"/a/b", "//a///b"}, no: []string{"/a/b/", "/ab"}},
		{pattern: "/", yes: []string{"/", "//"}, no: []string{"", "/a"}},
		// A last * takes the place behind a trailing slash, a variable does not.
		{pattern: "/*", yes: []string{"/", "//"}},
		{pattern: "/a/*/", yes: []string{"/a/b/", "/a/"}, no: []string{"/a", "/a/b"}},
		{pattern: "/a/{x}", yes: []string{"/a/b"}, no: []string{"/a/", "/a/b/"}},
		{pattern: "/a/***", yes: []string{"/a/b"}, no: []string{"/a/", "/a/b/c"}},
		{pattern: "/a/**/*", yes: []string{"/a/b", "/a/b/c"}, no: []string{"/a/", "/a", "/a/b/"}},
		{pattern: "/*/*", yes: []string{"/a/"}, no: []string{"/", "/a"}},
		// Behind a ** trailing slashes count too, unless it is the end.
		{pattern: "/**/foo", yes: []string{"/foo", "/x/foo", "/x//foo"}, no: []string{"/x/foo/", "/foo/"}},
		{pattern: "/a/**/b", yes: []string{"/a/b", "/a/x/b"}, no: []string{"/a/b/c", "/a/b/", "/a/x/b/"}},
		{pattern: "/a/**/b/", yes: []string{"/a/b/", "/a/x/b/"}, no: []string{"/a/b", "/a/x/b"}},
		{pattern: "/a/**/b/**/", yes: []string{"/a/b", "/a/b/", "/a/x/b/c"}},
		{pattern: "/a/**/", yes: []string{"/a", "/a/", "/a/b"}, no: []string{"/ab"}},
		{pattern: "/**/a/*", yes: []string{"/a/b", "/x/a/b"}, no: []string{"/a/", "/x/a", "/x/a/b/"}},
		{pattern: "/a/b/**/b/c", yes: []string{"/a/b/b/c", "/a/b/x/b/c"}, no: []string{"/a/b/c"}},
		{pattern: "/a*a", yes: []string{"/aa", "/aba"}, no: []string{"/a"}},
		// Inside a segment ** is *.
		{pattern: "/a**b", yes: []string{"/ab", "/axxb"}, no: []string{"/a/b"}},
		// A variable beside text may be empty, one that fills a segment cannot.
		{pattern: "/{page}.html", yes: []string{"/1.html", "/.html", "/a.b.html"}, no: []string{"/1.htm", "/1/2.html"}},
		{pattern: "/{name}.{extension}", yes: []string{"/a.b", "/.", "/a.b.c"}, no: []string{"/a"}},
		{pattern: "/{a}{b}", yes: []string{"/x"}},
		// Regexes match as a whole; braces in them.
		{pattern: `/{id:\d{2,3}}`, yes: []string{"/12", "/123"}, no: []string{"/1", "/1234", "/a12"}},
		{pattern: "/{id:a|bc}", yes: []string{"/a", "/bc"}, no: []string{"/ac", "/abc"}},
		{pattern: "/x{id:}", yes: []string{"/x"}, no: []string{"/xy"}},
		{pattern: `/{v:[\p{N}\.\{\}]+}.jar`, yes: []string{"/1.{2}.jar"}},
		{pattern: `/{s:[\{a]+}`, yes: []string{"/{a{"}, no: []string{"/b"}},
		{pattern: "/{id:foo(bar)?}", yes: []string{"/foo", "/foobar"}},
		{pattern: "/{x:(?i)get}", yes: []string{"/GeT"}},
		// Nothing is decoded, nor is a request path a pattern.
		{pattern: "/a%2Fb", yes: []string{"/a%2Fb"}, no: []string{"/a/b", "/a%2fb"}},
		{pattern: "/a", no: []string{"/*", "/{x}"}},
		// One ? is one character, however many bytes. A line end is none.
		{pattern: "/?", yes: []string{"/é", "/한", "/😀"}, no: []string{"/\n", "/\u2028", "/éé"}},
		{pattern: "/*??", yes: []string{"/éé"}, no: []string{"/é", "/한"}},
		{pattern: "/*", no: []string{"/a\r", "/\u0085"}},
		{pattern: "/a*b", no: []string{"/a\nb"}},
		{pattern: "/{x:.}", yes: []string{"/é"}, no: []string{"/\u0085", "/\r"}},
		{pattern: "/{x:[^a]}", yes: []string{"/\n"}},
		{pattern: "/**", yes: []string{"/a\nb"}},
		{pattern: "/**/b", yes: []string{"/\n/b"}},
	}
	for _, c := range cases {
		p := mustCompile(t, c.pattern)
		table, err := NewTable([]Route{{"GET", c.pattern, 7}})
		if err != nil {
			t.Fatal(err)
		}
		check := func(path string, want bool) {
			if got := p.Match(path); got != want {
				t.Errorf("%s matches %q: %t, want %t", c.pattern, path, got, want)
			}
			if _, got := table.Find("GET", path); got != want {
				t.Errorf("a table of %s finds %q: %t, want %t", c.pattern, path, got, want)
			}
		}
		for _, path := range c.yes {
			check(path, true)
		}
		for _, path := range c.no {
			check(path, false)
		}
	}
}

func TestVariables(t *testing.T) {
	cases := []struct {
		pattern, path string
		want          map[string]string
	}{
		// From Spring's tests.
		{"/hotels/{hotel}", "/hotels/1", map[string]string{"hotel": "1"}},
		{"/h?tels/{hotel}", "/hotels/1", map[string]string{"hotel": "1"}},
		{"/hotels/{hotel}/bookings/{booking}", "/hotels/1/bookings/2", map[string]string{"hotel": "1", "booking": "2"}},
		{"/**/hotels/**/{hotel}", "/foo/hotels/bar/1", map[string]string{"hotel": "1"}},
		{"/{page}.html", "/42.html", map[string]string{"page": "42"}},
		{"/{page}.*", "/42.html", map[string]string{"page": "42"}},
		{"/A-{B}-C", "/A-b-C", map[string]string{"B": "b"}},
		{"/{name}.{extension}", "/test.html", map[string]string{"name": "test", "extension": "html"}},
		{`/{symbolicName:[\w\.]+}-{version:[\w\.]+}.jar`, "/com.example-1.0.0.jar", map[string]string{"symbolicName": "com.example", "version": "1.0.0"}},
		{`/{symbolicName:[\p{L}\.]+}-sources-{version:[\p{N}\.]+}.jar`, "/com.example-sources-1.0.0.jar", map[string]string{"symbolicName": "com.example", "version": "1.0.0"}},
		{
			`/{symbolicName:[\w\.]+}-sources-{version:[\d\.]+}-{year:\d{4}}{month:\d{2}}{day:\d{2}}.jar`, "/com.example-sources-1.0.0-20100220.jar",
			map[string]string{"symbolicName": "com.example", "version": "1.0.0", "year": "2010", "month": "02", "day": "20"},
		},
		{`/{symbolicName:[\p{L}\.]+}-sources-{version:[\p{N}\.\{\}]+}.jar`, "/com.example-sources-1.0.0.{12}.jar", map[string]string{"symbolicName": "com.example", "version": "1.0.0.{12}"}},
		// From the original, beyond its tests.
		{"/{name}.{extension}", "/a.b.c", map[string]string{"name": "a.b", "extension": "c"}},
		{"/{a}{b}", "/x", map[string]string{"a": "x", "b": ""}},
		{"/**/{a}/x/**", "/1/x/2/x/3", map[string]string{"a": "1"}},
		{"/**/{a}/x/**/{b}", "/0/1/x/2/x/3", map[string]string{"a": "1", "b": "3"}},
		{"/a/*", "/a/", map[string]string{}},
		// Spring throws here for the group within the regex.
		{"/{x:(a|b)+}{y}", "/abc", map[string]string{"x": "ab", "y": "c"}},
	}
	for _, c := range cases {
		got, ok := mustCompile(t, c.pattern).Variables(c.path)
		if !ok || !maps.Equal(got, c.want) {
			t.Errorf("%s on %s: %v %t, want %v", c.pattern, c.path, got, ok, c.want)
		}
	}
	if v, ok := mustCompile(t, "/{x}").Variables("/a/b"); ok || v != nil {
		t.Errorf("variables of no match: %v %t", v, ok)
	}
}
