package main

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/tollgate/tollgate/cluster/pki"
	"github.com/tollgate/tollgate/cmd/internal/cli"
	"github.com/tollgate/tollgate/node"
)

// maxSecretBytes bounds a file with a token or a key: a bigger one is the wrong
// file.
const maxSecretBytes = 4 << 10

// secretOf takes a secret from a flag or the file that a flag names, or else
// from one of the two variables. It is empty where none of them is set.
func (a *app) secretOf(flag, value, fileFlag, file, env, envFile string) (string, error) {
	switch {
	case value != "" && file != "":
		return "", cli.Usagef("%s and %s: give only one of them", flag, fileFlag)
	case value != "":
		return checkSecret(flag, value)
	case file != "":
		return readSecret(fileFlag, file)
	case a.Env[env] != "" && a.Env[envFile] != "":
		return "", cli.Usagef("%s and %s: set only one of them", env, envFile)
	case a.Env[env] != "":
		return checkSecret(env, a.Env[env])
	case a.Env[envFile] != "":
		return readSecret(envFile, a.Env[envFile])
	}
	return "", nil
}

// readSecret reads a file of one secret; setting is what named it.
func readSecret(setting, file string) (string, error) {
	raw, err := node.ReadSecretFile(file, maxSecretBytes)
	if err != nil {
		return "", cli.Usagef("%s %w", setting, err)
	}
	secret := strings.TrimSpace(string(raw))
	if secret == "" {
		return "", cli.Usagef("%s %s: is empty", setting, file)
	}
	return checkSecret(setting+" "+file, secret)
}

// checkSecret refuses what no HTTP header can carry.
func checkSecret(setting, secret string) (string, error) {
	for _, c := range []byte(secret) {
		if c <= ' ' || c > '~' {
			return "", cli.Usagef("%s: must be one line of ASCII letters, digits and signs, without spaces", setting)
		}
	}
	return secret, nil
}

func (a *app) keygenCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "keygen",
		Short: "Make a key for a cluster",
		Long: "Make a key for a cluster. Give it to all of its nodes, and to nobody else: who has it is one of them.\n" +
			"tollgate node takes it by --" + node.ClusterKeyFile + " or " + envClusterKey + ".",
		Example: "  (umask 077; tollgate keygen > cluster.key)",
		Args:    cli.Takes(),
		RunE: func(*cobra.Command, []string) error {
			return a.Print(cli.Line([]byte(pki.NewKey())))
		},
	}
}

func (a *app) caCommand() *cobra.Command {
	var keyFile string
	cmd := &cobra.Command{
		Use:   "ca",
		Short: "Print the certificate that a cluster's admin ports are known by",
		Long: "Print the certificate (PEM) that comes from the cluster's key. It is no secret: whoever is to call the admin\n" +
			"API without having the key is given it, and trusts it by --" + node.AdminCA + " or curl --cacert.",
		Example: "  tollgate ca --cluster-key-file cluster.key > ca.pem",
		Args:    cli.Takes(),
		RunE: func(*cobra.Command, []string) error {
			key, err := a.secretOf("", "", "--"+node.ClusterKeyFile, keyFile, envClusterKey, envClusterKeyFile)
			if err != nil {
				return err
			}
			if key == "" {
				return cli.Usagef("the cluster's key is missing: --%s or %s gives it", node.ClusterKeyFile, envClusterKey)
			}
			if len(key) < pki.MinKeyLength {
				return cli.Usagef("--%s: the key has %d characters, must have at least %d; `tollgate keygen` makes one", node.ClusterKeyFile, len(key), pki.MinKeyLength)
			}
			authority, err := pki.Derive(key)
			if err != nil {
				return err
			}
			return a.Print(cli.Line(authority.CertificatePEM()))
		},
	}
	addKeyFile(cmd, &keyFile)
	return cmd
}
