package jwtauth

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
)

// Claims are those of the names that a verified Authorization's token has, as what a
// quota counts by: of a string its text, of a number or a truth value what stands there.
// Other values are none.
func Claims(authorization []byte, names []string) map[string][]byte {
	_, rest, _ := bytes.Cut(bare(authorization), []byte("."))
	payload, _, _ := bytes.Cut(rest, []byte("."))
	text, err := base64.RawURLEncoding.DecodeString(string(payload))
	if err != nil {
		return nil
	}
	var all map[string]json.RawMessage
	if json.Unmarshal(text, &all) != nil {
		return nil
	}
	found := make(map[string][]byte, len(names))
	for _, name := range names {
		raw := all[name]
		var s string
		switch {
		case len(raw) == 0 || raw[0] == '{' || raw[0] == '[' || string(raw) == "null":
		case raw[0] != '"':
			found[name] = raw
		case json.Unmarshal(raw, &s) == nil:
			found[name] = []byte(s)
		}
	}
	return found
}
