package admin

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/tollgate/tollgate/store/catalog"
)

// maxCommandBytes caps the bodies that are no documents.
const maxCommandBytes = 4 << 10

// read is the request's body, of at most limit bytes.
func (r *request) read(limit int64) ([]byte, error) {
	if err := checkContentType(r.Header); err != nil {
		return nil, err
	}
	// Not every ResponseWriter can; the server's own timeouts hold then.
	control := http.NewResponseController(r.w)
	if control.SetReadDeadline(r.deadline) == nil {
		// The deadline is the body's alone: one that passed while the call
		// is still at work would count as the client's going away.
		defer func() { _ = control.SetReadDeadline(time.Time{}) }()
	}
	raw, err := io.ReadAll(http.MaxBytesReader(r.w, r.Body, limit))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return nil, refusal(http.StatusRequestEntityTooLarge, "the body is larger than the %d bytes that this call takes", limit)
	case err != nil:
		return nil, refusal(http.StatusBadRequest, "the body did not arrive whole: %v", err)
	}
	return raw, nil
}

// checkContentType refuses what an HTML form can send, since a form on any
// web page can send it here, and what is neither JSON nor YAML anyway.
func checkContentType(h http.Header) error {
	if enc := h.Get("Content-Encoding"); enc != "" && !strings.EqualFold(enc, "identity") {
		return refusal(http.StatusUnsupportedMediaType, "Content-Encoding %s is not understood: send the body as it is", printable(enc))
	}
	value := h.Get("Content-Type")
	if value == "" {
		return nil
	}
	mediaType, args, err := mime.ParseMediaType(value)
	if err != nil || mediaType != typeJSON && !(strings.HasPrefix(mediaType, "application/") && strings.HasSuffix(mediaType, "+json")) && !isYAML(mediaType) {
		return refusal(http.StatusUnsupportedMediaType, "Content-Type %s is not understood: send application/json, or a document as application/yaml", printable(value))
	}
	if charset := args["charset"]; charset != "" && !strings.EqualFold(charset, "utf-8") {
		return refusal(http.StatusUnsupportedMediaType, "charset %s is not understood: send UTF-8", printable(charset))
	}
	return nil
}

func checkJSON(raw []byte) error {
	var v json.RawMessage
	err := json.Unmarshal(raw, &v)
	if err == nil {
		return nil
	}
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		line := 1 + bytes.Count(raw[:max(syntax.Offset-1, 0)], []byte("\n"))
		return refusal(http.StatusBadRequest, "the body is not JSON: line %d: %v", line, err)
	}
	return refusal(http.StatusBadRequest, "the body is not JSON: %v", err)
}

// field is one member of a command's body: a name, and where its value goes,
// a *string, **string, **bool, for an object *json.RawMessage, or for any value *anything. null is as
// good as absent.
type field struct {
	name string
	into any
}

// command reads the small object that a command is.
func (r *request) command(fields ...field) (problems []catalog.Problem, err error) {
	return r.object(maxCommandBytes, fields...)
}

// object reads a body of at most limit bytes. An empty body is an empty object.
// What is wrong in it comes as problems; err is for what could not be read at
// all.
func (r *request) object(limit int64, fields ...field) (problems []catalog.Problem, err error) {
	raw, err := r.read(limit)
	if err != nil || len(bytes.TrimSpace(raw)) == 0 {
		return nil, err
	}
	if err := checkJSON(raw); err != nil {
		return nil, err
	}
	return decode(raw, fields), nil
}

// decode is stricter than encoding/json: it knows no unknown, repeated or
// case-folded names. raw is valid JSON.
func decode(raw []byte, fields []field) []catalog.Problem {
	if got := kindOf(raw); got != "an object" {
		return []catalog.Problem{{Path: "$", Message: "must be an object, is " + got}}
	}
	var problems []catalog.Problem
	bad := func(name, format string, args ...any) {
		problems = append(problems, catalog.Problem{Path: pathOf(name), Message: fmt.Sprintf(format, args...)})
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	_, _ = dec.Token() // the {
	seen := map[string]bool{}
	for dec.More() {
		token, _ := dec.Token()
		name, _ := token.(string)
		var value json.RawMessage
		_ = dec.Decode(&value)
		if seen[name] {
			bad(name, "is given more than once")
			continue
		}
		seen[name] = true
		f, known := find(fields, name)
		if !known {
			bad(name, "unknown field; known: %s", names(fields))
			continue
		}
		got := kindOf(value)
		if want := f.kind(); want != "" && got != want && got != "null" {
			bad(name, "must be %s, is %s", want, got)
			continue
		}
		_ = json.Unmarshal(value, f.into) // of the right kind: cannot fail
	}
	return problems
}

// anything takes a value of whatever kind, as it stands there.
type anything json.RawMessage

// UnmarshalJSON implements json.Unmarshaler.
func (a *anything) UnmarshalJSON(b []byte) error {
	*a = append((*a)[:0], b...)
	return nil
}

func (f field) kind() string {
	switch f.into.(type) {
	case **bool:
		return "true or false"
	case *json.RawMessage:
		return "an object"
	case *anything:
		return ""
	}
	return "a string"
}

func find(fields []field, name string) (field, bool) {
	for _, f := range fields {
		if f.name == name {
			return f, true
		}
	}
	return field{}, false
}

func names(fields []field) string {
	if len(fields) == 0 {
		return "none"
	}
	list := make([]string, len(fields))
	for i, f := range fields {
		list[i] = f.name
	}
	return strings.Join(list, ", ")
}

// kindOf names what a JSON value is, by its first byte.
func kindOf(raw []byte) string {
	switch bytes.TrimLeft(raw, " \t\r\n")[0] {
	case '{':
		return "an object"
	case '[':
		return "an array"
	case '"':
		return "a string"
	case 't', 'f':
		return "true or false"
	case 'n':
		return "null"
	}
	return "a number"
}

var plainName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// pathOf is the JSON path of a member of the body.
func pathOf(name string) string {
	if plainName.MatchString(name) {
		return "$." + printable(name)
	}
	return "$['" + printable(name) + "']"
}
