package proxy

import (
	"bytes"

	"github.com/tollgate/tollgate/proxy/header"
)

// traceID is that of the trace which a request belongs to, by its traceparent
// (W3C Trace Context 3.2); nil where there is none, or none that is valid.
func traceID(fields header.List) []byte {
	var parent []byte
	for i := range fields {
		f := &fields[i]
		if f.Rules&header.Trace == 0 || f.Rules&header.Hop != 0 || len(f.Name) != len("traceparent") {
			continue
		}
		if parent != nil {
			return nil
		}
		parent = f.Value
	}
	// version "-" trace-id "-" parent-id "-" trace-flags
	const length = 2 + 1 + 32 + 1 + 16 + 1 + 2
	switch {
	case len(parent) < length,
		len(parent) > length && (string(parent[:2]) == "00" || parent[length] != '-'),
		string(parent[:2]) == "ff",
		parent[2] != '-', parent[35] != '-', parent[52] != '-',
		!isHex(parent[:2]), !isHex(parent[53:length]):
		return nil
	}
	id, from := parent[3:35], parent[36:52]
	if !isHex(id) || !isHex(from) || len(bytes.Trim(id, "0")) == 0 || len(bytes.Trim(from, "0")) == 0 {
		return nil
	}
	return id
}

func isHex(b []byte) bool {
	for _, c := range b {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// withoutQuery cuts the query off a target.
func withoutQuery(target []byte) []byte {
	path, _, _ := bytes.Cut(target, []byte{'?'})
	return path
}
