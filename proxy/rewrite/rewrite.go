// Package rewrite changes the path that goes to the endpoint server (plugin
// URI_REWRITE, spec section 9).
//
// A uriPattern is a regular expression in RE2's syntax that must match the
// whole path behind /{domainKey}, without the query. It is one outside of
// groups too, as in the original: "." is any character, "\." the point. Beside
// the groups (…) and (?<name>…) it has {name}, which is ([^/]+), and
// {name:regex}, which is (regex); all of them are numbered by where they begin.
// What Java's regular expressions have and RE2 has not is refused, and so is
// what both take but read differently.
//
// A rewriteUri is literal text with %1 to %9 and {name} for what the groups
// hold, nothing for a group that took no part, and %% for a percent sign. %20
// is therefore group 2 and a zero; an encoded space is %%20. It begins with a slash
// or a group. What stands behind its first question mark is a query, in which
// what groups hold is encoded as a value.
//
// A path is matched with its percent-encoding decoded once, like endpoint
// patterns, so that no other spelling of a path escapes its rewrite (pitfalls
// 2(e), injection 1). What a group holds is inserted as the client spelled it.
// Text such as %20 or %ED%95%9C in a uriPattern, outside of […], means the
// character it encodes.
package rewrite

import (
	"errors"
	"fmt"
)

const (
	// MaxBytes is the longest uriPattern and the longest rewriteUri. Ours.
	MaxBytes = 512
	// maxResult is the longest result, unless the path was more than half as
	// long: %1%1%1… must not make a request of megabytes.
	maxResult = 16 << 10
)

var (
	// ErrPattern is wrapped by errors about a uriPattern; its text is the
	// seed's for calls of such a domain.
	ErrPattern = errors.New("20005 URI Pattern's syntax is invalid")
	// ErrForm is wrapped by errors about a rewriteUri; its text is the seed's.
	ErrForm = errors.New("20006 Rewrite URI's syntax is invalid")
	// ErrResult is wrapped by the errors of Append: what the client sent and
	// the rewriteUri together make no path that may be sent on.
	ErrResult = errors.New("the rewritten path is malformed")
)

// Rewrite is a compiled uriPattern with its rewriteUri. It is immutable and safe
// for concurrent use.
type Rewrite struct {
	matcher *matcher
	form    []piece
	query   []piece // nil where the form has none
}

// Compile compiles a uriPattern and its rewriteUri. Its error wraps ErrPattern
// or ErrForm and says what is wrong; of two that are wrong it names the pattern.
func Compile(uriPattern, rewriteURI string) (*Rewrite, error) {
	expr, groups, err := translate(uriPattern)
	if err != nil {
		return nil, fmt.Errorf("%w: uriPattern %.80q: %w", ErrPattern, uriPattern, err)
	}
	m, err := newMatcher(expr)
	if err != nil {
		return nil, fmt.Errorf("%w: uriPattern %.80q: %w", ErrPattern, uriPattern, err)
	}
	form, query, err := parseForm(rewriteURI, groups)
	if err != nil {
		return nil, fmt.Errorf("%w: rewriteUri %.80q: %w", ErrForm, rewriteURI, err)
	}
	return &Rewrite{matcher: m, form: form, query: query}, nil
}

// Check returns the error of Compile, whose text begins with the code and the
// message that calls would be answered with: for warnings at import.
func Check(uriPattern, rewriteURI string) error {
	_, err := Compile(uriPattern, rewriteURI)
	return err
}

// Append appends to dst what path becomes and reports whether the pattern
// matched it. If it did not, or there is an error, dst comes back as it was. The
// result has a question mark and a query behind the path where the form has one.
//
// path is the path behind /{domainKey} as the client spelled it, checked by the
// gate, without the query; it must not overlap dst. An error wraps ErrResult, or
// ErrForm where the form has left the first slash to a group that has none.
//
// Append allocates only where dst must grow, where a path is so long for its
// pattern that the matching is left to package regexp (see maxMarks), and in
// errors.
func (r *Rewrite) Append(dst, path []byte) (out []byte, matched bool, err error) {
	s := scratches.Get().(*scratch)
	defer s.release()
	s.read(path)
	if !r.matcher.match(s) {
		return dst, false, nil
	}
	out, limit := dst, max(maxResult, 2*len(path))
	for _, p := range r.form {
		out = append(out, p.text...)
		out = append(out, s.group(path, p.group)...)
		if len(out)-len(dst) > limit {
			return dst, true, fmt.Errorf("%w: longer than %d bytes", ErrResult, limit)
		}
	}
	switch result := out[len(dst):]; {
	case len(result) == 0 || result[0] != '/':
		return dst, true, fmt.Errorf("%w: the result does not begin with \"/\"", ErrForm)
	default:
		if fault := faultOf(result); fault != "" {
			return dst, true, fmt.Errorf("%w: %s", ErrResult, fault)
		}
	}
	if r.query != nil {
		out = append(out, '?')
	}
	for _, p := range r.query {
		out = append(out, p.text...)
		out = appendQueryText(out, s.group(path, p.group))
		if len(out)-len(dst) > limit {
			return dst, true, fmt.Errorf("%w: longer than %d bytes", ErrResult, limit)
		}
	}
	return out, true, nil
}
