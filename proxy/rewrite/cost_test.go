package rewrite

import (
	"strings"
	"testing"
	"time"
)

// Expressions that backtracking would never come to the end of, and others that
// are as dear as can be. The deadline is far above what they take together.
func TestCostIsBounded(t *testing.T) {
	path := "/" + strings.Repeat("a", 8191)
	start := time.Now()
	for _, pattern := range []string{
		"/(a*)*b", "/(a|a)*b", "/(a|aa)+b", "/(?:.*){20}b", "/(.*)(.*)(.*)(.*)(.*)(.*)(.*)(.*)b",
		"/(?:a?){190}b", `/(?:\w{1,9}){20}b`, "/((((((a?)*)*)*)*)*)*b", "/(?:(?:a?){12}){12}.*b", "/.*(?:a?){190}b", `/.*(?:\w{1,9}){20}b`,
	} {
		r := mustCompile(t, pattern, "/x")
		one := time.Now()
		if _, matched, err := r.Append(nil, []byte(path)); matched || err != nil {
			t.Errorf("%s: %t %v", pattern, matched, err)
		}
		t.Logf("%-40s %5d instructions %4d marks %v", pattern, len(r.matcher.program.Inst), r.matcher.marks, time.Since(one))
	}
	if d := time.Since(start); d > 30*time.Second {
		t.Errorf("took %v", d)
	}
}

// Where the marks would take too much memory package regexp goes on, and the
// border cannot be seen.
func TestLongPaths(t *testing.T) {
	r := mustCompile(t, "/{a}/(.*)", "/%2/{a}/x")
	border := maxMarks/r.matcher.marks - 1 // marks*(len+1) bits
	for _, n := range []int{border - 1, border, border + 1, 4 * border} {
		path := "/" + strings.Repeat("a", n-3) + "/b"
		if len(path) != n {
			t.Fatal(len(path))
		}
		var s scratch
		s.read([]byte(path))
		if !r.matcher.match(&s) || 64*len(s.marks) > maxMarks+64 {
			t.Errorf("%d bytes: %d words of marks", n, len(s.marks))
		}
		out, matched, err := r.Append(nil, []byte(path))
		if string(out) != "/b"+path[:n-2]+"/x" || !matched || err != nil {
			t.Errorf("%d bytes: %.20q… %t %v", n, out, matched, err)
		}
	}
}
