package envelope

// The refusals of the client port, spec section 2. Those with five digits that
// begin with the status are ours, the others the original's to the byte.
// 40000 comes in several texts, one for each thing that can be malformed: see
// Malformed. 40300 has two occasions, the client's address and a preflight.
var (
	QuotaExceeded = New(403, 20004, "Usage quota exceeded").Seal()

	HMACTimestampEmpty     = hmac("The timestamp field is empty")
	HMACTimestampFormat    = hmac("Invalid timestamp format")
	HMACExpired            = hmac("Exceeded expiration time")
	HMACAuthorizationEmpty = hmac("The authorization field is empty")
	HMACInvalid            = hmac("Invalid authorization")

	JWTAuthorizationEmpty = jwt("The authorization field is empty")
	JWTExpired            = jwt("Exceeded expiration time")
	JWTInvalid            = jwt("Invalid authorization")

	PreAPIFailed   = New(502, 20008, "Pre api connection failed").Seal()
	RewritePattern = New(500, 20005, "URI Pattern's syntax is invalid").Seal()
	RewriteForm    = New(500, 20006, "Rewrite URI's syntax is invalid").Seal()

	AddressNotAllowed = New(403, 40300, "IP address not allowed").Seal()
	// HTTPSRequired is what a call gets that came without TLS to a domain of
	// https alone, or to a port that speaks nothing else.
	HTTPSRequired = New(403, 40301, "HTTPS required").Seal()
	// The three of a preflight say which of its questions was answered no.
	PreflightOrigin  = preflight("the origin is not in allowedOrigins")
	PreflightMethod  = preflight("the method is not in allowedMethods")
	PreflightHeaders = preflight("a header is not in allowedHeaders")

	// KeyUnknown is what a call gets without the API key of a consumer.
	KeyUnknown = New(401, 40100, "API key missing or unknown").Seal()

	UnknownDomain = New(404, 40400, "No domain has this key").Seal()
	NoEndpoint    = New(404, 40401, "No endpoint matches").Seal()
	BodyLate      = New(408, 40800, "The request body did not come in time").SealClosing()
	BodyTooLarge  = New(413, 41300, "Request body too large").SealClosing()
	// UnknownExpectation: Expect is not 100-continue.
	UnknownExpectation = New(417, 41700, "Unknown expectation (only 100-continue is known)").SealClosing()
	// TooManyConns and TooManyCalls are said to one client, by its address.
	TooManyConns   = New(429, 42900, "Too many connections of one client").SealClosing()
	TooManyCalls   = New(429, 42900, "Too many calls in flight of one client").Seal()
	HeaderTooLarge = New(431, 43100, "Request header too large").SealClosing()
	Internal       = New(500, 50000, "Internal error").SealClosing()
	UnknownMethod  = New(501, 50100, "Unknown method (known are GET POST PUT DELETE HEAD PATCH OPTIONS)").SealClosing()
	Unreachable    = New(502, 50200, "Endpoint server unreachable or its answer broken").Seal()
	// NoTarget is what a call gets for which no endpoint server was tried.
	NoTarget       = New(502, 50201, "No healthy endpoint server").Seal()
	QuotaUndecided = New(503, 50300, "Usage quota cannot be decided now").Seal()
	NotReady       = New(503, 50301, "Node not ready or stopping").Seal()
	// Full is what a connection gets that is one too many.
	Full = New(503, 50301, "Node has too many client connections").SealClosing()
	// NoMemory: the bodies of all clients, or of this one, hold as much as they may.
	NoMemory = New(503, 50301, "Node holds too many request bodies").SealClosing()
	// AnswersFull is what a call gets whose answer has no room.
	AnswersFull = New(503, 50301, "Node has too many answers in memory").Seal()
	// Loop is what a call gets that comes back for the tenth time.
	Loop     = New(508, 50800, "Call has passed through this cluster 10 times already").Seal()
	TimedOut = New(504, 50400, "Endpoint server timed out").Seal()
)

func hmac(why string) *Sealed {
	return New(401, 20001, "HMAC authentication failed ("+why+")").Seal()
}

func jwt(why string) *Sealed {
	return New(401, 20002, "JWT authentication failed ("+why+")").Seal()
}

func preflight(why string) *Sealed {
	return New(403, 40300, "CORS preflight refused ("+why+")").Seal()
}

// Malformed is a 40000 that says what is malformed.
func Malformed(what string) *Sealed {
	return New(400, 40000, "Malformed request ("+what+")").SealClosing()
}

// Codes are all the codes above, and 40000, in ascending order.
var Codes = []int{
	20001, 20002, 20004, 20005, 20006, 20008,
	40000, 40100, 40300, 40301, 40400, 40401, 40800, 41300, 41700, 42900, 43100, 50000, 50100, 50200, 50201, 50300, 50301, 50400, 50800,
}

// MaxCodes is at least how many Codes there are.
const MaxCodes = 32

var places = func() map[int]int {
	places := make(map[int]int)
	for i, code := range Codes {
		places[code] = i
	}
	return places
}()

// Place is where a code stands in Codes; ok is false if it does not.
func Place(code int) (place int, ok bool) {
	place, ok = places[code]
	return place, ok
}
