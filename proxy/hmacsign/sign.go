package hmacsign

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
)

// StringToSign is what a signature covers. target is path and query exactly as
// they will be on the request line, with /{domainKey}; timestamp is the text of
// X-TC-Timestamp.
func StringToSign(method, target, timestamp string) string {
	return method + "\n" + target + "\n" + timestamp
}

// Sign is the value of Authorization for a request. It signs what it is given:
// whether the timestamp is one that a gateway takes, ParseTimestamp tells.
func Sign(secretKey, method, target, timestamp string) string {
	mac := hmac.New(sha1.New, []byte(secretKey))
	mac.Write([]byte(StringToSign(method, target, timestamp)))
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}
