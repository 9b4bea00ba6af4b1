package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tollgate/tollgate/node"
)

// Environment variables of the commands that sign for a client.
const (
	envSecretKey     = "TOLLGATE_SECRET_KEY"
	envSecretKeyFile = "TOLLGATE_SECRET_KEY_FILE"
)

// maxSecretKeyBytes is the longest secretKey that a domain can have.
const maxSecretKeyBytes = 4096

// secretFlags say where a command finds the secretKey of a domain's HMAC or JWT
// plugin.
type secretFlags struct{ key, file string }

func (f *secretFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.key, "secret-key", "", "the domain's secret `KEY`; others on this machine can see it and shells remember it, --secret-key-file is safer (env "+envSecretKey+")")
	flags.StringVar(&f.file, "secret-key-file", "", "`FILE` that holds the domain's secret key; a line end behind it does not count (env "+envSecretKeyFile+")")
}

// secretKey takes the secret key from the flags or else the environment.
func (a *app) secretKey(f *secretFlags) (string, error) {
	switch {
	case f.key != "" && f.file != "":
		return "", usagef("--secret-key and --secret-key-file: give only one of them")
	case f.key != "":
		return checkSecretKey("--secret-key", f.key)
	case f.file != "":
		return readSecretKey("--secret-key-file", f.file)
	case a.env[envSecretKey] != "" && a.env[envSecretKeyFile] != "":
		return "", usagef("%s and %s: set only one of them", envSecretKey, envSecretKeyFile)
	case a.env[envSecretKey] != "":
		return checkSecretKey(envSecretKey, a.env[envSecretKey])
	case a.env[envSecretKeyFile] != "":
		return readSecretKey(envSecretKeyFile, a.env[envSecretKeyFile])
	}
	return "", usagef("the domain's secret key is missing: --secret-key-file or %s gives it", envSecretKey)
}

// readSecretKey reads a secret key file; setting is what named it. A key may
// have spaces at its ends; the one line end that editors add is not of it.
func readSecretKey(setting, file string) (string, error) {
	raw, err := node.ReadSecretFile(file, maxSecretKeyBytes+int64(len("\r\n")))
	if err != nil {
		return "", usagef("%s %w", setting, err)
	}
	key := string(raw)
	if line, ended := strings.CutSuffix(key, "\n"); ended {
		key = strings.TrimSuffix(line, "\r")
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
	return "", usagef("%s: %s", setting, problem)
}
