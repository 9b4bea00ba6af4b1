package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tollgate/tollgate/node"
)

// Environment variables of the commands that sign for a client.
const (
	EnvSecretKey     = "TOLLGATE_SECRET_KEY"
	EnvSecretKeyFile = "TOLLGATE_SECRET_KEY_FILE"
)

// maxSecretKeyBytes is the longest secretKey that a domain can have.
const maxSecretKeyBytes = 4096

// SecretKeyFlags say where a command finds the secretKey of a domain's HMAC or JWT
// plugin.
type SecretKeyFlags struct{ Key, File string }

// Add adds them to a command.
func (f *SecretKeyFlags) Add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.Key, "secret-key", "", "the domain's secret `KEY`; others on this machine can see it and shells remember it, --secret-key-file is safer (env "+EnvSecretKey+")")
	flags.StringVar(&f.File, "secret-key-file", "", "`FILE` that holds the domain's secret key; a line end behind it does not count (env "+EnvSecretKeyFile+")")
}

// SecretKey takes the secret key from the flags or else the environment.
func (p *Process) SecretKey(f *SecretKeyFlags) (string, error) {
	switch {
	case f.Key != "" && f.File != "":
		return "", Usagef("--secret-key and --secret-key-file: give only one of them")
	case f.Key != "":
		return checkSecretKey("--secret-key", f.Key)
	case f.File != "":
		return readSecretKey("--secret-key-file", f.File)
	case p.Env[EnvSecretKey] != "" && p.Env[EnvSecretKeyFile] != "":
		return "", Usagef("%s and %s: set only one of them", EnvSecretKey, EnvSecretKeyFile)
	case p.Env[EnvSecretKey] != "":
		return checkSecretKey(EnvSecretKey, p.Env[EnvSecretKey])
	case p.Env[EnvSecretKeyFile] != "":
		return readSecretKey(EnvSecretKeyFile, p.Env[EnvSecretKeyFile])
	}
	return "", Usagef("the domain's secret key is missing: --secret-key-file or %s gives it", EnvSecretKey)
}

// readSecretKey reads a secret key file; setting is what named it. A key may
// have spaces at its ends; the one line end that editors add is not of it.
func readSecretKey(setting, file string) (string, error) {
	raw, err := node.ReadSecretFile(file, maxSecretKeyBytes+int64(len("\r\n")))
	if err != nil {
		return "", Usagef("%s %w", setting, err)
	}
	key := string(raw)
	if Line, ended := strings.CutSuffix(key, "\n"); ended {
		key = strings.TrimSuffix(Line, "\r")
	}
	return checkSecretKey(setting+" "+file, key)
}

// checkSecretKey refuses what no domain can have.
func checkSecretKey(setting, key string) (string, error) {
	var problem string
	switch {
	case key == "":
		problem = "is empty"
	case len(key) > maxSecretKeyBytes:
		problem = fmt.Sprintf("is longer than %d bytes: is it the right one?", maxSecretKeyBytes)
	default:
		return key, nil
	}
	return "", Usagef("%s: %s", setting, problem)
}
