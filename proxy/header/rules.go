package header

import "strings"

// Rules is what a gateway has to know about a field by its name.
type Rules uint32

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
	// Subject fields describe the body or choose from what the URL names. A Pre
	// API gets neither of the two, and so none of these: a Range would have it
	// answer 206, an If-None-Match 304, which would end the call.
	Subject
	// Replaced is set on a field whose name HEADER writes itself.
	Replaced

	Connection
	Authorization
	Timestamp
	Host
	ContentLength
	TransferEncoding
	ContentType
	Expect
	Origin
	// RequestMethod and RequestHeaders are what a CORS preflight asks for.
	RequestMethod
	RequestHeaders
	// Via names the gateways that a message has passed.
	Via
	// Date is when an answer was made.
	Date
	// Upgrade lists protocols that the connection could go on with.
	Upgrade
	// Location is where an answer sends the client.
	Location
	// Those that say where a request comes from.
	ForwardedFor
	ForwardedProto
	ForwardedHost
	ForwardedPrefix
	Forwarded
	// RequestID is what logs call a call by.
	RequestID
	// Trace fields say which trace a call belongs to (W3C Trace Context).
	Trace
)

// Provenance is the fields in which a gateway says where a request comes from.
const Provenance = ForwardedFor | ForwardedProto | ForwardedHost | ForwardedPrefix | Forwarded

// Withheld fields never go from a client to a server behind the gateway.
const Withheld = Hop | Ours | Replaced

// Single fields decide something here or at the endpoint server: two of them
// could be read as either (pitfalls 2(a) 13).
const Single = Authorization | Timestamp | Host | ContentLength | TransferEncoding | ContentType | Expect | Origin | RequestMethod

var rules = map[string]Rules{
	"authorization":     Authorization | Protected,
	"x-tc-timestamp":    Timestamp | Protected,
	"host":              Host | Protected | Ours,
	"content-length":    ContentLength | Protected | Ours | Subject,
	"transfer-encoding": TransferEncoding | Hop,
	"content-type":      ContentType | Protected | Subject,
	"expect":            Expect | Hop,
	"origin":            Origin | Protected,
	"cookie":            Protected,
	// Whoever takes it out of a request that goes in circles makes it go on for
	// ever.
	"via":      Via | Protected,
	"date":     Date,
	"location": Location,

	"x-request-id": RequestID,
	"traceparent":  Trace,
	"tracestate":   Trace,

	"access-control-request-method":  RequestMethod,
	"access-control-request-headers": RequestHeaders,

	"content-encoding":    Subject,
	"content-language":    Subject,
	"content-location":    Subject,
	"content-range":       Subject,
	"content-disposition": Subject,
	"content-md5":         Subject,
	"content-digest":      Subject,
	"repr-digest":         Subject,
	"digest":              Subject,
	"range":               Subject,
	"if-match":            Subject,
	"if-none-match":       Subject,
	"if-modified-since":   Subject,
	"if-unmodified-since": Subject,
	"if-range":            Subject,

	"connection":          Connection | Hop,
	"keep-alive":          Hop,
	"te":                  Hop,
	"trailer":             Hop,
	"upgrade":             Upgrade | Hop,
	"http2-settings":      Hop,
	"proxy-connection":    Hop,
	"proxy-authenticate":  Hop,
	"proxy-authorization": Hop,

	"x-forwarded-for":    ForwardedFor | Protected | Ours,
	"x-forwarded-proto":  ForwardedProto | Protected | Ours,
	"x-forwarded-host":   ForwardedHost | Protected | Ours,
	"x-forwarded-prefix": ForwardedPrefix | Protected | Ours,
	"forwarded":          Forwarded | Protected | Ours,
	"x-real-ip":          Protected | Ours,
	"proxy":              Ours, // a CGI program would read it as HTTP_PROXY: httpoxy
}

// longest is the longest name of the table.
const longest = len("access-control-request-headers")

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
