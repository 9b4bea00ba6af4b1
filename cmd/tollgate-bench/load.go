package main

import (
	"net"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tollgate/tollgate/bench"
	"github.com/tollgate/tollgate/bench/rig"
	"github.com/tollgate/tollgate/cmd/internal/cli"
)

// Defaults of `tollgate-bench load`.
const (
	defaultLoadDuration = 10 * time.Second
	defaultLoadTimeout  = 10 * time.Second
)

// loadFlags are the flags of `tollgate-bench load`.
type loadFlags struct {
	own            bench.Own
	headers        []string
	body, bodyFile string
	bodySize       int
	hmac, jwt      bool
	secret         cli.SecretKeyFlags
	json           bool
}

func (a *app) loadCommand() *cobra.Command {
	var f loadFlags
	cmd := &cobra.Command{
		Use:   "load URL [URL...]",
		Short: "Load a gateway of your own",
		Long: "Load a gateway that runs already, over plain HTTP: URL is what to call, one for each node. With --rate calls\n" +
			"are made at that rate, and latency counts from the time that a call was due, so that a stall does not hide\n" +
			"the calls that it held up; without, each connection calls again once it is answered.\n\n" +
			"With --limit and --window the answers are judged as those of one quota, which must be unused before:\n" +
			"whether more calls were admitted than it allows, and whether any after a refusal.",
		Example: "  tollgate-bench load --rate 2000 http://127.0.0.1:8001/shop/items/1 http://127.0.0.1:8002/shop/items/1\n" +
			"  tollgate-bench load --hmac --secret-key-file key --limit 1000 --window 1h http://127.0.0.1:8001/shop/items/1",
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := a.ownLoad(&f, args); err != nil {
				return err
			}
			v := readVersion()
			f.own.Commit, f.own.Command = rig.Revision(v.Version, v.Commit), commandLine(cmd)
			f.own.Progress, f.own.Terminal = a.Stderr, isTerminal(a.Stderr)
			run, err := f.own.Run(cmd.Context())
			if err != nil {
				return interrupted(cmd.Context(), err)
			}
			if err := a.printRun(run, f.json); err != nil {
				return err
			}
			return failure(run)
		},
	}
	flags := cmd.Flags()
	flags.Float64Var(&f.own.Rate, "rate", 0, "calls a second of an open loop; 0 is a closed one")
	flags.IntVar(&f.own.Connections, "connections", bench.DefaultConnections, "how many calls may be under way at once, over as many connections")
	flags.DurationVar(&f.own.Duration, "duration", defaultLoadDuration, "how long is measured")
	flags.DurationVar(&f.own.Warmup, "warmup", bench.DefaultWarmup, "how long the load lasts before it is measured")
	flags.DurationVar(&f.own.Timeout, "timeout", defaultLoadTimeout, "how long to wait for an answer")
	flags.StringVar(&f.own.Method, "method", "GET", "method of the calls")
	flags.StringArrayVarP(&f.headers, "header", "H", nil, "another header field, `'NAME: VALUE'`; may be given many times")
	flags.StringVar(&f.body, "body", "", "`TEXT` to send as the body")
	flags.StringVar(&f.bodyFile, "body-file", "", "`FILE` to send as the body")
	flags.IntVar(&f.bodySize, "body-size", 0, "send so many `BYTES` of anything as the body")
	flags.BoolVar(&f.hmac, "hmac", false, "sign the calls for a domain with HMAC, by the domain's secret key")
	flags.BoolVar(&f.jwt, "jwt", false, "send a token for a domain with JWT, made by the domain's secret key")
	f.secret.Add(cmd)
	flags.StringVar(&f.own.Issuer, "issuer", "", "the token's claim iss; the domain's issuer, where it has one")
	flags.Uint64Var(&f.own.Limit, "limit", 0, "judge by a quota of so many `CALLS`")
	flags.DurationVar(&f.own.Window, "window", 0, "the time in which they are allowed, the quota's resetTimeSeconds")
	flags.BoolVar(&f.json, "json", false, "print JSON, for scripts")
	return cmd
}

// ownLoad fills in what the flags and arguments mean, and refuses what makes no
// sense before anything is called.
func (a *app) ownLoad(f *loadFlags, args []string) (err error) {
	f.own.Nodes = nil
	for _, arg := range args {
		node, err := ownNode(f.own.Method, arg)
		if err != nil {
			return err
		}
		f.own.Nodes = append(f.own.Nodes, node)
	}
	if f.own.Header, err = readHeaders(f.headers); err != nil {
		return err
	}
	if f.own.Body, err = f.readBody(); err != nil {
		return err
	}
	switch {
	case f.hmac && f.jwt:
		return cli.Usagef("--hmac and --jwt: give only one of them")
	case f.hmac:
		f.own.Auth = bench.HMAC
	case f.jwt:
		f.own.Auth = bench.JWT
	case f.secret.Key != "" || f.secret.File != "":
		return cli.Usagef("a secret key says nothing without --hmac or --jwt")
	}
	if f.own.Auth != bench.Plain {
		if f.own.Secret, err = a.SecretKey(&f.secret); err != nil {
			return err
		}
	}
	if err := f.own.Validate(); err != nil {
		return &cli.UsageError{Err: err}
	}
	return nil
}

// ownNode reads one URL.
func ownNode(method, address string) (bench.OwnNode, error) {
	target, whole, err := cli.SplitAddress(address)
	if err != nil {
		return bench.OwnNode{}, err
	}
	u, err := url.Parse(address)
	if err != nil || !whole || u.Scheme != "http" {
		return bench.OwnNode{}, cli.Usagef("%q must be an http URL with a host, such as http://127.0.0.1:8001/shop/items", address)
	}
	if err := cli.CheckCall(method, target); err != nil {
		return bench.OwnNode{}, err
	}
	port := u.Port()
	if port == "" {
		port = "80"
	}
	return bench.OwnNode{Address: net.JoinHostPort(u.Hostname(), port), URI: target}, nil
}

// readHeaders reads NAME: VALUE.
func readHeaders(list []string) (fields [][2]string, err error) {
	for _, text := range list {
		name, value, ok := strings.Cut(text, ":")
		if !ok || name == "" || strings.ContainsAny(text, "\r\n") || strings.ContainsAny(name, " \t") {
			return nil, cli.Usagef("--header %q: must be 'NAME: VALUE', on one line", text)
		}
		fields = append(fields, [2]string{name, strings.TrimSpace(value)})
	}
	return fields, nil
}

// readBody is the body that one of three flags gives.
func (f *loadFlags) readBody() ([]byte, error) {
	given := 0
	for _, is := range []bool{f.body != "", f.bodyFile != "", f.bodySize != 0} {
		if is {
			given++
		}
	}
	switch {
	case given > 1:
		return nil, cli.Usagef("--body, --body-file and --body-size: give only one of them")
	case f.bodySize < 0 || f.bodySize > bench.MostBody:
		return nil, cli.Usagef("--body-size %d: must be 0 to %d", f.bodySize, bench.MostBody)
	case f.bodySize > 0:
		return bench.Payload(f.bodySize), nil
	case f.bodyFile != "":
		body, err := os.ReadFile(f.bodyFile)
		if err != nil {
			return nil, cli.Usagef("--body-file: %w", err)
		}
		return body, nil
	}
	return []byte(f.body), nil
}
