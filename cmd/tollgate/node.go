package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/viper"

	"github.com/tollgate/tollgate/node"
)

// flagConfig names the configuration file; it is no setting of its own.
const flagConfig = "config"

// runningNode is what the command needs of a node. Done is closed when the
// node has ended by itself, Err then says why; Close stops it in good order,
// within ctx.
type runningNode interface {
	ProxyAddr() string
	AdminAddr() string
	ClusterAddr() string
	Done() <-chan struct{}
	Err() error
	Close(ctx context.Context) error
}

// openFunc starts a node; it returns when the node listens.
type openFunc func(ctx context.Context, cfg node.Config) (runningNode, error)

func (a *app) nodeCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "node",
		Short: "Run a node",
		Long: "Run a node of a cluster. The same command line serves for its first start and for every other:\n" +
			"a node that has state ignores --bootstrap and --join.\n\n" +
			"Each flag is also an environment variable, TOLLGATE_ and its name in capitals (TOLLGATE_DATA_DIR),\n" +
			"and a key of the YAML file that --config names (data-dir: /var/lib/tollgate).\n" +
			"A flag overrules the environment, the environment the file.",
		Args: takes(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			v, err := settingsOf(cmd.Flags(), a.env)
			if err != nil {
				return err
			}
			cfg, err := nodeConfig(v)
			if err != nil {
				return err
			}
			cfg.Logger = logger(a.stderr, v.GetString(setLogLevel), v.GetString(setLogFormat))
			if err := cfg.Validate(); err != nil {
				return &usageError{headline(err)}
			}
			return a.runNode(cmd.Context(), cfg)
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	for _, s := range nodeSettings {
		f := flags.VarPF(&flagValue{setting: s}, s.name, "", s.help)
		if s.kind == kindToggle {
			f.NoOptDefVal = "true"
		}
	}
	flags.String(flagConfig, "", "YAML `FILE` of settings")
	return cmd
}

// nodeConfig turns settings into what a node is made from. It reads the token
// file, so that only the token goes on.
func nodeConfig(v *viper.Viper) (node.Config, error) {
	cfg := node.Config{
		ID:               v.GetString(setID),
		DataDir:          v.GetString(setDataDir),
		Listen:           v.GetString(setListen),
		Admin:            v.GetString(setAdmin),
		Cluster:          v.GetString(setCluster),
		AdvertiseListen:  v.GetString(setAdvertiseListen),
		AdvertiseAdmin:   v.GetString(setAdvertiseAdmin),
		AdvertiseCluster: v.GetString(setAdvertiseCluster),
		Bootstrap:        v.GetBool(setBootstrap),
		Join:             v.GetStringSlice(setJoin),
		Nonvoter:         v.GetBool(setNonvoter),
		QuotaWait:        v.GetDuration(setQuotaWait),
		LeaseTime:        v.GetDuration(setLease),
		LongLeaseTime:    v.GetDuration(setLongLease),
		MinLease:         v.GetInt(setMinLease),
		DrainTimeout:     v.GetDuration(setDrain),
		Clients: node.ClientLimits{
			MaxConns:          v.GetInt(setMaxConns),
			MaxConnsPerClient: v.GetInt(setMaxConnsPerClient),
			MaxCallsPerClient: v.GetInt(setMaxCallsPerClient),
			MaxRequestBody:    sizeOf(v, setMaxRequestBody),
			BodyMemory:        sizeOf(v, setBodyMemory),
			BodyTimeout:       v.GetDuration(setBodyTimeout),
		},
		Upstreams: node.UpstreamLimits{
			Timeout:    v.GetDuration(setUpstreamTimeout),
			MaxConnAge: v.GetDuration(setUpstreamMaxConnAge),
			BodyBuffer: sizeOf(v, setBodyBuffer),
		},
	}
	var err error
	if file := v.GetString(setTokenFile); file != "" {
		cfg.Token, err = readToken("--"+setTokenFile, file)
	} else if token := v.GetString(setToken); token != "" {
		cfg.Token, err = checkToken("--"+setToken, token)
	}
	return cfg, err
}

// runNode runs a node until ctx ends or the node does.
func (a *app) runNode(ctx context.Context, cfg node.Config) error {
	n, err := a.open(ctx, cfg)
	if err != nil {
		if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
			return nil // told to stop before it ran
		}
		return fmt.Errorf("the node does not start: %w", err)
	}
	cfg.Logger.Info("node runs", "id", cfg.ID, "listen", n.ProxyAddr(), "admin", n.AdminAddr(), "cluster", n.ClusterAddr())

	var fatal error
	select {
	case <-ctx.Done():
		cfg.Logger.Info("node stops", "id", cfg.ID, "drainTimeout", cfg.DrainTimeout.String())
	case <-n.Done():
		if fatal = n.Err(); fatal == nil {
			fatal = errors.New("for no reason that it gives")
		}
		fatal = fmt.Errorf("the node ended by itself: %w", fatal)
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), cfg.DrainTimeout)
	defer cancel()
	began := time.Now()
	if err := n.Close(stop); err != nil {
		err = fmt.Errorf("the node did not stop in good order within --%s %v: %w", setDrain, cfg.DrainTimeout, err)
		return errors.Join(fatal, err)
	}
	cfg.Logger.Info("node stopped", "id", cfg.ID, "took", time.Since(began).Round(time.Millisecond).String())
	return fatal
}

// headline puts a line above several problems.
func headline(err error) error {
	if n := strings.Count(err.Error(), "\n") + 1; n > 1 {
		return fmt.Errorf("the node's settings have %d problems\n%w", n, err)
	}
	return err
}

// logger writes to w; level and format are among those that settings allow.
func logger(w io.Writer, level, format string) *slog.Logger {
	var opts slog.HandlerOptions
	var l slog.Level
	if l.UnmarshalText([]byte(level)) == nil {
		opts.Level = l
	}
	if format == formatText {
		return slog.New(slog.NewTextHandler(w, &opts))
	}
	return slog.New(slog.NewJSONHandler(w, &opts))
}
