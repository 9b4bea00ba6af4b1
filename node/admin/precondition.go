package admin

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/tollgate/tollgate/store/catalog"
)

// The fields of a conditional request (RFC 9110, 13.1).
const (
	ifMatch     = "If-Match"
	ifNoneMatch = "If-None-Match"
)

// etag is the entity tag of a draft: its serial. It never comes again, not
// after the domain is deleted either, and is the same with and without secrets.
func etag(serial uint64) string { return `"` + strconv.FormatUint(serial, 10) + `"` }

// setETag puts a draft's tag on an answer, the field spelled as its RFC does.
func setETag(w http.ResponseWriter, serial uint64) { w.Header()["ETag"] = []string{etag(serial)} }

// precondition is what a request asks of the draft that it would change.
func precondition(h http.Header) (catalog.Precondition, error) {
	match, none := strings.Join(h.Values(ifMatch), ","), strings.Join(h.Values(ifNoneMatch), ",")
	_, hasMatch := h[ifMatch]
	_, hasNone := h[ifNoneMatch]
	switch {
	case hasMatch && hasNone:
		return catalog.Precondition{}, refusal(http.StatusBadRequest, "%s and %s: send only one of them", ifMatch, ifNoneMatch)
	case hasNone && strings.TrimSpace(none) != "*":
		return catalog.Precondition{}, refusal(http.StatusBadRequest, "%s must be *, which asks that there is no such domain, is %s", ifNoneMatch, printable(none))
	case hasNone:
		return catalog.Precondition{Absent: true}, nil
	case !hasMatch:
		return catalog.Precondition{}, nil
	case strings.TrimSpace(match) == "*":
		return catalog.Precondition{Present: true}, nil
	}
	serials, err := serialsOf(match)
	if err != nil {
		return catalog.Precondition{}, err
	}
	if len(serials) == 0 { // tags, but none that a draft could ever have
		return catalog.Precondition{}, ErrPrecondition
	}
	return catalog.Precondition{Serials: serials}, nil
}

// serialsOf reads a list of entity tags. Weak ones and those of others are
// read and match nothing.
func serialsOf(list string) ([]uint64, error) {
	var serials []uint64
	tags := 0
	for rest := strings.Trim(list, " \t,"); rest != ""; rest = strings.TrimLeft(rest, " \t,") {
		tag, after, ok := cutTag(rest)
		if tags++; !ok || tags > catalog.MaxPreconditionSerials {
			return nil, refusal(http.StatusBadRequest, `%s must be * or a list of at most %d entity tags as an ETag gives them, such as "123", is %s`,
				ifMatch, catalog.MaxPreconditionSerials, printable(list))
		}
		rest = after
		if n, err := strconv.ParseUint(tag, 10, 63); err == nil && n > 0 && etag(n) == `"`+tag+`"` {
			serials = append(serials, n)
		}
	}
	if tags == 0 {
		return nil, refusal(http.StatusBadRequest, `%s is empty: must be * or an entity tag such as "123"`, ifMatch)
	}
	slices.Sort(serials)
	return slices.Compact(serials), nil
}

// cutTag takes the first tag off a list: what stands between its quotes, or
// the whole where it is weak.
func cutTag(list string) (tag, after string, ok bool) {
	strong, weak := strings.CutPrefix(list, "W/")
	if !strings.HasPrefix(strong, `"`) {
		return "", "", false
	}
	end := strings.IndexByte(strong[1:], '"')
	if end < 0 {
		return "", "", false
	}
	tag, after = strong[1:1+end], strong[end+2:]
	if after != "" && !strings.ContainsRune(" \t,", rune(after[0])) || strings.ContainsFunc(tag, func(c rune) bool { return c < '!' || c == 0x7f }) {
		return "", "", false
	}
	if weak {
		tag = "W/" + tag
	}
	return tag, after, true
}

// preconditionText says what a 412 is about.
func preconditionText(r *http.Request) string {
	if value := strings.Join(r.Header.Values(ifMatch), ","); value != "" {
		return fmt.Sprintf("the draft is not the one that %s names, %s: it was changed or deleted since; get it again, and repeat the change on it", ifMatch, printable(value))
	}
	return fmt.Sprintf("there is such a domain already, and %s: * asks that there is none", ifNoneMatch)
}

// refusePrecondition refuses a condition at a call that would ignore it.
func refusePrecondition(h http.Header) error {
	for _, name := range []string{ifMatch, ifNoneMatch} {
		if _, ok := h[name]; ok {
			return refusal(http.StatusBadRequest, "%s is not looked at by this call: leave it out", name)
		}
	}
	return nil
}
