package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// Environment variables of the commands that talk to a node.
const (
	envAdminURL  = "TOLLGATE_ADMIN_URL"
	envToken     = "TOLLGATE_TOKEN"
	envTokenFile = "TOLLGATE_TOKEN_FILE"
)

const (
	defaultAdminURL = "http://127.0.0.1:9001"
	// defaultCallTimeout leaves a join, which may take 30 s, its time.
	defaultCallTimeout = 40 * time.Second
	// maxTokenBytes bounds a token file: a bigger one is the wrong file.
	maxTokenBytes = 4 << 10
)

// clientFlags are the flags of every command that talks to a node.
type clientFlags struct {
	adminURL, token, tokenFile string
	timeout                    time.Duration
	json                       bool
}

func (f *clientFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.adminURL, "admin-url", "", "admin `URL` of a node, or several with commas between, tried in turn (env "+envAdminURL+", default "+defaultAdminURL+")")
	flags.StringVar(&f.token, "token", "", "the cluster's `TOKEN`; others on this machine can see it, --token-file is safer (env "+envToken+")")
	flags.StringVar(&f.tokenFile, "token-file", "", "`FILE` that holds the cluster's token (env "+envTokenFile+")")
	flags.DurationVar(&f.timeout, "timeout", defaultCallTimeout, "how long to wait for a node's answer")
	flags.BoolVar(&f.json, "json", false, "print the node's JSON answer, for scripts")
}

// client makes the client that flags and environment ask for.
func (a *app) client(f *clientFlags) (*client, error) {
	urls, err := a.adminURLs(f)
	if err != nil {
		return nil, err
	}
	token, err := a.clientToken(f)
	if err != nil {
		return nil, err
	}
	if f.timeout <= 0 {
		return nil, usagef("--timeout %v: must be more than 0", f.timeout)
	}
	return &client{urls: urls, token: token, http: &http.Client{
		Timeout: f.timeout,
		// A redirect is not of our making, and would be shown the token.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

func (a *app) adminURLs(f *clientFlags) ([]string, error) {
	name, value := "--admin-url", f.adminURL
	if value == "" {
		name, value = envAdminURL, a.env[envAdminURL]
	}
	if value == "" {
		return []string{defaultAdminURL}, nil
	}
	var urls []string
	for part := range strings.SplitSeq(value, ",") {
		part = strings.TrimSpace(part)
		u, err := url.Parse(part)
		if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
			return nil, usagef("%s: %q must be an http or https URL such as %s", name, part, defaultAdminURL)
		}
		urls = append(urls, strings.TrimRight(part, "/"))
	}
	return urls, nil
}

// clientToken takes the token from the flags or else the environment.
func (a *app) clientToken(f *clientFlags) (string, error) {
	switch {
	case f.token != "" && f.tokenFile != "":
		return "", usagef("--token and --token-file: give only one of them")
	case f.token != "":
		return checkToken("--token", f.token)
	case f.tokenFile != "":
		return readToken("--token-file", f.tokenFile)
	case a.env[envToken] != "" && a.env[envTokenFile] != "":
		return "", usagef("%s and %s: set only one of them", envToken, envTokenFile)
	case a.env[envToken] != "":
		return checkToken(envToken, a.env[envToken])
	case a.env[envTokenFile] != "":
		return readToken(envTokenFile, a.env[envTokenFile])
	}
	return "", nil
}

// readToken reads a token file; setting is what named it.
func readToken(setting, file string) (string, error) {
	f, err := os.Open(file)
	if err != nil {
		return "", usagef("%s: %w", setting, err)
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, maxTokenBytes+1))
	if err == nil && len(raw) > maxTokenBytes {
		err = fmt.Errorf("is larger than %d bytes: is it the right file?", maxTokenBytes)
	}
	if err == nil && strings.TrimSpace(string(raw)) == "" {
		err = errors.New("is empty")
	}
	if err != nil {
		return "", usagef("%s %s: %w", setting, file, err)
	}
	return checkToken(setting+" "+file, strings.TrimSpace(string(raw)))
}

// checkToken refuses what no HTTP header can carry.
func checkToken(setting, token string) (string, error) {
	for _, c := range []byte(token) {
		if c <= ' ' || c > '~' {
			return "", usagef("%s: a token is one line of ASCII letters, digits and signs, without spaces", setting)
		}
	}
	return token, nil
}
