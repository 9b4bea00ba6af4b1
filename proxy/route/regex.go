package route

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"strings"
	"unicode"
)

const (
	// maxRegexBytes bounds the regex of one variable.
	maxRegexBytes = 256
	// maxRegexSize bounds the program that a segment's regex compiles to; RE2
	// needs time in proportion to it for every byte of a path. A UUID takes
	// about 50, \w{1,255} about 500.
	maxRegexSize = 600
	// dot is what Java's "." matches: one character that ends no line.
	dot = `[^\n\r\x{85}\x{2028}\x{2029}]`
)

// checkRegex refuses what RE2 cannot do, and what it would take in another
// sense than the Java regexes that patterns were written for.
func checkRegex(expr string) error {
	if len(expr) > maxRegexBytes {
		return fmt.Errorf("%d bytes long, at most %d are allowed", len(expr), maxRegexBytes)
	}
	if err := checkJavaism(expr); err != nil {
		return err
	}
	// On its own, so that no parenthesis pairs with one from outside.
	_, err := syntax.Parse(expr, syntax.Perl)
	return regexError(err)
}

func regexError(err error) error {
	var bad *syntax.Error
	if !errors.As(err, &bad) {
		return err
	}
	if bad.Code == syntax.ErrTrailingBackslash {
		return fmt.Errorf(`%s: the variable ends at the first "}" that can be its end, write \x7B and \x7D for braces in the regex`, bad.Code)
	}
	return fmt.Errorf("%s: `%s` (RE2 syntax: no look-around, back-references or possessive quantifiers)", bad.Code, bad.Expr)
}

// checkJavaism finds what both Java and RE2 accept but read differently, or
// what Java refuses and RE2 takes as plain text.
func checkJavaism(expr string) error {
	class := false // inside […]
	first := 0     // where a "]" would be an ordinary character of the class
	for i := 0; i < len(expr); i++ {
		rest := expr[i:]
		switch {
		case rest[0] == '\\':
			i += escapeLen(rest, class) - 1
		case class && rest[0] == '[':
			return errors.New(`"[" inside a character class: Java joins the two classes, RE2 does not; write \[ for the character, or one class`)
		case class && strings.HasPrefix(rest, "&&"):
			return errors.New(`"&&" inside a character class: Java intersects there, RE2 does not; spell the class out`)
		case class:
			class = rest[0] != ']' || i == first
		case rest[0] == '[':
			class, first = true, i+1
			if strings.HasPrefix(rest, "[^") {
				i, first = i+1, i+2
			}
		case strings.HasPrefix(rest, "(?") && strings.Contains(flags(rest[2:]), "U"):
			return errors.New(`the flag "U" means Unicode classes in Java and lazy matching in RE2: leave it out`)
		case rest[0] == '{':
			n := repeatLen(rest)
			if n == 0 {
				return errNoRepeat
			}
			i += n - 1
		}
	}
	return nil
}

// escapeLen is the length of the escape at the start of s.
func escapeLen(s string, class bool) int {
	switch {
	case len(s) < 2:
		return 1
	case s[1] == 'Q' && !class:
		if end := strings.Index(s, `\E`); end >= 0 {
			return end + 2
		}
		return len(s)
	case len(s) > 2 && s[2] == '{' && strings.IndexByte("pPx", s[1]) >= 0:
		if end := strings.IndexByte(s, '}'); end >= 0 {
			return end + 1
		}
		return len(s)
	}
	return 2
}

func flags(s string) string {
	i := 0
	for i < len(s) && (s[i] >= 'a' && s[i] <= 'z' || s[i] >= 'A' && s[i] <= 'Z') {
		i++
	}
	if i < len(s) && (s[i] == ')' || s[i] == ':' || s[i] == '-') {
		return s[:i]
	}
	return ""
}

// repeatLen is the length of the {n}, {n,} or {n,m} at the start of s, or 0.
func repeatLen(s string) int {
	digits := func(i int) int {
		for i < len(s) && s[i] >= '0' && s[i] <= '9' {
			i++
		}
		return i
	}
	i := digits(1)
	if i == 1 {
		return 0
	}
	if i < len(s) && s[i] == ',' {
		i = digits(i + 1)
	}
	if i < len(s) && s[i] == '}' {
		return i + 1
	}
	return 0
}

// joinRegex makes one anchored expression of a segment and notes which group
// each variable is. A regex may have groups of its own: Spring matches with
// them and throws only when it extracts variables; here they just count.
func joinRegex(parts []part) (*regexp.Regexp, []variable, error) {
	var b strings.Builder
	var variables []variable
	group := 1
	b.WriteString(`\A`)
	for _, p := range parts {
		switch p.kind {
		case partText:
			b.WriteString(regexp.QuoteMeta(p.text))
		case partOne:
			b.WriteString(dot)
		case partStar:
			b.WriteString(dot + "*")
		case partVariable:
			b.WriteString("(" + dot + "*)")
			variables = append(variables, variable{p.name, group})
			group++
		case partRegex:
			tree, err := syntax.Parse(p.text, syntax.Perl)
			if err != nil {
				return nil, nil, regexError(err)
			}
			groups := tree.MaxCap()
			dotsAsJava(tree)
			b.WriteString("(" + tree.String() + ")")
			variables = append(variables, variable{p.name, group})
			group += 1 + groups
		}
	}
	b.WriteString(`\z`)
	re, err := compileBounded(b.String())
	return re, variables, err
}

// dotsAsJava makes a "." stop at all that ends a line in Java; RE2 knows only \n.
func dotsAsJava(tree *syntax.Regexp) {
	if tree.Op == syntax.OpAnyCharNotNL {
		tree.Op = syntax.OpCharClass
		tree.Rune = []rune{0, '\n' - 1, '\n' + 1, '\r' - 1, '\r' + 1, 0x84, 0x86, 0x2027, 0x202a, unicode.MaxRune}
	}
	for _, sub := range tree.Sub {
		dotsAsJava(sub)
	}
}

func compileBounded(expr string) (*regexp.Regexp, error) {
	tree, err := syntax.Parse(expr, syntax.Perl)
	if err != nil {
		return nil, regexError(err)
	}
	program, err := syntax.Compile(tree.Simplify())
	if err != nil {
		return nil, err
	}
	if n := len(program.Inst); n > maxRegexSize {
		return nil, fmt.Errorf("a segment's regexes compile to %d instructions, at most %d are allowed: use smaller repetitions", n, maxRegexSize)
	}
	return regexp.Compile(expr)
}
