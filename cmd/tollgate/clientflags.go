package main

import (
	"cmp"
	"crypto/tls"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tollgate/tollgate/cmd/internal/cli"
	"github.com/tollgate/tollgate/node"
	"github.com/tollgate/tollgate/node/admin/api"
)

// Environment variables of the commands that talk to a node.
const (
	envAdminURL       = "TOLLGATE_ADMIN_URL"
	envAdminCA        = "TOLLGATE_ADMIN_CA"
	envToken          = "TOLLGATE_TOKEN"
	envTokenFile      = "TOLLGATE_TOKEN_FILE"
	envClusterKey     = node.EnvClusterKey
	envClusterKeyFile = "TOLLGATE_CLUSTER_KEY_FILE"
)

const (
	defaultAdminURL = "127.0.0.1:9001"
	exampleAdminURL = "https://127.0.0.1:9001"
	// defaultCallTimeout leaves a join, which may take 30 s, its time.
	defaultCallTimeout = 40 * time.Second
)

// nodeFlags are the flags of every command that connects to a node.
type nodeFlags struct {
	adminURL, adminCA, keyFile string
	timeout                    time.Duration
}

func (f *nodeFlags) add(cmd *cobra.Command, timeout time.Duration) {
	flags := cmd.Flags()
	flags.StringVar(&f.adminURL, "admin-url", "", "admin `URL` of a node, or several with commas between, tried in turn (env "+envAdminURL+", default "+defaultAdminURL+")")
	flags.StringVar(&f.adminCA, node.AdminCA, "", "`FILE` of the certificates to trust (PEM; `tollgate ca` prints the cluster's) (env "+envAdminCA+")")
	addKeyFile(cmd, &f.keyFile)
	flags.DurationVar(&f.timeout, "timeout", timeout, "how long to wait for a node's answer")
}

func addKeyFile(cmd *cobra.Command, into *string) {
	cmd.Flags().StringVar(into, node.ClusterKeyFile, "", "`FILE` that holds the cluster's key: nodes are then known by it (env "+envClusterKeyFile+" or "+envClusterKey+")")
}

// clientFlags are the flags of every command that calls a node's admin API.
type clientFlags struct {
	nodeFlags
	token, tokenFile string
	json             bool
}

func (f *clientFlags) add(cmd *cobra.Command) {
	f.nodeFlags.add(cmd, defaultCallTimeout)
	flags := cmd.Flags()
	flags.StringVar(&f.token, "token", "", "the `TOKEN` to call with; others on this machine can see it, --token-file is safer (env "+envToken+")")
	flags.StringVar(&f.tokenFile, "token-file", "", "`FILE` that holds the token to call with (env "+envTokenFile+")")
	flags.BoolVar(&f.json, cli.FlagJSON, false, "print the node's JSON answer, for scripts")
}

// client makes the client that flags and environment ask for.
func (a *app) client(f *clientFlags) (*client, error) {
	c, err := a.connection(&f.nodeFlags, false)
	if err != nil {
		return nil, err
	}
	if c.token, err = a.secretOf("--token", f.token, "--token-file", f.tokenFile, envToken, envTokenFile); err != nil {
		return nil, err
	}
	for _, base := range c.urls {
		if address, plain := strings.CutPrefix(base, "http://"); c.token != "" && plain && !loopbackURL(base) {
			return nil, cli.Usagef("--admin-url %s: a token is not sent to another machine over plain HTTP, where everybody on the way could read it; say https://%s", base, address)
		}
	}
	return c, nil
}

// connection makes a client without a token. With lax, a node on this machine
// is not asked to prove who it is: to derive the cluster's certificate for each
// health check would cost more than the node takes.
func (a *app) connection(f *nodeFlags, lax bool) (*client, error) {
	key, err := a.secretOf("", "", "--"+node.ClusterKeyFile, f.keyFile, envClusterKey, envClusterKeyFile)
	if err != nil {
		return nil, err
	}
	ca := cmp.Or(f.adminCA, a.Env[envAdminCA])
	urls, err := a.adminURLs(f, key != "" || ca != "")
	if err != nil {
		return nil, err
	}
	if f.timeout <= 0 {
		return nil, cli.Usagef("--timeout %v: must be more than 0", f.timeout)
	}
	trust := &tls.Config{InsecureSkipVerify: true}
	if slices.ContainsFunc(urls, func(u string) bool { return strings.HasPrefix(u, "https:") && !(lax && loopbackURL(u)) }) {
		if trust, err = node.AdminTrust(ca, key); err != nil {
			return nil, &cli.UsageError{Err: err}
		}
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = trust
	return &client{urls: urls, http: &http.Client{
		Timeout: f.timeout, Transport: transport,
		CheckRedirect: api.NoRedirect,
	}}, nil
}

// adminURLs reads the list of admin URLs. One without a scheme is https where
// there is something to know the node by, or where it is on another machine.
func (a *app) adminURLs(f *nodeFlags, trusts bool) ([]string, error) {
	name, value := "--admin-url", f.adminURL
	if value == "" {
		name, value = envAdminURL, a.Env[envAdminURL]
	}
	if value == "" {
		value = defaultAdminURL
	}
	var urls []string
	for part := range strings.SplitSeq(value, ",") {
		part = strings.TrimSpace(part)
		whole := part
		if part != "" && !strings.Contains(part, "://") {
			whole = "https://" + part
			if !trusts && loopbackURL(whole) {
				whole = "http://" + part
			}
		}
		u, err := url.Parse(whole)
		if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
			return nil, cli.Usagef("%s: %q must be HOST:PORT, or an http or https URL such as %s", name, part, exampleAdminURL)
		}
		urls = append(urls, strings.TrimRight(whole, "/"))
	}
	return urls, nil
}

// loopbackURL tells whether a URL leads to this machine for sure.
func loopbackURL(address string) bool {
	u, err := url.Parse(address)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(u.Hostname())
	return strings.EqualFold(u.Hostname(), "localhost") || err == nil && ip.Unmap().IsLoopback()
}
