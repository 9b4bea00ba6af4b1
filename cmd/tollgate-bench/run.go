package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"unicode"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/tollgate/tollgate/bench"
	"github.com/tollgate/tollgate/bench/report"
	"github.com/tollgate/tollgate/cmd/internal/cli"
)

const (
	// defaultResults is where runs are kept, one folder each.
	defaultResults = "bench-results"
	// tableFile is the table of a run in its folder.
	tableFile = "table.txt"
	// Values of --peers.
	peersAuto, peersNone = "auto", "none"
)

// runFlags are the flags of `tollgate-bench run`.
type runFlags struct {
	cfg              bench.Config
	list, json       bool
	out, peers, page string
}

func (a *app) runCommand() *cobra.Command {
	var f runFlags
	cmd := &cobra.Command{
		Use:   "run [SCENARIO...]",
		Short: "Measure speed, latency and exactness, beside peers",
		Long: "Measure clusters of Tollgate, which are started on loopback for it, under load: how fast, how late, and\n" +
			"whether quotas stay exact meanwhile. A wrong count fails the run. Peers such as nginx and Envoy's ratelimit\n" +
			"are measured in the same run, where they are installed (`make bench-peers`). Without SCENARIO everything is\n" +
			"measured, which takes less than ten minutes on two cores; --list names the scenarios.\n\n" +
			"The result is printed, and kept in a folder named by date and commit: report.json, table.txt and plots.\n" +
			"`tollgate-bench compare` sets two of them beside each other. `tollgate-bench load` loads a gateway of your own.",
		Example: "  tollgate-bench run\n  tollgate-bench run quota-end failover --slices 10",
		Args:    cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			f.cfg.Scenarios = args
			return a.runBench(cmd, &f)
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&f.list, "list", false, "list the scenarios, and measure nothing")
	flags.StringVar(&f.out, "out", defaultResults, "`DIR` in which the result gets a folder of its own")
	flags.StringVar(&f.peers, "peers", peersAuto, "whether to measure the peers that are installed, `auto|none`")
	flags.IntVar(&f.cfg.Connections, "connections", 0, "how many connections, where a scenario does not vary them (default as the scenario says)")
	flags.Float64Var(&f.cfg.Rate, "rate", 0, "calls a second of open loops, where a scenario does not vary them (default as the scenario says)")
	flags.IntVar(&f.cfg.Slices, "slices", bench.DefaultSlices, "how many stretches of time are measured")
	flags.DurationVar(&f.cfg.Slice, "slice", bench.DefaultSlice, "how long each of them is")
	flags.DurationVar(&f.cfg.Warmup, "warmup", bench.DefaultWarmup, "how long the load lasts before it is measured")
	flags.StringVar(&f.cfg.Binary, "binary", "", "the tollgate `FILE` whose nodes to measure (default the one beside this program, else that of PATH)")
	flags.StringVar(&f.cfg.Dir, "dir", "", "`DIR` for the nodes' data while the run lasts (default the system's for temporary files)")
	flags.StringVar(&f.page, "page", "", "`FILE` to write the result to as a page in Markdown, too")
	flags.BoolVar(&f.json, "json", false, "print JSON, for scripts")
	return cmd
}

// runBench runs the benchmark and keeps, prints and judges what it measured.
func (a *app) runBench(cmd *cobra.Command, f *runFlags) error {
	if f.peers != peersAuto && f.peers != peersNone {
		return cli.Usagef("--peers %q: must be %s or %s", f.peers, peersAuto, peersNone)
	}
	if err := f.cfg.Validate(); err != nil {
		return &cli.UsageError{Err: err}
	}
	if f.list {
		return a.listScenarios(f)
	}
	if f.cfg.Binary == "" {
		var err error
		if f.cfg.Binary, err = findTollgate(); err != nil {
			return err
		}
	}
	f.cfg.Peers = f.peers == peersAuto
	f.cfg.Command = commandLine(cmd)
	f.cfg.Progress, f.cfg.Terminal = a.Stderr, isTerminal(a.Stderr)
	if err := os.MkdirAll(f.out, 0o755); err != nil { // not only when all is measured
		return err
	}
	run, err := bench.Run(cmd.Context(), f.cfg)
	if err != nil {
		return interrupted(cmd.Context(), err)
	}
	dir := filepath.Join(f.out, report.FolderName(run.Began, run.Commit))
	kept, printed := keep(run, dir, f.page), a.printRun(run, f.json)
	if kept == nil {
		fmt.Fprintf(a.Stderr, "kept in %s\n", dir)
	}
	return errors.Join(failure(run), kept, printed)
}

// findTollgate is the gateway to measure where none is named.
func findTollgate() (string, error) {
	if self, err := os.Executable(); err == nil {
		beside := filepath.Join(filepath.Dir(self), "tollgate")
		if info, err := os.Stat(beside); err == nil && info.Mode().IsRegular() {
			return beside, nil
		}
	}
	found, err := exec.LookPath("tollgate")
	if err != nil {
		return "", cli.Usagef("there is no tollgate beside this program nor in PATH: --binary names the one to measure")
	}
	return found, nil
}

// keep writes a run with its table and plots to a folder, and to a page unless
// that is empty.
func keep(run *report.Run, dir, page string) error {
	// First what everything else can be made from again.
	if err := run.Save(dir); err != nil {
		return err
	}
	var text bytes.Buffer
	if err := run.WriteTable(&text); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, tableFile), text.Bytes(), 0o644); err != nil {
		return err
	}
	plots, err := run.Plots(dir)
	if err != nil || page == "" {
		return err
	}
	return writePage(run, plots, page)
}

// printRun prints a run, as a table or as its JSON.
func (a *app) printRun(run *report.Run, asJSON bool) error {
	if !asJSON {
		var text bytes.Buffer
		if err := run.WriteTable(&text); err != nil {
			return err
		}
		return a.Print(text.Bytes())
	}
	return a.PrintJSON(run)
}

// failure is the error of a run in which something was wrong.
func failure(run *report.Run) error {
	wrong := bench.Failed(run)
	if len(wrong) == 0 {
		return nil
	}
	return fmt.Errorf("the run has failed\n%s", strings.Join(wrong, "\n"))
}

// listScenarios lists those that were named, or all.
func (a *app) listScenarios(f *runFlags) error {
	list, err := f.cfg.List()
	if err != nil {
		return err
	}
	if f.json {
		return a.PrintJSON(list)
	}
	var out bytes.Buffer
	rows := make([][]string, len(list))
	for i, s := range list {
		rows[i] = []string{s.Name, fmt.Sprint(len(s.Points)), s.Summary}
	}
	if err := cli.Table(&out, "SCENARIO|POINTS|WHAT", rows); err != nil {
		return err
	}
	return a.Print(out.Bytes())
}

// hiddenFlags have values that nobody else is to see; outputFlags say where the
// result goes, and nothing of what is measured.
var (
	hiddenFlags = []string{"secret-key", "header"}
	outputFlags = []string{"out", "page", "json", "dir"}
)

// commandLine is how a command was called, but for the file of the program,
// what hiddenFlags hide, and outputFlags.
func commandLine(cmd *cobra.Command) string {
	words := []string{cmd.CommandPath()}
	cmd.Flags().Visit(func(f *pflag.Flag) {
		if slices.Contains(outputFlags, f.Name) {
			return
		}
		value := f.Value.String()
		if slices.Contains(hiddenFlags, f.Name) {
			value = "***"
		}
		words = append(words, "--"+f.Name+"="+shellWord(value))
	})
	for _, arg := range cmd.Flags().Args() {
		words = append(words, shellWord(arg))
	}
	return strings.Join(words, " ")
}

// shellWord quotes a word for a shell, if it needs that.
func shellWord(s string) string {
	plain := s != "" && strings.IndexFunc(s, func(r rune) bool {
		return r > unicode.MaxASCII || !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("-_./:,=*@%+", r)
	}) < 0
	if plain {
		return s
	}
	return cli.ShellQuote(s)
}

// interrupted says that ctx ended, where err is only that.
func interrupted(ctx context.Context, err error) error {
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return errors.New("interrupted before all was measured: nothing is kept")
	}
	return err
}

// isTerminal tells whether lines that are written to w can be written over.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
