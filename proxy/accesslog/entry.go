// Package accesslog writes one line of JSON for each call, beside the calls: a
// line that cannot be written in time is dropped and counted.
package accesslog

import (
	"strconv"
	"time"
	"unicode/utf8"
)

// Entry is what a line tells of one call. Every line has every key; what there
// is not is null.
type Entry struct {
	// Time is when the head of the request had come.
	Time time.Time
	// RequestID is the call's X-Request-Id.
	RequestID []byte
	// ClientAddress is the client's address without its port.
	ClientAddress []byte
	// Method is empty where the request line could not be read, and so is Path,
	// which is as the client spelled it.
	Method string
	Path   []byte
	// Domain is the key, Endpoint "METHOD /pattern"; empty where none was found.
	Domain, Endpoint string
	// Status is that of the answer, ResultCode that of the envelope, or 0.
	Status, ResultCode int
	// Plugin is the one that made the answer, or refused; empty: none did.
	Plugin string
	// Consumer is whose API key it was.
	Consumer string
	// QuotaUnits is what the call took of each quota condition that applies to it.
	QuotaUnits int64
	// Shadowed is true when a condition that only counts would have refused the call.
	Shadowed bool
	// BytesIn and BytesOut are of the bodies alone, without what frames them.
	BytesIn, BytesOut int64
	// Upstream is the host and port of the endpoint server, empty where it was
	// not called; UpstreamTime is until its answer had come, as far as it is held.
	Upstream     string
	UpstreamTime time.Duration
	// Total is until the answer had been sent, or had been cut off.
	Total time.Duration
	// TraceID has 32 hexadecimal digits, or is empty.
	TraceID []byte
	// Cut says who cut the answer off: Client, EndpointServer or Gateway; empty:
	// nobody did. The key is there only then.
	Cut string
}

// Values of Entry.Cut.
const (
	Client         = "client"         // left, or did not read in time
	EndpointServer = "endpointServer" // its answer broke off
	Gateway        = "gateway"        // closed the connection, as at the end of a stop
)

// Append appends the entry as a line.
func (e *Entry) Append(dst []byte) []byte {
	dst = append(dst, `{"time":"`...)
	dst = appendTime(dst, e.Time)
	dst = append(dst, '"')
	dst = appendText(dst, `,"requestId":`, e.RequestID)
	dst = appendText(dst, `,"clientAddress":`, e.ClientAddress)
	dst = appendText(dst, `,"method":`, e.Method)
	dst = appendText(dst, `,"domain":`, e.Domain)
	dst = appendText(dst, `,"endpoint":`, e.Endpoint)
	dst = appendText(dst, `,"path":`, e.Path)
	dst = appendNumber(dst, `,"status":`, int64(e.Status))
	dst = appendNumber(dst, `,"resultCode":`, int64(e.ResultCode))
	dst = appendText(dst, `,"plugin":`, e.Plugin)
	dst = appendText(dst, `,"consumer":`, e.Consumer)
	dst = appendNumber(dst, `,"quotaUnits":`, e.QuotaUnits)
	if e.Shadowed {
		dst = append(dst, `,"shadowed":true`...)
	}
	dst = appendNumber(dst, `,"bytesIn":`, e.BytesIn)
	dst = appendNumber(dst, `,"bytesOut":`, e.BytesOut)
	dst = appendText(dst, `,"upstreamAddress":`, e.Upstream)
	if e.Upstream == "" {
		dst = append(dst, `,"upstreamSeconds":null`...)
	} else {
		dst = appendSeconds(dst, `,"upstreamSeconds":`, e.UpstreamTime)
	}
	dst = appendSeconds(dst, `,"totalSeconds":`, e.Total)
	dst = appendText(dst, `,"traceId":`, e.TraceID)
	if e.Cut != "" {
		dst = appendText(dst, `,"cut":`, e.Cut)
	}
	return append(dst, "}\n"...)
}

// appendNumber appends a number behind its key, which is spelled with what
// surrounds it, as those of the other functions are.
func appendNumber(dst []byte, key string, n int64) []byte {
	return strconv.AppendInt(append(dst, key...), n, 10)
}

// appendTime appends a time in UTC with microseconds (RFC 3339).
func appendTime(dst []byte, t time.Time) []byte {
	t = t.UTC()
	year, month, day := t.Date()
	hour, minute, second := t.Clock()
	dst = append(appendDigits(dst, year, 4), '-')
	dst = append(appendDigits(dst, int(month), 2), '-')
	dst = append(appendDigits(dst, day, 2), 'T')
	dst = append(appendDigits(dst, hour, 2), ':')
	dst = append(appendDigits(dst, minute, 2), ':')
	dst = append(appendDigits(dst, second, 2), '.')
	return append(appendDigits(dst, t.Nanosecond()/1000, 6), 'Z')
}

// appendSeconds appends a time in seconds, to the microsecond.
func appendSeconds(dst []byte, key string, d time.Duration) []byte {
	d = max(d, 0).Round(time.Microsecond)
	dst = strconv.AppendInt(append(dst, key...), int64(d/time.Second), 10)
	return appendDigits(append(dst, '.'), int(d%time.Second/time.Microsecond), 6)
}

// appendDigits appends the last digits of n, with zeros before them.
func appendDigits(dst []byte, n, digits int) []byte {
	begin := len(dst)
	dst = append(dst, "0000000000"[:digits]...)
	for i := begin + digits - 1; i >= begin; i-- {
		dst[i] = byte('0' + n%10)
		n /= 10
	}
	return dst
}

// appendText appends a text that may hold any bytes, null where it is empty.
func appendText[T string | []byte](dst []byte, key string, s T) []byte {
	dst = append(dst, key...)
	if len(s) == 0 {
		return append(dst, "null"...)
	}
	dst = append(dst, '"')
	done := 0
	for i := plainPrefix(s); i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf {
			if plain[c] {
				i++
				continue
			}
			dst = append(dst, s[done:i]...)
			dst = appendEscaped(dst, c)
			i++
			done = i
			continue
		}
		r, size := utf8.DecodeRune([]byte(s[i:min(i+utf8.UTFMax, len(s))]))
		if r == utf8.RuneError && size == 1 {
			dst = append(dst, s[done:i]...)
			dst = append(dst, `\ufffd`...)
			i++
			done = i
			continue
		}
		i += size
	}
	dst = append(dst, s[done:]...)
	return append(dst, '"')
}

// plainPrefix is at most how many bytes s begins with that stand for themselves:
// it looks at eight at once.
func plainPrefix[T string | []byte](s T) (n int) {
	const ones = 0x0101010101010101
	for ; n+8 <= len(s); n += 8 {
		b := s[n : n+8]
		w := uint64(b[0]) | uint64(b[1])<<8 | uint64(b[2])<<16 | uint64(b[3])<<24 |
			uint64(b[4])<<32 | uint64(b[5])<<40 | uint64(b[6])<<48 | uint64(b[7])<<56
		// The top bit of a byte is set where it is not plain: it is there, or the
		// byte is below a space, a quotation mark, a backslash or DEL.
		quote, slash := w^('"'*ones), w^('\\'*ones)
		odd := w | (w - ' '*ones) | (quote - ones) | (slash - ones) | (w + ones)
		if odd&(0x80*ones) != 0 {
			break
		}
	}
	return n
}

// plain are the characters of ASCII that stand for themselves in a text.
var plain = func() (t [utf8.RuneSelf]bool) {
	for c := range t {
		t[c] = c >= ' ' && c != '"' && c != '\\' && c != 0x7f
	}
	return t
}()

func appendEscaped(dst []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(dst, '\\', c)
	case '\n':
		return append(dst, `\n`...)
	case '\r':
		return append(dst, `\r`...)
	case '\t':
		return append(dst, `\t`...)
	}
	const digits = "0123456789abcdef"
	return append(dst, '\\', 'u', '0', '0', digits[c>>4], digits[c&15])
}
