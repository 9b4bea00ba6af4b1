package main

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tollgate/tollgate/cmd/internal/cli"
	"github.com/tollgate/tollgate/proxy/jwtauth"
)

// defaultTokenTTL is long enough to try something, and no longer.
const defaultTokenTTL = time.Hour

// issuedToken is the answer of `tollgate token --json`.
type issuedToken struct {
	Token string `json:"token"`
	// ExpiresAt is exp in RFC 3339.
	ExpiresAt string `json:"expiresAt"`
}

func (a *app) tokenCommand() *cobra.Command {
	var secret cli.SecretKeyFlags
	var issuer string
	var ttl time.Duration
	var claims []string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "token",
		Short: "Make a JWT for trying out a domain with JWT",
		Long: "Make a JWT for trying out a domain with the plugin JWT: HS256, with iat and exp. In earnest tokens come\n" +
			"from whoever knows the client.",
		Example: "  curl -H \"Authorization: $(tollgate token --secret-key-file key --issuer me --claim sub=7)\" http://127.0.0.1:8001/shop/items",
		Args:    cli.Takes(),
		RunE: func(*cobra.Command, []string) error {
			extra, err := readClaims(claims)
			if err != nil {
				return err
			}
			if ttl > -time.Second && ttl < time.Second { // tokens count in seconds
				return cli.Usagef("--ttl %v: must be at least 1s, or at most -1s for a token that has expired", ttl)
			}
			key, err := a.SecretKey(&secret)
			if err != nil {
				return err
			}
			now := time.Now()
			token, err := jwtauth.Issue(key, issuer, ttl, now, extra)
			if err != nil {
				return err
			}
			if !asJSON {
				return a.Print([]byte(token + "\n"))
			}
			b, err := json.Marshal(issuedToken{token, now.Add(ttl).UTC().Format(time.RFC3339)})
			if err != nil {
				return err
			}
			return a.Print(cli.Line(b))
		},
	}
	secret.Add(cmd)
	flags := cmd.Flags()
	flags.StringVar(&issuer, "issuer", "", "the claim iss; the domain's issuer, where it has one")
	flags.DurationVar(&ttl, "ttl", defaultTokenTTL, "how long the token is good; -1s makes one that has expired")
	flags.StringArrayVar(&claims, "claim", nil, "another claim, `NAME=TEXT`, or NAME:=JSON for anything but text; may be given many times")
	flags.BoolVar(&asJSON, "json", false, "print JSON, for scripts")
	return cmd
}

// setByFlags says what sets the claims that --claim may not.
var setByFlags = map[string]string{
	"exp": "--ttl sets it",
	"iat": "it is the present",
	"iss": "--issuer sets it",
}

// readClaims reads NAME=TEXT and NAME:=JSON.
func readClaims(args []string) (map[string]any, error) {
	claims := make(map[string]any, len(args))
	for _, arg := range args {
		name, text, ok := strings.Cut(arg, "=")
		name, isJSON := strings.CutSuffix(name, ":")
		if !ok || name == "" {
			return nil, cli.Usagef("--claim %q: must be NAME=TEXT or NAME:=JSON", arg)
		}
		if by, taken := setByFlags[name]; taken {
			return nil, cli.Usagef("--claim %s: %s", name, by)
		}
		if _, twice := claims[name]; twice {
			return nil, cli.Usagef("--claim %s is given twice", cli.Cell(name))
		}
		claims[name] = text
		if isJSON {
			if !json.Valid([]byte(text)) {
				return nil, cli.Usagef("--claim %s: %s is not JSON; %s=%s would be text", cli.Cell(name), cli.Cell(text), cli.Cell(name), cli.Cell(text))
			}
			claims[name] = json.RawMessage(text)
		}
	}
	return claims, nil
}
