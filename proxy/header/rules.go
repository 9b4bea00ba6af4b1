package header

import "strings"

// Rules is what a gateway has to know about a field by its name.
type Rules uint16

// The first rules say what is done with a field, the others which field it is.
const (
	// Hop fields concern one connection and are never passed on (RFC 9110 7.6.1).
	Hop Rules = 1 << iota
	// Ours are written or withheld by the gateway: what a client says in them
	// would be believed by the endpoint server as if the gateway had said it.
	Ours
	// Protected fields decide something and may not be named in Connection,
	// which would take them out behind the check (pitfalls 2(a) 15).
	Protected

	Connection
	Authorization
	Timestamp
	Host
	ContentLength
	TransferEncoding
	ContentType
	Expect
	Origin
)

// Single fields decide something here or at the endpoint server: two of them
// could be read as either (pitfalls 2(a) 13).
const Single = Authorization | Timestamp | Host | ContentLength | TransferEncoding | ContentType | Expect | Origin

var rules = map[string]Rules{
	"authorization":     Authorization | Protected,
	"x-tc-timestamp":    Timestamp | Protected,
	"host":              Host | Protected | Ours,
	"content-length":    ContentLength | Protected | Ours,
	"transfer-encoding": TransferEncoding | Hop,
	"content-type":      ContentType | Protected,
	"expect":            Expect | Hop,
	"origin":            Origin | Protected,
	"cookie":            Protected,

	"connection":          Connection | Hop,
	"keep-alive":          Hop,
	"te":                  Hop,
	"trailer":             Hop,
	"upgrade":             Hop,
	"http2-settings":      Hop,
	"proxy-connection":    Hop,
	"proxy-authenticate":  Hop,
	"proxy-authorization": Hop,

	"forwarded": Protected | Ours,
	"x-real-ip": Protected | Ours,
	"proxy":     Ours, // a CGI program would read it as HTTP_PROXY: httpoxy
}

// longest is the longest name of the table.
const longest = len("proxy-authorization")

// Lookup returns the rules for a name, in any case.
func Lookup(name []byte) Rules {
	var lower [longest]byte
	n := copy(lower[:], name)
	for i, c := range lower[:n] {
		if 'A' <= c && c <= 'Z' {
			lower[i] = c | 0x20
		}
	}
	if r, ok := rules[string(lower[:n])]; ok && n == len(name) {
		return r
	}
	for _, f := range families {
		if strings.HasPrefix(string(lower[:n]), f.prefix) {
			return f.rules
		}
	}
	return 0
}

// families are names with one beginning.
var families = [...]struct {
	prefix string
	rules  Rules
}{
	{"x-forwarded-", Protected | Ours},
	{"x-tc-", Protected},
}
