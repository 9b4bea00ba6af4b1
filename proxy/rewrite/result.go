package rewrite

import "unicode/utf8"

// faultOf says why a path must not be sent on, "" if it may. The rules are
// those of the gate for what a client sends: groups put together, such as
// /{a}/{b} made into /{a}{b}, can come to what no client could have sent
// (pitfalls 2(e), injections 1 to 3). That percent-encoded bytes are UTF-8
// needs no check here: the gate has checked the path, groups begin and end
// between characters, and so does the text of a rewriteUri.
func faultOf(path []byte) string {
	if len(path) == 0 || path[0] != '/' {
		return `does not begin with "/"`
	}
	if len(path) > 1 && path[1] == '/' {
		return `begins with "//", which would name a host`
	}
	var s segment
	for i := 0; i < len(path); i++ {
		c := path[i]
		switch {
		case c <= ' ' || c >= utf8.RuneSelf-1:
			return "has a space, a control or a non-ASCII character"
		case c == '?' || c == '#':
			return `has "?" or "#"`
		case c == '/':
			if s.isDots() {
				return "has a dot segment"
			}
			s = segment{}
			continue
		case c == '%':
			var ok bool
			if c, ok = unhex(path[i:]); !ok {
				return "has a percent sign that encodes nothing"
			}
			i += 2
		}
		switch {
		case c < ' ' || c == utf8.RuneSelf-1:
			return "has an encoded control character"
		case c == '/' || c == '\\':
			return "has a backslash or an encoded slash"
		}
		s.add(c)
	}
	if s.isDots() {
		return "has a dot segment"
	}
	return ""
}

// segment recognises "." and "..", also with ;parameters behind them, which
// Java servers cut off before they resolve the dots.
type segment struct {
	dots          int
	other, params bool
}

func (s *segment) add(c byte) {
	switch {
	case s.params:
	case c == ';':
		s.params = true
	case c == '.':
		s.dots++
	default:
		s.other = true
	}
}

func (s *segment) isDots() bool { return !s.other && (s.dots == 1 || s.dots == 2) }

// unhex reads the %XX at the start of b.
func unhex[T []byte | string](b T) (c byte, ok bool) {
	if len(b) < 3 || b[0] != '%' {
		return 0, false
	}
	hi, lo := hexDigit(b[1]), hexDigit(b[2])
	return hi<<4 | lo, hi < 16 && lo < 16
}

// hexDigit is the value of a digit, 0xff for what is none.
func hexDigit(c byte) byte {
	switch {
	case c >= '0' && c <= '9':
		return c - '0'
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10
	}
	return 0xff
}
