package hmacsign

import (
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// Mistake says what a client has signed instead of what it has sent, where its
// signature is right for that: "" where it is right for nothing that is tried.
// key is the domain's, host what the client sent as Host. It takes up to a
// thousand signatures and is for explanations only.
func (v *Verifier) Mistake(method, target, key, host, timestamp, authorization string) string {
	if len(target) > maxGuessed {
		return ""
	}
	tries := []string{authorization}
	words := []string{""}
	if _, behind, ok := strings.Cut(authorization, " "); ok { // HMAC …, Basic …
		tries, words = append(tries, strings.TrimSpace(behind)), append(words, "a word before the signature")
	}
	for i, sent := range tries {
		for _, r := range readings(target, key, host) {
			if v.signed(method, []byte(r.text), []byte(timestamp), []byte(sent)) {
				return listed(r.what, words[i])
			}
		}
		// Two slips of different kinds are not looked for.
		for _, stamp := range timestamps(timestamp) {
			for _, m := range methods(method) {
				if v.signed(m.text, []byte(target), []byte(stamp.text), []byte(sent)) {
					return listed(m.what, stamp.what, words[i])
				}
			}
		}
	}
	return ""
}

// maxGuessed bounds, in bytes, the targets that are tried.
const maxGuessed = 8 << 10

// reading is a text that could have been signed, and what is wrong with it.
type reading struct{ text, what string }

// listed joins what is wrong; nothing stands for what is not.
func listed(what ...string) string {
	return strings.Join(slices.DeleteFunc(what, func(w string) bool { return w == "" }), ", ")
}

func methods(method string) []reading {
	return []reading{{method, ""}, {strings.ToLower(method), "the method in lower case"}}
}

// zeroSeconds is what Java's OffsetDateTime.toString leaves out.
var zeroSeconds = regexp.MustCompile(`(T\d\d:\d\d):00(\.0+)?([+\-Z])`)

func timestamps(stamp string) []reading {
	list := []reading{{stamp, ""}}
	add := func(text, what string) {
		if text != stamp {
			list = append(list, reading{text, what})
		}
	}
	add(zeroSeconds.ReplaceAllString(stamp, "$1$3"), "the timestamp without its seconds, as Java's OffsetDateTime.toString() writes :00")
	add(strings.Replace(stamp, "+00:00", "Z", 1), "the timestamp with Z for +00:00")
	if before, ok := strings.CutSuffix(stamp, "Z"); ok {
		add(before+"+00:00", "the timestamp with +00:00 for Z")
	}
	add(stamp+"\n", "a line end behind the timestamp")
	add("", "no timestamp")
	return list
}

// readings lists the targets, the most likely first.
func readings(target, key, host string) []reading {
	list := []reading{{target, ""}}
	// Each step takes what there is and adds what it makes of it.
	step := func(what string, change func(string) string) {
		for _, r := range slices.Clone(list) {
			text := change(r.text)
			if !slices.ContainsFunc(list, func(had reading) bool { return had.text == text }) {
				list = append(list, reading{text, listed(r.what, what)})
			}
		}
	}
	step("the target without /"+key, func(s string) string {
		rest, ok := strings.CutPrefix(s, "/"+key)
		switch {
		case ok && (rest == "" || rest[0] == '?'):
			return "/" + rest
		case ok && rest[0] == '/':
			return rest
		}
		return s
	})
	step("the target decoded", decode)
	step("the target encoded anew", encodeAnew)
	step("the query encoded anew", encodeQueryAnew)
	step("the target with %2F for %2f", func(s string) string { return hexCase(s, strings.ToUpper) })
	step("the target with %2f for %2F", func(s string) string { return hexCase(s, strings.ToLower) })
	step("the target without its query", func(s string) string {
		path, _, _ := strings.Cut(s, "?")
		return path
	})
	step("a slash at the end of the path that was not sent", func(s string) string {
		path, query, isQuery := strings.Cut(s, "?")
		if strings.HasSuffix(path, "/") {
			return s
		}
		if isQuery {
			return path + "/?" + query
		}
		return path + "/"
	})
	if host != "" {
		for _, prefix := range []string{"https://" + host, "http://" + host, host} {
			for _, r := range slices.Clone(list) {
				if strings.HasPrefix(r.text, "/") {
					list = append(list, reading{prefix + r.text, listed("the host in front of the target", r.what)})
				}
			}
		}
	}
	return list
}

func decode(s string) string {
	path, query, isQuery := strings.Cut(s, "?")
	if p, err := url.PathUnescape(path); err == nil {
		path = p
	}
	if !isQuery {
		return path
	}
	if q, err := url.QueryUnescape(query); err == nil {
		query = q
	}
	return path + "?" + query
}

// encodeAnew is what a library makes of a URL that it reads and writes again.
func encodeAnew(s string) string {
	path, query, isQuery := strings.Cut(s, "?")
	if p, err := url.PathUnescape(path); err == nil {
		path = (&url.URL{Path: p}).EscapedPath()
	}
	if isQuery {
		return encodeQueryAnew(path + "?" + query)
	}
	return path
}

// encodeQueryAnew also sorts the fields by name, as most libraries do.
func encodeQueryAnew(s string) string {
	path, query, isQuery := strings.Cut(s, "?")
	if !isQuery {
		return s
	}
	values, err := url.ParseQuery(query)
	if err != nil {
		return s
	}
	return path + "?" + values.Encode()
}

var encodedByte = regexp.MustCompile(`%[0-9A-Fa-f]{2}`)

func hexCase(s string, change func(string) string) string {
	return encodedByte.ReplaceAllStringFunc(s, change)
}
