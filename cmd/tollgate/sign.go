package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tollgate/tollgate/cmd/internal/cli"
	"github.com/tollgate/tollgate/proxy/hmacsign"
)

// signedCall is the answer of `tollgate sign --json`.
type signedCall struct {
	Method string `json:"method"`
	// Target is the request target that is signed: path and query exactly as
	// they must be on the request line.
	Target        string `json:"target"`
	Timestamp     string `json:"timestamp"`
	StringToSign  string `json:"stringToSign"`
	Authorization string `json:"authorization"`
	// Curl is empty where the URL named no host.
	Curl string `json:"curl"`
}

func (a *app) signCommand() *cobra.Command {
	var secret cli.SecretKeyFlags
	var timestamp string
	var curl, asJSON bool
	cmd := &cobra.Command{
		Use:   "sign METHOD URL|TARGET",
		Short: "Print the headers that a call of a domain with HMAC needs",
		Long: "Print the headers that a call of a domain with the plugin HMAC needs. URL is where the call goes, or only\n" +
			"its path and query, with the domain's key: /shop/items?page=2. Path and query are signed as they stand\n" +
			"here; the client must send them byte for byte.",
		Example: "  tollgate sign --secret-key-file key --curl GET 'http://127.0.0.1:8001/shop/items?page=2' | sh",
		Args:    cli.Takes("METHOD", "URL|TARGET"),
		RunE: func(_ *cobra.Command, args []string) error {
			if curl && asJSON {
				return cli.Usagef("--curl and --json: give only one of them; the JSON has the curl command in it")
			}
			call, err := a.sign(&secret, args[0], args[1], timestamp)
			if err != nil {
				return err
			}
			switch {
			case asJSON:
				b, err := json.Marshal(call)
				if err != nil {
					return err
				}
				return a.Print(cli.Line(b))
			case curl && call.Curl == "":
				return cli.Usagef("--curl needs the whole URL, with http:// or https:// and the host")
			case curl:
				return a.Print([]byte(call.Curl + "\n"))
			}
			return a.Print(fmt.Appendf(nil, "%s: %s\n%s: %s\n",
				hmacsign.TimestampField, call.Timestamp, hmacsign.AuthorizationField, call.Authorization))
		},
	}
	secret.Add(cmd)
	flags := cmd.Flags()
	flags.StringVar(&timestamp, "timestamp", "", "`TIME` of the call, such as 2016-07-23T12:20:02+09:00 (default now)")
	flags.BoolVar(&curl, "curl", false, "print a curl command that makes the call instead")
	flags.BoolVar(&asJSON, "json", false, "print JSON, for scripts")
	return cmd
}

// sign signs a call; an empty timestamp is now.
func (a *app) sign(secret *cli.SecretKeyFlags, method, address, timestamp string) (*signedCall, error) {
	target, host, err := cli.SplitAddress(address)
	if err != nil {
		return nil, err
	}
	if err := cli.CheckCall(method, target); err != nil {
		return nil, err
	}
	if timestamp == "" {
		timestamp = time.Now().UTC().Format(time.RFC3339)
	}
	if _, ok := hmacsign.ParseTimestamp([]byte(timestamp)); !ok {
		return nil, cli.Usagef("--timestamp %q: must be of the form 2016-07-23T12:20:02+09:00, +0900 or Z", timestamp)
	}
	key, err := a.SecretKey(secret)
	if err != nil {
		return nil, err
	}
	call := &signedCall{
		Method: method, Target: target, Timestamp: timestamp,
		StringToSign:  hmacsign.StringToSign(method, target, timestamp),
		Authorization: hmacsign.Sign(key, method, target, timestamp),
	}
	if host {
		call.Curl = curlLine(call, address)
	}
	return call, nil
}

// curlLine is a command for a POSIX shell. curl is kept from changing what is
// signed: it would resolve dots and take brackets for patterns.
func curlLine(call *signedCall, address string) string {
	words := []string{"curl", "--globoff", "--path-as-is"}
	switch call.Method {
	case "GET":
	case "HEAD": // with --request HEAD it would wait for a body
		words = append(words, "--head")
	default:
		words = append(words, "--request", call.Method)
	}
	for _, field := range [][2]string{{hmacsign.TimestampField, call.Timestamp}, {hmacsign.AuthorizationField, call.Authorization}} {
		words = append(words, "--header", cli.ShellQuote(field[0]+": "+field[1]))
	}
	return strings.Join(append(words, cli.ShellQuote(address)), " ")
}
