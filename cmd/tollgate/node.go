package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/spf13/cobra"

	"github.com/tollgate/tollgate/cmd/internal/cli"
	"github.com/tollgate/tollgate/node"
	"github.com/tollgate/tollgate/store"
)

// flagConfig names the configuration file; it is no setting of its own.
const flagConfig = "config"

// runningNode is what the command needs of a node. Done is closed when the
// node has ended by itself, Err then says why; Close stops it in good order,
// within ctx, and Stopping names the step that it is at. Reload reads
// certificates and token files anew, and logs what fails.
type runningNode interface {
	ProxyAddr() string
	AdminAddr() string
	ClusterAddr() string
	Done() <-chan struct{}
	Err() error
	Close(ctx context.Context) error
	Stopping() string
	Reload() error
}

// openFunc starts a node; it returns when the node listens.
type openFunc func(ctx context.Context, cfg node.Config) (runningNode, error)

func (a *app) nodeCommand() *cobra.Command {
	var check bool
	cmd := &cobra.Command{
		Use:   "node",
		Short: "Run a node",
		Long: "Run a node of a cluster. The same command line serves for its first start and for every other:\n" +
			"a node that has state ignores --bootstrap and --join.\n\n" +
			"Each flag is also an environment variable, TOLLGATE_ and its name in capitals (TOLLGATE_DATA_DIR),\n" +
			"and a key of the YAML file that --config names (data-dir: /var/lib/tollgate).\n" +
			"A flag overrules the environment, the environment the file.",
		Args: cli.Takes(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			// First of all: a hang-up never ends a node.
			hangUps := make(chan os.Signal, 1)
			signal.Notify(hangUps, syscall.SIGHUP)
			defer signal.Stop(hangUps)
			// Nor does who reads its log on standard output, and leaves.
			signal.Ignore(syscall.SIGPIPE)
			if err := refuseFormerFlags(cmd); err != nil {
				return err
			}
			all, err := settingsOf(cmd.Flags(), a.Env)
			if err != nil {
				return err
			}
			cfg, err := all.config()
			if err != nil {
				return err
			}
			cfg.Version = readVersion().Version
			cfg.Logger = logger(a.Stderr, all.text(node.LogLevel), all.text(node.LogFormat))
			if check {
				a.warnOfEnvironment(cfg)
				return a.checkNode(all, cfg)
			}
			if err := cfg.Validate(); err != nil {
				return &cli.UsageError{Err: headline(err)}
			}
			a.warnOfEnvironment(cfg)
			return a.runNode(cmd.Context(), cfg, hangUps)
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	for _, s := range node.Settings {
		f := flags.VarPF(&flagValue{Setting: s}, s.Name, "", s.Help)
		if s.Kind == node.Toggle {
			f.NoOptDefVal = "true"
		}
	}
	flags.String(flagConfig, "", "YAML `FILE` of settings")
	flags.BoolVar(&check, flagCheck, false, "check the settings and the files that they name, print what the node would run with, and start nothing")
	for _, name := range formerSettings {
		flags.String(name, "", "")
		_ = flags.MarkHidden(name) // it is there
	}
	return cmd
}

// formerSettings are those that a node had before its secret became two.
var formerSettings = []string{"token", "token-file"}

// formerText says what took their place.
const formerText = "is no setting of a node any more: --" + node.ClusterKeyFile + " has the nodes' own secret, --" + node.AdminTokenFile +
	" says who may call the admin API (lines of ROLE NAME TOKEN)"

func refuseFormerFlags(cmd *cobra.Command) error {
	for _, name := range formerSettings {
		if cmd.Flags().Changed(name) {
			return cli.Usagef("--%s %s", name, formerText)
		}
	}
	return nil
}

// runNode runs a node until ctx ends or the node does.
func (a *app) runNode(ctx context.Context, cfg node.Config, hangUps <-chan os.Signal) error {
	watch := &watchdog{app: a, limit: cfg.LameDuck + cfg.DrainTimeout + stopTime - stopReserve}
	defer watch.end()
	defer context.AfterFunc(ctx, watch.begin)()
	n, err := a.open(ctx, cfg)
	if err != nil {
		if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
			return nil // told to stop before it ran
		}
		return fmt.Errorf("the node does not start: %w", err)
	}
	watch.running.Store(&n)
	notify(cfg.Logger, daemon.SdNotifyReady)
	cfg.Logger.Info("node runs", "id", cfg.ID, "listen", n.ProxyAddr(), "admin", n.AdminAddr(), "cluster", n.ClusterAddr())

	fatal := a.waitForEnd(ctx, cfg, n, hangUps)
	if errors.Is(fatal, store.ErrDiskHung) {
		disconnect()
		return fatal // stopping in good order writes: the others wait for this one to be gone
	}
	watch.begin()
	notify(cfg.Logger, daemon.SdNotifyStopping)
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), cfg.LameDuck+cfg.DrainTimeout+node.StopGrace)
	defer cancel()
	began := time.Now()
	if err := n.Close(stop); err != nil {
		return errors.Join(fatal, fmt.Errorf("the node did not stop in good order: %w", err))
	}
	cfg.Logger.Info("node stopped", "id", cfg.ID, "tookSeconds", time.Since(began).Round(time.Millisecond).Seconds())
	return fatal
}

// notify tells systemd, where it has started the process, how the node stands
// (sd_notify(3)).
func notify(logger *slog.Logger, state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		logger.Warn("systemd could not be told how the node stands", "state", state, "error", err)
	}
}

// waitForEnd returns when the node is to stop: nil if it was told to, else why
// it ended. Until then it reloads at every hang-up.
func (a *app) waitForEnd(ctx context.Context, cfg node.Config, n runningNode, hangUps <-chan os.Signal) error {
	for {
		select {
		case <-hangUps:
			cfg.Logger.Info("reloading certificates and token files, reopening the access log", "id", cfg.ID)
			_ = n.Reload() // it has logged what failed
		case <-ctx.Done():
			cfg.Logger.Info("node stops", "id", cfg.ID, "lameDuckSeconds", cfg.LameDuck.Seconds(), "drainTimeoutSeconds", cfg.DrainTimeout.Seconds())
			return nil
		case <-n.Done():
			fatal := n.Err()
			if fatal == nil {
				fatal = errors.New("for no reason that it gives")
			}
			return fmt.Errorf("the node ended by itself: %w", fatal)
		}
	}
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
	if format == "text" {
		return slog.New(slog.NewTextHandler(w, &opts))
	}
	return slog.New(slog.NewJSONHandler(w, &opts))
}
