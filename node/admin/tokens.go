package admin

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"regexp"
	"strings"
)

const (
	// MinTokenLength is what keeps a token from being guessed.
	MinTokenLength = 32
	// maxTokens bounds a token file: every call is compared with all of them.
	maxTokens = 1000
)

// Role is what the bearer of a token may do.
type Role string

// The roles. RoleAdmin may do what RoleDeploy may, that what RoleRead may, and
// that what RoleMetrics may.
const (
	RoleMetrics Role = "metrics" // GET /metrics
	RoleRead    Role = "read"    // what only reads, without secrets
	RoleDeploy  Role = "deploy"  // import, deploy, clone
	RoleAdmin   Role = "admin"   // everything
)

// roles are all of them, the least first.
var roles = []Role{RoleMetrics, RoleRead, RoleDeploy, RoleAdmin}

// allows tells whether a bearer of r may do what needs the role needed.
func (r Role) allows(needed Role) bool { return r.rank() >= needed.rank() }

func (r Role) rank() int {
	for i, known := range roles {
		if r == known {
			return i
		}
	}
	return -1
}

// Caller is who a token belongs to.
type Caller struct {
	Role Role
	Name string
}

// Tokens are the tokens that a node lets in. They do not change.
type Tokens struct{ list []tokenOf }

type tokenOf struct {
	sum    [sha256.Size]byte
	caller Caller
}

// Len is how many tokens there are.
func (t *Tokens) Len() int { return len(t.list) }

// find is whose token it is. It compares the sums of all tokens, so that the
// time it takes tells nothing of any.
func (t *Tokens) find(token string) (Caller, bool) {
	sum := sha256.Sum256([]byte(token))
	at := -1
	for i := range t.list {
		if subtle.ConstantTimeCompare(sum[:], t.list[i].sum[:]) == 1 {
			at = i
		}
	}
	if at < 0 {
		return Caller{}, false
	}
	return t.list[at].caller, true
}

var namePattern = regexp.MustCompile(`^[A-Za-z0-9._@-]{1,64}$`)

// ParseTokens reads a token file: a line "ROLE NAME TOKEN" each, with blank
// lines and lines that begin with # between. It reports everything that is
// wrong, a line each, and no token in it.
func ParseTokens(text string) (*Tokens, error) {
	t := &Tokens{}
	var errs []error
	lineOf := map[[sha256.Size]byte]int{}
	for i, line := range strings.Split(text, "\n") {
		bad := func(format string, args ...any) {
			errs = append(errs, fmt.Errorf("line %d: %s", i+1, fmt.Sprintf(format, args...)))
		}
		words := strings.Fields(line)
		if len(words) == 0 || strings.HasPrefix(words[0], "#") {
			continue
		}
		if len(words) != 3 {
			bad("must be ROLE NAME TOKEN, three words, has %d", len(words))
			continue
		}
		role, name, token := Role(words[0]), words[1], words[2]
		sum := sha256.Sum256([]byte(token))
		switch first := lineOf[sum]; {
		case role.rank() < 0:
			bad("there is no role %q: must be read, deploy, admin or metrics", printable(words[0]))
		case !namePattern.MatchString(name):
			bad("the name %q must be 1 to 64 of A-Z a-z 0-9 . _ @ -", printable(name))
		case len(token) < MinTokenLength:
			bad("the token of %s has %d characters, must have at least %d; `openssl rand -hex 32` makes one", name, len(token), MinTokenLength)
		case !printableASCII(token):
			bad("the token of %s must be of ASCII letters, digits and signs", name)
		case first != 0:
			bad("the token of %s is the same as in line %d: each needs one of its own", name, first)
		case len(t.list) == maxTokens:
			bad("more than %d tokens", maxTokens)
			return nil, errors.Join(errs...)
		default:
			t.list = append(t.list, tokenOf{sum, Caller{role, name}})
		}
		if lineOf[sum] == 0 {
			lineOf[sum] = i + 1
		}
	}
	if errs == nil && len(t.list) == 0 {
		errs = append(errs, errors.New("has no token: nobody could call"))
	}
	if errs != nil {
		return nil, errors.Join(errs...)
	}
	return t, nil
}

func printableASCII(s string) bool {
	for _, c := range []byte(s) {
		if c <= ' ' || c > '~' {
			return false
		}
	}
	return true
}
