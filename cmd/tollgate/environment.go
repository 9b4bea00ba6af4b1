package main

import (
	"regexp"
	"slices"
	"strings"

	"github.com/tollgate/tollgate/cmd/internal/cli"
	"github.com/tollgate/tollgate/node"
)

// clientVariables are the environment variables that are none of a node's
// settings.
var clientVariables = []string{envAdminURL, envToken, envTokenFile, cli.EnvSecretKey, cli.EnvSecretKeyFile}

// serviceVariable matches what Kubernetes tells the containers of a pod of a
// service that is called tollgate, or tollgate- and something.
var serviceVariable = regexp.MustCompile(`^TOLLGATE_([A-Z0-9_]+_)?(SERVICE_(HOST|PORT)(_[A-Z0-9_]+)?|PORT(_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)$`)

// nodeVariables are the environment variables that a node reads.
func nodeVariables() []string {
	names := []string{node.EnvPrefix + strings.ToUpper(flagConfig), envClusterKey}
	for _, s := range node.Settings {
		names = append(names, s.Env())
	}
	return names
}

// unknownVariables are the variables that look like settings and are none.
func unknownVariables(env map[string]string) []string {
	known := append(nodeVariables(), clientVariables...)
	var unknown []string
	for name := range env {
		if strings.HasPrefix(name, node.EnvPrefix) && !slices.Contains(known, name) && !serviceVariable.MatchString(name) {
			unknown = append(unknown, name)
		}
	}
	slices.Sort(unknown)
	return unknown
}

// warnOfEnvironment names what stands in the environment and does nothing
// there: a misspelt setting must not quietly keep its default.
func (a *app) warnOfEnvironment(cfg node.Config) {
	for _, name := range unknownVariables(a.Env) {
		cfg.Logger.Warn("nothing reads this environment variable", "variable", name, "didYouMean", cli.Closest(name, append(nodeVariables(), clientVariables...)))
	}
	if cfg.ClusterKey != "" || cfg.AdminTokenFile != "" {
		return
	}
	for _, name := range []string{envToken, envTokenFile} {
		if a.Env[name] != "" {
			cfg.Logger.Warn("this environment variable is for the commands that call a node; the node itself has no secret, and everybody on this machine is its administrator",
				"variable", name, "didYouMean", envClusterKey+" and "+node.EnvPrefix+"ADMIN_TOKEN_FILE")
		}
	}
}
