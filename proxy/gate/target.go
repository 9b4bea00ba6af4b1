package gate

import (
	"bytes"
	"unicode/utf8"
)

var (
	notOrigin    = malformed("request target does not begin with a slash")
	badAuthority = malformed("the authority of the request target is not that of Host")
	badByte      = malformed("control or non-ASCII character in the request target: percent-encode it")
	fragment     = malformed("# in the request target")
	badEncoding  = malformed("invalid percent-encoding in the path")
	notUTF8      = malformed("percent-encoded bytes in the path are not UTF-8")
	control      = malformed("encoded control character in the path")
	slash        = malformed("backslash or encoded slash in the path")
	dotSegment   = malformed("dot segment in the path")
	root         = []byte("/")
	asterisk     = []byte("*")
)

// readTarget takes the target apart. The query goes through byte for byte,
// whatever encoding is in it; the path decides what endpoint is meant, and is
// refused where two programs could read it differently.
func (r *Request) readTarget(target []byte) error {
	r.authority = nil
	if len(target) == 0 {
		return notOrigin
	}
	if target[0] != '/' && !(r.Method == "OPTIONS" && string(target) == "*") {
		if target = r.cutAuthority(target); target == nil {
			return notOrigin
		}
	}
	if r.Asterisk = target[0] == '*'; r.Asterisk {
		r.Target, r.Key, r.Path, r.Route, r.Query = target, nil, root, root, nil
		return nil
	}
	r.Target = target
	path, query := target, []byte(nil)
	if i := bytes.IndexByte(target, '?'); i >= 0 {
		path, query = target[:i], target[i:]
	}
	if err := checkBytes(target); err != nil {
		return err
	}
	encoded, err := checkPath(path)
	if err != nil {
		return err
	}
	r.Query = query
	r.Key, r.Path = cut(path)
	if len(r.Path) == 0 {
		r.Path = root
	}
	r.Route = r.Path
	if !encoded {
		return nil
	}
	r.decoded = appendDecoded(r.decoded[:0], path)
	if err := checkDecoded(r.decoded); err != nil {
		return err
	}
	r.decoded = appendDecoded(r.decoded[:0], r.Path)
	r.Route = r.decoded
	return nil
}

// cutAuthority returns what of a target in absolute form is path and query, nil
// when it has no such form. The authority would be a second Host (pitfalls
// 2(a) 4): Read compares it with the first. Without a path, OPTIONS asks for "*".
func (r *Request) cutAuthority(target []byte) []byte {
	scheme, rest, ok := bytes.Cut(target, []byte("://"))
	if !ok || !is(scheme, "http") && !is(scheme, "https") || len(rest) == 0 {
		return nil
	}
	i := bytes.IndexAny(rest, "/?#")
	if i < 0 {
		r.authority = rest
		if r.Method == "OPTIONS" {
			return asterisk // RFC 9112 section 3.2.4
		}
		return root
	}
	if i == 0 {
		return nil
	}
	r.authority = rest[:i]
	if rest[i] == '/' {
		return rest[i:]
	}
	r.absolute = append(append(r.absolute[:0], '/'), rest[i:]...)
	return r.absolute
}

// IsPath accepts an absolute path that has one meaning, whoever reads it: no
// query, and no two slashes that could be read as the beginning of a host.
func IsPath(b []byte) bool {
	if len(b) == 0 || b[0] != '/' || bytes.IndexByte(b, '?') >= 0 || bytes.Contains(b, twoSlashes) || checkBytes(b) != nil {
		return false
	}
	_, err := checkPath(b)
	return err == nil
}

var twoSlashes = []byte("//")

// checkBytes lets only visible ASCII through; "#" would be cut off by some.
func checkBytes(target []byte) error {
	for _, c := range target {
		switch {
		case c <= ' ' || c >= 0x7f:
			return badByte
		case c == '#':
			return fragment
		}
	}
	return nil
}

// checkPath looks at every byte of the path as it is after decoding once, and
// tells whether anything was encoded. It never decodes twice: %252f is the
// text %2f, which stays as it is spelled.
func checkPath(path []byte) (encoded bool, err error) {
	var s segment
	for i := 0; i < len(path); i++ {
		c := path[i]
		if c == '/' {
			if s.isDots() {
				return false, dotSegment
			}
			s = segment{}
			continue
		}
		if c == '%' {
			var ok bool
			if c, ok = unhex(path[i:]); !ok {
				return false, badEncoding
			}
			i += 2
			encoded = true
		}
		switch {
		case c < ' ' || c == 0x7f:
			return false, control
		case c == '/' || c == '\\':
			return false, slash
		}
		s.add(c)
	}
	if s.isDots() {
		return false, dotSegment
	}
	return encoded, nil
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

// checkDecoded refuses overlong and other broken UTF-8 (%c0%ae is a dot to a
// careless decoder) and the control characters beyond ASCII.
func checkDecoded(path []byte) error {
	for i := 0; i < len(path); {
		r, n := utf8.DecodeRune(path[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			return notUTF8
		case r >= 0x80 && r < 0xa0, r == 0x2028, r == 0x2029:
			return control
		}
		i += n
	}
	return nil
}

// appendDecoded decodes valid percent-encoding.
func appendDecoded(dst, path []byte) []byte {
	for i := 0; i < len(path); i++ {
		c := path[i]
		if c == '%' {
			c, _ = unhex(path[i:])
			i += 2
		}
		dst = append(dst, c)
	}
	return dst
}

// unhex reads the %XX at the start of b.
func unhex(b []byte) (c byte, ok bool) {
	if len(b) < 3 {
		return 0, false
	}
	hi, lo := hexValue[b[1]], hexValue[b[2]]
	if hi < 0 || lo < 0 {
		return 0, false
	}
	return byte(hi)<<4 | byte(lo), true
}

var hexValue = func() (t [256]int8) {
	for i := range t {
		t[i] = -1
	}
	for i := range 10 {
		t['0'+i] = int8(i)
	}
	for i := range 6 {
		t['a'+i], t['A'+i] = int8(10+i), int8(10+i)
	}
	return t
}()
