package cli

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// Version is the answer of `tollgate version --json`.
type Version struct {
	program string
	Version string `json:"version"`
	// Commit is empty where the build did not know it, and ends in "+dirty"
	// where the checkout had changes.
	Commit   string `json:"commit"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

// String is the version for people.
func (v Version) String() string {
	commit := v.Commit
	if commit == "" {
		commit = "unknown"
	}
	return fmt.Sprintf("%s %s (commit %s, %s, %s)", v.program, v.Version, commit, v.Go, v.Platform)
}

// ReadVersion is the version of this program: what the release build set, else
// what the build information tells.
func ReadVersion(program, version, commit string) Version {
	v := Version{program: program, Version: version, Commit: commit, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if ok && v.Version == "" {
		v.Version = info.Main.Version
	}
	if v.Version == "" {
		v.Version = "(devel)"
	}
	if ok && v.Commit == "" {
		settings := map[string]string{}
		for _, s := range info.Settings {
			settings[s.Key] = s.Value
		}
		v.Commit = settings["vcs.revision"]
		if v.Commit != "" && settings["vcs.modified"] == "true" {
			v.Commit += "+dirty"
		}
	}
	return v
}

// VersionCommand prints it.
func (p *Process) VersionCommand(v Version) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Print the version of this program",
		Args:  Takes(),
		RunE: func(*cobra.Command, []string) error {
			if !asJSON {
				return p.Print([]byte(v.String() + "\n"))
			}
			return p.PrintJSON(v)
		},
	}
	cmd.Flags().BoolVar(&asJSON, FlagJSON, false, "print JSON, for scripts")
	return cmd
}
